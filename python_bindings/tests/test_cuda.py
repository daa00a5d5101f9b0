"""Steps on a CUDA device: on the emulator, since no machine here has one, and what is said where there is none."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest
import torch

from muonc import device, program

PTXAS = os.environ.get("MUON_PTXAS") or shutil.which("ptxas", path=os.pathsep.join(
    [os.environ.get("PATH", ""), os.path.join(os.environ.get("CUDA_HOME", ""), "bin")]))
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


@needs_ptxas
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_device_the_program_says_so_in_one_line():
    request = {"name": "nowhere", "target": "sm_80", "groups": [
        {"shape": [16, 16], "parameters": ["p"], "set": "all", "preset": "keller"}]}
    with pytest.raises(RuntimeError) as refused:
        program.compile_program(request)
    assert "\n" not in str(refused.value)
    assert "cuda" in str(refused.value).lower()


def test_other_devices_are_refused():
    with pytest.raises(ValueError, match="parameters on xla:0; expected the CPU or a CUDA device"):
        device.of(torch.device("xla", 0))


def test_tensors_on_several_devices_are_refused():
    tensors = [torch.zeros(2, 2), torch.zeros(2, 2, device="meta")]
    with pytest.raises(ValueError, match="parameters are on cpu and meta; expected one device, or an optimizer for each"):
        device.of_all(tensors)
