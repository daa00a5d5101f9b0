"""docs/examples and the demo: what the pages say is what happens."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples"


def commands():
    """The indented command lines of the example's page."""
    return [line.split() for line in (EXAMPLE / "README.md").read_text().splitlines() if line.startswith("    ")]


def build(folder, build_directory, *options):
    """The example, built by its page's commands in an empty folder; options: further ones for muon-opt."""
    places = {
        "docs/examples/train.c": str(EXAMPLE / "train.c"),
        "runtime/include": str(ROOT / "runtime" / "include"),
        "build/release/lib": str(build_directory / "lib"),
        "muon-opt": str(build_directory / "bin" / "muon-opt"),
        "cc": shutil.which("cc") or "clang-22",
    }
    for command in commands():
        words = [places.get(word, word) for word in command] + (list(options) if command[0] == "muon-opt" else [])
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return folder / "train"


@pytest.fixture(scope="module")
def trainer(tmp_path_factory, build_directory):
    return build(tmp_path_factory.mktemp("example"), build_directory)


def test_the_page_has_three_commands():
    assert [command[0] for command in commands()] == ["muon-opt", "muon-opt", "cc"]


def run(program, build_directory):
    environment = {**os.environ, "LD_LIBRARY_PATH": str(build_directory / "lib")}
    return subprocess.run([*program], env=environment, check=True, capture_output=True, text=True).stdout


def test_the_c_example_trains(trainer, build_directory):
    output = run([trainer], build_directory)
    assert output.startswith("3 matrices")
    far = [float(value) for value in re.findall(r"farthest matrix at ([\d.]+)", output)]
    assert len(far) == 5 and far[-1] < 0.2 * far[0]


@pytest.mark.parametrize(
    ("options", "got"),
    [
        (["--weight-dtype", "bf16"], "'weight' of rank 2 and dtype 1"),
        (["--shape", "3x16x24"], "'weight' of rank 3 and dtype 0"),
    ],
    ids=["bf16", "batch"],
)
def test_the_c_example_refuses_what_it_does_not_fill(options, got, tmp_path, build_directory):
    trainer = build(tmp_path, build_directory, *options)
    environment = {**os.environ, "LD_LIBRARY_PATH": str(build_directory / "lib")}
    done = subprocess.run([trainer], env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == f"train: expected matrices in f32, got {got}\n"


def test_the_c_example_needs_no_llvm(trainer, build_directory):
    needed = run(["ldd", str(trainer)], build_directory)
    assert "libmuon_runtime" in needed
    for library in ("LLVM", "MLIR", "stdc++"):
        assert library not in needed


def test_the_demo_names_its_matrices():
    script = ROOT / "python_bindings" / "demo" / "train.py"
    shapes = subprocess.run([sys.executable, script, "--shapes"], check=True, capture_output=True, text=True).stdout
    assert shapes.split()[::2] == ["--shape"] * 4
    assert shapes.split()[1::2] == ["768x256*4", "256x256*4", "1024x256*4", "256x1024*4"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (None, "train.py: error: expected --text or --shapes"),
        ("absent", "--text absent: No such file or directory"),
        (
            os.devnull,
            f"--text {os.devnull}: expected verses as `bible -f` prints them, the last twentieth longer than "
            "129 characters, got 0",
        ),
    ],
)
def test_the_demo_says_what_it_needs(tmp_path, text, line):
    script = ROOT / "python_bindings" / "demo" / "train.py"
    words = [] if text is None else ["--text", text]
    done = subprocess.run([sys.executable, script, *words], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0 and done.stderr.splitlines()[-1] == line


def test_the_demo_reads_what_bible_prints(tmp_path):
    sys.path.insert(0, str(ROOT / "python_bindings" / "demo"))
    from train import Batches, verses

    page = tmp_path / "bible.txt"
    page.write_text(
        "bible: Release\nHit '?' for help.\nGe1:1 In the beginning\nbible(KJV) [Gen1:1]> gen1:1-rev22:21\n"
        "Ge1:1 In the beginning\n1Jo1:2 and the life\n\nbible(KJV) [Re22:21]> \n"
    )
    assert verses(page) == "Ge1:1 In the beginning\n1Jo1:2 and the life"
    batches = Batches(verses(page) * 200)
    text, targets = batches.take()
    assert text.shape == targets.shape == (16, 128) and (text[:, 1:] == targets[:, :-1]).all()
