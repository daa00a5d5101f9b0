"""What a wheel holds: the extensions as they are installed, away from the build tree."""

import os
import pathlib
import shutil
import subprocess
import sys

import muonc
import pytest

_STEP = """
import muonc.torch, torch
weight = torch.nn.Parameter(torch.ones(24, 40))
weight.grad = torch.randn(24, 40)
muonc.torch.Muon([weight], lr=0.1).step()
print(muonc.__file__, bool((weight != 1).all()))
"""


def test_the_installed_package_compiles_and_steps(tmp_path):
    package = pathlib.Path(muonc.__file__).parent
    build = package.parents[1]
    if not (build / "cmake_install.cmake").exists():
        pytest.skip(f"{build} is no build directory: the package under test is installed already")
    subprocess.run(["cmake", "--install", build, "--component", "muonc", "--prefix", tmp_path], check=True)
    for source in package.glob("*.py"):  # as scikit-build-core adds them
        shutil.copy(source, tmp_path / "muonc")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "MUON_CACHE_DIR": str(tmp_path / "cache")}
    environment.pop("LD_LIBRARY_PATH", None)
    done = subprocess.run([sys.executable, "-c", _STEP], env=environment, cwd=tmp_path, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(tmp_path / "muonc" / "__init__.py"), "True"]
