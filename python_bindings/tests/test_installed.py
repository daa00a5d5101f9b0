"""The wheel, installed away from the build tree: what it holds, that it steps, and what it says where MLIR is missing.

It is made from the build directory under test, which has all of it compiled (`pip wheel ./python_bindings` alone builds
from nothing).
"""

import importlib.util
import os
import pathlib
import re
import subprocess
import sys
import zipfile

import pytest

_BINDINGS = pathlib.Path(__file__).parents[1]
_STEP = """
import muonc, muonc.torch, torch
from reference import Reference, gradients, matrices
shapes = [(24, 40), (40, 24), (33, 7)]
weights = matrices(shapes)
expected = Reference(weights, lr=0.1)
optimizer = muonc.torch.Muon(weights, lr=0.1, dtype="f32")
for step in range(3):
    for weight, gradient in zip(weights, gradients(shapes, step)):
        weight.grad = gradient
    optimizer.step()
    expected.step(gradients(shapes, step))
error = max(abs(w.detach().double().numpy() - e).max() for w, e in zip(weights, expected.weights))
print(muonc.__file__, error)
"""


def run(*command, **others):
    return subprocess.run([str(word) for word in command], text=True, capture_output=True, **others)


@pytest.fixture(scope="module")
def wheel(build_directory, tmp_path_factory):
    for module in ("pip", "scikit_build_core", "nanobind"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{sys.executable} has no {module}")
    cache = build_directory / "CMakeCache.txt"
    if not cache.exists():
        pytest.skip(f"{build_directory} is no build directory: the package under test is installed already")
    interpreter = re.search(r"^Python_EXECUTABLE:\w+=(.*)$", cache.read_text(), re.MULTILINE)
    if interpreter is None or interpreter[1] != sys.executable:
        pytest.skip(f"{build_directory} was not built for {sys.executable}")
    made = tmp_path_factory.mktemp("wheel")
    done = run(
        sys.executable,
        *"-m pip wheel --no-build-isolation --no-deps --no-index -w".split(),
        made,
        f"--config-settings=build-dir={build_directory}",
        _BINDINGS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = made.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The folder that holds the installed package, and an environment that finds it and nothing of the build tree."""
    folder = tmp_path_factory.mktemp("installed")
    done = run(sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", folder, wheel)
    assert done.returncode == 0, done.stderr
    search = os.pathsep.join(map(str, [folder, _BINDINGS / "tests"]))
    environment = {**os.environ, "PYTHONPATH": search, "MUON_CACHE_DIR": str(folder / "cache")}
    environment.pop("LD_LIBRARY_PATH", None)
    return folder, environment


def test_the_wheel_holds_runtime_compiler_and_sources(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    extensions = {name.split(".")[0] for name in names if name.endswith(".so")}
    assert {"muonc/_runtime", "muonc/_compiler", "muonc/_tuning", "muonc/libmuon_compiler"} <= extensions
    assert {f"muonc/{source.name}" for source in (_BINDINGS / "muonc").glob("*.py")} <= names
    foreign = [name for name in names if not name.startswith(("muonc/", "muonc-"))]
    assert not foreign


def test_the_build_directory_keeps_its_tests(wheel, build_directory):
    assert "MUON_ENABLE_TESTS:BOOL=ON" in (build_directory / "CMakeCache.txt").read_text()


def test_the_installed_package_compiles_and_steps(installed, tmp_path):
    folder, environment = installed
    done = run(sys.executable, "-c", _STEP, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    path, error = done.stdout.split()
    assert path == str(folder / "muonc" / "__init__.py")
    assert float(error) < 2e-5


def test_a_machine_without_mlir_is_told_in_one_line(installed, tmp_path):
    _, environment = installed
    (tmp_path / "libMLIR.so.22.1").write_bytes(b"")  # found first, and no library
    done = run(
        sys.executable,
        "-c",
        _STEP,
        cwd=tmp_path,
        env={**environment, "LD_LIBRARY_PATH": str(tmp_path), "MUON_CACHE_DIR": str(tmp_path / "cache")},
    )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert re.match(
        r"ImportError: muonc: the compiler extension cannot be loaded: .*libMLIR.*; it needs .*LLVM 22.1, MLIR 22.1",
        last,
    ), last
