"""Run by test_cuda.py in a process of its own: muonc.torch.Muon on the emulated GPU beside the processor.

The emulator's memory is the processor's, so torch can look at it. muonc.device.Cuda runs as it is but for `allocate`;
what it asks torch.cuda for is answered here. Prints JSON.
"""

import contextlib
import ctypes
import json
import os
import types
from unittest import mock

import torch

import muonc.device
import muonc.torch

SHAPES = [(64, 96), (96, 64), (33, 47)]


class Emulated(muonc.device.Cuda):
    driver = ctypes.CDLL(os.environ["MUON_CUDA_DRIVER"])

    def complete(self, request):
        super().complete(request)
        request["embed_bitcode"] = True

    def allocate(self, count, dtype):
        size = count * torch.empty((), dtype=dtype).element_size()
        address = ctypes.c_uint64()
        assert self.driver.cuMemAlloc_v2(ctypes.byref(address), ctypes.c_size_t(size)) == 0
        # The emulator knows what was written through the driver, which does it when somebody waits.
        assert self.driver.cuMemsetD8_v2(address, 0, ctypes.c_size_t(size)) == 0
        assert self.driver.cuCtxSynchronize() == 0
        memory = (ctypes.c_char * size).from_address(address.value)
        return torch.frombuffer(memory, dtype=dtype)

    def wait(self):
        assert self.driver.cuCtxSynchronize() == 0
        self.driver.muonEmulatorReports.restype = ctypes.c_char_p
        return self.driver.muonEmulatorReports().decode()


def fake_cuda(asked):
    """What Cuda asks torch.cuda for; `asked` gains what was."""

    def answer(name, value):
        return lambda device: asked.add(f"{name} of {device}") or value

    return {"get_device_capability": answer("capability", (8, 0)), "device": answer("context", contextlib.nullcontext()),
            "current_stream": answer("stream", types.SimpleNamespace(cuda_stream=0))}  # fmt: skip


def open_context():
    context = ctypes.c_void_p()
    assert Emulated.driver.cuInit(0) == 0
    assert Emulated.driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0) == 0
    assert Emulated.driver.cuCtxSetCurrent(context) == 0


def gradients(step):
    generator = torch.Generator().manual_seed(step)
    return [torch.randn(shape, generator=generator) for shape in SHAPES]


def on_device(device, tensor):
    return device.allocate(tensor.numel(), tensor.dtype).view(tensor.shape).copy_(tensor)


def refused(program):
    """What is said where the program is bound without a workspace."""
    arrays = {name: {} for name in program.parameters}
    for group in program.description["groups"]:
        for name in group["parameters"]:
            for argument in group["arguments"]:
                rows, columns = argument["sizes"]
                arrays[name][argument["name"]] = 256, argument["dtype"], (rows, columns), (columns, 1)
    try:
        program.bind(arrays)
    except ValueError as error:
        return str(error).replace(str(program.workspace_bytes), "N")


def main():
    open_context()
    asked = set()
    with mock.patch.object(torch.cuda, "is_available", lambda: True):
        device = Emulated(torch.device("cuda", 0))
    starts = [0.1 * tensor for tensor in gradients(9)]
    hosts = [torch.nn.Parameter(start.clone()) for start in starts]
    theirs = [torch.nn.Parameter(on_device(device, start)) for start in starts]
    settings = {"lr": 0.02, "dtype": "f32", "nonfinite": "skip"}
    host, optimizer = muonc.torch.Muon(hosts, **settings), muonc.torch.Muon(theirs, **settings)
    for parameter in theirs:
        optimizer.state[parameter]["momentum_buffer"] = on_device(device, torch.zeros_like(parameter))
    reports = ""
    for step in range(3):
        for mine, other, gradient in zip(theirs, hosts, gradients(step)):
            if step == 2 and mine is theirs[2]:
                gradient[0, 0] = float("nan")
            mine.grad, other.grad = on_device(device, gradient), gradient
        host.step()
        with (
            mock.patch.object(muonc.device, "of", lambda _: device),
            mock.patch.multiple(torch.cuda, **fake_cuda(asked)),
        ):
            optimizer.step()
        reports += device.wait()
    skipped = [any(p is q for q in optimizer.skipped()) for p in theirs]
    with torch.no_grad():
        errors = [float((a - b).norm() / (b - start).norm()) for a, b, start in zip(theirs, hosts, starts)]
    print(
        json.dumps(
            {
                "errors": errors,
                "skipped": skipped,
                "reports": reports,
                "target": optimizer.report()["target"],
                "asked": sorted(asked),
                "without a workspace": refused(optimizer._plan.program),
            }
        )
    )


if __name__ == "__main__":
    main()
