"""The program cache: what is kept, how fast it comes back, and what happens to damage and to races."""

import concurrent.futures
import errno
import json
import os
import subprocess
import sys
import time
import warnings

import pytest

import muonc
from muonc import program

REQUEST = {"name": "cached", "groups": [{"shape": [48, 80], "parameters": ["w"], "preset": "torch"}]}


def entries(directory):
    return [path for path in directory.iterdir() if path.is_dir()]


def load_again(monkeypatch):
    """The program of REQUEST as another process would get it."""
    monkeypatch.setattr(program, "_loaded", {})
    return muonc.compile_program(REQUEST)


def test_a_program_is_kept_and_comes_back(fresh_cache, monkeypatch):
    first = muonc.compile_program(REQUEST)
    assert first.origin == "compiled"
    (entry,) = entries(fresh_cache)
    facts = json.loads((entry / "program.json").read_text())
    assert facts["request"] == REQUEST and facts["bytes"] == (entry / "program.so").stat().st_size
    assert muonc.compile_program(dict(reversed(REQUEST.items()))) is first
    second = load_again(monkeypatch)
    assert second.origin == "disk cache" and second.description == first.description


def test_from_disk_takes_at_most_50_ms_in_a_new_process(fresh_cache):
    muonc.compile_program(REQUEST)
    script = (
        "import json, sys, muonc\n"
        "p = muonc.compile_program(json.loads(sys.argv[1]))\n"
        "maps = open('/proc/self/maps').read()\n"
        "print(p.origin, p.seconds, 'libLLVM' in maps)"
    )
    fastest = 1.0
    for _ in range(3):
        output = subprocess.run(
            [sys.executable, "-c", script, json.dumps(REQUEST)], check=True, capture_output=True, text=True, cwd="/"
        ).stdout
        *origin, seconds, llvm = output.split()
        assert origin == ["disk", "cache"] and llvm == "False"
        fastest = min(fastest, float(seconds))
    assert fastest <= 0.050


def test_other_settings_are_other_entries(fresh_cache):
    muonc.compile_program(REQUEST)
    muonc.compile_program({**REQUEST, "form": "standard"})
    assert len(entries(fresh_cache)) == 2


@pytest.mark.parametrize(
    "damage, words",
    [
        (lambda e: (e / "program.so").write_bytes(b"\x7fELF"), "checksum"),
        (lambda e: (e / "program.so").write_bytes((e / "program.so").read_bytes()[:-1] + b"\x55"), "checksum"),
        (lambda e: (e / "program.so").unlink(), "program.so is missing"),
        (lambda e: (e / "program.json").unlink(), "program.json is missing"),
        (lambda e: (e / "program.json").write_text("{"), "program.json cannot be read"),
        (lambda e: (e / "program.json").write_text("[]"), "program.json cannot be read"),
    ],
)
def test_a_damaged_entry_is_named_and_rebuilt(fresh_cache, monkeypatch, damage, words):
    kept = muonc.compile_program(REQUEST)
    (entry,) = entries(fresh_cache)
    # A mapped library must not be written to: the damage is done to a copy in its place.
    content = (entry / "program.so").read_bytes()
    (entry / "program.so").unlink()
    (entry / "program.so").write_bytes(content)
    damage(entry)
    with pytest.warns(RuntimeWarning, match=words) as caught:
        again = load_again(monkeypatch)
    assert again.origin == "compiled" and again.description == kept.description
    message = str(caught[0].message)
    assert entry.name in message and "\n" not in message
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_again(monkeypatch).origin == "disk cache"
    assert entries(fresh_cache) == [entry]


def test_a_damaged_stamp_is_only_asked_again(fresh_cache, monkeypatch):
    muonc.compile_program(REQUEST)
    (stamp,) = fresh_cache.glob("compiler-*.json")
    stamp.write_text("?")
    assert load_again(monkeypatch).origin == "disk cache"
    assert json.loads(stamp.read_text())["build"]


def test_whoever_reads_an_entry_reads_the_stamp(fresh_cache):
    muonc.compile_program(REQUEST)
    (entry,) = entries(fresh_cache)
    (stamp,) = fresh_cache.glob("compiler-*.json")
    assert stamp.stat().st_mode == (entry / "program.json").stat().st_mode


def test_nothing_unfinished_stays(fresh_cache, monkeypatch):
    left, other = fresh_cache / ".new-left", fresh_cache / ".new-other"
    for directory in (left, other):
        directory.mkdir(parents=True)
    os.utime(left, (0, 0))
    monkeypatch.setattr(os, "replace", lambda *_: os.rename("absent", "absent"))
    muonc.compile_program(REQUEST)
    assert list(fresh_cache.glob(".*")) == [other] and len(entries(fresh_cache)) == 2


