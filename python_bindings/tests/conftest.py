"""Finds the built package and gives the whole session one fresh program cache."""

import os
import pathlib
import subprocess
import sys

import pytest

_BUILD = os.environ.get("MUON_BUILD") or str(pathlib.Path(__file__).parents[2] / "build" / "release")
_PACKAGE = os.path.join(_BUILD, "python")
if os.path.isdir(_PACKAGE):
    sys.path.insert(0, _PACKAGE)
    # Tests that start another interpreter use the same package.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [_PACKAGE, os.environ.get("PYTHONPATH")]))


@pytest.fixture(scope="session")
def build_directory():
    return pathlib.Path(_BUILD)


@pytest.fixture(scope="session")
def muon_tune(build_directory):
    """Runs bin/muon-tune; standard output, or with fails=True the line of the refusal."""

    def run(*words, fails=False):
        done = subprocess.run([build_directory / "bin" / "muon-tune", *map(str, words)], capture_output=True, text=True)
        assert (done.returncode != 0) == fails, done.stderr
        return done.stderr.strip() if fails else done.stdout

    return run


@pytest.fixture(scope="session", autouse=True)
def _session_cache(tmp_path_factory):
    os.environ["MUON_CACHE_DIR"] = str(tmp_path_factory.mktemp("programs"))


@pytest.fixture
def fresh_cache(tmp_path, monkeypatch):
    """An empty cache directory, and no program of this process reused."""
    from muonc import program

    monkeypatch.setenv("MUON_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(program, "_loaded", {})
    return tmp_path / "cache"
