"""Steps on a CUDA device: on the emulator, since no machine here has one, and what is said where there is none."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import types
from unittest import mock

import pytest
import torch

from muonc import device, program

PTXAS = os.environ.get("MUON_PTXAS") or shutil.which(
    "ptxas", path=os.pathsep.join([os.environ.get("PATH", ""), os.path.join(os.environ.get("CUDA_HOME", ""), "bin")])
)
needs_ptxas = pytest.mark.skipif(not PTXAS, reason="ptxas is not here: libraries for GPUs hold its cubins")


@needs_ptxas
def test_steps_on_the_emulated_gpu_follow_the_processor(build_directory):
    emulator = build_directory / "lib" / "libmuon_emulator.so"
    if not emulator.exists():
        pytest.skip("the emulator is built on x86-64 only")
    script = pathlib.Path(__file__).with_name("emulated_steps.py")
    environment = {**os.environ, "MUON_CUDA_DRIVER": str(emulator), "MUON_EMULATE_CHIP": "sm_80"}
    done = subprocess.run([sys.executable, script], env=environment, text=True, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["target"] == "sm_80"
    assert result["reports"] == ""
    assert result["skipped"] == [False, False, True]
    assert max(result["errors"]) <= 1e-4
    assert result["asked"] == ["capability of cuda:0", "context of cuda:0", "stream of cuda:0"]
    line = "bind: workspace is 0, expected the address of N bytes on the device"
    assert result["without a workspace"] == line


@needs_ptxas
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_device_the_program_says_so_in_one_line():
    request = {
        "name": "nowhere",
        "target": "sm_80",
        "groups": [{"shape": [16, 16], "parameters": ["p"], "set": "all", "preset": "keller"}],
    }
    with pytest.raises(RuntimeError) as refused:
        program.compile_program(request)
    assert "\n" not in str(refused.value)
    assert "cuda" in str(refused.value).lower()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_device_cuda_tensors_are_refused_in_one_line():
    with pytest.raises(
        RuntimeError, match=r"Muon: parameters on cuda:0, but torch .* finds no CUDA device here"
    ) as refused:
        device.of(torch.device("cuda", 0))
    assert "\n" not in str(refused.value)


class HostCuda(device.Cuda):
    """Cuda's own memory and calls, with the processor in the device's place."""

    def __init__(self):
        self.device = torch.device("cpu")


def test_a_step_is_queued_on_torchs_stream_in_the_devices_context():
    calls, stream = [], types.SimpleNamespace(cuda_stream=0x1234)
    binding = types.SimpleNamespace(run=lambda *arguments: calls.append(("run", *arguments)))
    program_ = types.SimpleNamespace(
        workspace_bytes=512,
        parameters=["a", "b"],
        bind=lambda *arguments: calls.append(("bind", *arguments)) or binding,
    )
    context = mock.MagicMock(
        __enter__=lambda _: calls.append("enter"), __exit__=lambda *_: calls.append("exit") and False
    )
    place = HostCuda()
    with mock.patch.multiple(torch.cuda, device=lambda _: context, current_stream=lambda _: stream):
        place.bind(program_, ["weights"])
        place.run(["gradient"], [0.1])
    workspace, words = place.workspace, place.words
    assert workspace.dtype == torch.uint8 and workspace.numel() == 512 and not workspace.any()
    assert calls == [
        "enter",
        ("bind", ["weights"], workspace.data_ptr(), words.data_ptr()),
        "exit",
        "enter",
        ("run", ["gradient"], [0.1], 0x1234),
        "exit",
    ]
    words[2] = 2  # a word and a spare one for each parameter
    assert place.states() == [0, 2]


def test_other_devices_are_refused():
    with pytest.raises(ValueError, match="parameters on xla:0; expected the CPU or a CUDA device"):
        device.of(torch.device("xla", 0))


def test_tensors_on_several_devices_are_refused():
    tensors = [torch.zeros(2, 2), torch.zeros(2, 2, device="meta")]
    with pytest.raises(
        ValueError, match="parameters are on cpu and meta; expected one device, or an optimizer for each"
    ):
        device.of_all(tensors)