def test_processes_race_for_one_entry(fresh_cache):
    script = "import json, sys, muonc; print(muonc.compile_program(json.loads(sys.argv[1])).origin)"
    command = [sys.executable, "-W", "error", "-c", script, json.dumps(REQUEST)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd="/") for _ in range(3)]
    for process in running:
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0 and output.strip() in ("compiled", "disk cache")
    assert len(entries(fresh_cache)) == 1
    assert not list(fresh_cache.glob(".*"))


def test_processes_race_for_a_damaged_entry(fresh_cache):
    muonc.compile_program(REQUEST)
    (entry,) = entries(fresh_cache)
    (entry / "program.json").write_text("damaged")
    script = "import json, sys, muonc; print(muonc.compile_program(json.loads(sys.argv[1])).origin)"
    command = [sys.executable, "-c", script, json.dumps(REQUEST)]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd="/")
        for _ in range(3)
    ]
    for process in running:
        process.communicate(timeout=300)
        assert process.returncode == 0
    assert program._is_whole(entry)
    assert entries(fresh_cache) == [entry]


def test_a_cache_that_cannot_be_written_warns_and_works(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("not a directory")
    monkeypatch.setenv("MUON_CACHE_DIR", str(blocked))
    monkeypatch.setattr(program, "_loaded", {})
    monkeypatch.setattr(program.tempfile, "tempdir", str(tmp_path))
    with pytest.warns(RuntimeWarning, match="nothing is cached") as caught:
        made = muonc.compile_program(REQUEST)
    assert made.origin == "compiled, not kept" and made.parameters == ["w"] and len(caught) == 1
    with pytest.raises(ValueError, match="nonsense"):
        muonc.compile_program({"groups": [{"shape": [8, 8], "parameters": ["w"], "preset": "nonsense"}]})
    assert list(tmp_path.iterdir()) == [blocked]


@pytest.mark.parametrize(("owner", "name"), [("shutil", "copyfile"), ("pathlib.Path", "write_text"), ("os", "rename")])
def test_a_full_cache_disk_warns_and_works(fresh_cache, monkeypatch, owner, name):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(f"{owner}.{name}", full)
    with pytest.warns(RuntimeWarning, match="nothing is cached: .*No space left on device") as caught:
        made = muonc.compile_program(REQUEST)
    assert len(caught) == 1
    assert made.origin == "compiled, not kept" and made.parameters == ["w"]
    assert not entries(fresh_cache)


def test_a_refused_request_leaves_nothing(fresh_cache):
    with pytest.raises(ValueError):
        muonc.compile_program({"groups": [{"shape": [8, 8], "parameters": ["w"], "preset": "nonsense"}]})
    assert not fresh_cache.exists() or not entries(fresh_cache)


def test_where_the_cache_is(monkeypatch):
    monkeypatch.delenv("MUON_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert str(program.cache_directory()) == "/somewhere/muonc"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert program.cache_directory() == program.pathlib.Path.home() / ".cache" / "muonc"


def test_a_user_without_a_home(monkeypatch):
    monkeypatch.delenv("MUON_CACHE_DIR")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(program.pathlib.Path, "home", homeless)
    with pytest.raises(RuntimeError, match=r"^this user has no home directory .*; set MUON_CACHE_DIR"):
        program.cache_directory()


def test_getting_a_loaded_program_is_immediate(fresh_cache):
    kept = muonc.compile_program(REQUEST)
    seconds = []
    for _ in range(10):
        start = time.perf_counter()
        assert muonc.compile_program(REQUEST) is kept
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.005
    assert os.environ["MUON_CACHE_DIR"] == str(fresh_cache)


def test_threads_share_one_program_and_compile_several_at_once(fresh_cache):
    """Every request compiled once, whoever asks, and as many results as requests."""
    requests = [
        {**REQUEST, "groups": [{"shape": [24, 40 + 8 * (i % 3)], "parameters": ["w"], "preset": "torch"}]}
        for i in range(9)
    ]
    with concurrent.futures.ThreadPoolExecutor(9) as threads:
        programs = list(threads.map(muonc.compile_program, requests))
    assert all(programs[i] is programs[i % 3] for i in range(9)) and len(entries(fresh_cache)) == 3
    assert [p.description["groups"][0]["arguments"][0]["sizes"] for p in programs[:3]] == [(24, 40), (24, 48), (24, 56)]


@pytest.mark.parametrize("file", ["absent/program.o", "program.o"], ids=["nowhere", "full"])
def test_what_cannot_be_written_is_an_oserror(tmp_path, file):
    script = (
        "import resource, sys\n"
        "from muonc import _compiler\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))\n"
        "try:\n"
        "    _compiler.compile(sys.argv[1], 'object', sys.argv[2])\n"
        "except OSError as error:\n"
        "    print(error)"
    )
    command = [sys.executable, "-c", script, json.dumps(REQUEST), tmp_path / file]
    output = subprocess.run(command, check=True, capture_output=True, text=True, cwd="/").stdout
    assert str(tmp_path / file) in output and output.count("\n") == 1
    assert not list(tmp_path.iterdir())
