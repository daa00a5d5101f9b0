"""What importing loads, and which parameters a model's optimizer is for."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import muonc


def libraries_after(code):
    """Names in the memory map of a new interpreter that ran `code`."""
    script = code + "\nprint(open('/proc/self/maps').read())"
    # Not from here: the sources beside the tests would be found before the built package.
    command = [sys.executable, "-c", script]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd="/").stdout


def test_importing_loads_no_llvm_and_no_torch():
    maps = libraries_after("import muonc")
    assert "_runtime" in maps
    for library in ("LLVM", "MLIR", "libmuon_compiler", "_compiler.", "libtorch"):
        assert library not in maps


def test_importing_the_optimizer_loads_no_llvm_of_ours():
    maps = libraries_after("import muonc.torch")
    for library in ("libLLVM", "libMLIR", "libmuon_compiler"):
        assert library not in maps


def test_the_first_compilation_loads_the_compiler():
    assert "libmuon_compiler" in libraries_after("from muonc import _compiler")


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.wte = torch.nn.Embedding(10, 8)
        self.block = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.LayerNorm(8), torch.nn.Linear(8, 4))
        self.conv = torch.nn.Conv1d(4, 4, 3)
        self.lm_head = torch.nn.Linear(8, 10, bias=False)


def test_split_takes_matrices_and_leaves_embeddings_and_heads():
    model = Model()
    matrices, others = muonc.split_parameters(model)
    assert [id(p) for p in matrices] == [id(model.block[0].weight), id(model.block[2].weight)]
    assert len(matrices) + len(others) == len(list(model.parameters()))


def test_split_with_another_rule_frozen_and_tied_parameters():
    model = Model()
    model.lm_head.weight = model.wte.weight
    model.block[0].weight.requires_grad_(False)
    matrices, others = muonc.split_parameters(model, exclude="")
    assert [tuple(p.shape) for p in matrices] == [(10, 8), (4, 8)]
    assert all(p.ndim != 2 for p in others)


def test_split_counts_a_tied_tensor_of_pairs_once():
    model = Model()
    model.lm_head.weight = model.wte.weight
    pairs = list(model.named_parameters(remove_duplicate=False))
    for kept, of_the_model in zip(muonc.split_parameters(pairs), muonc.split_parameters(model)):
        assert list(map(id, kept)) == list(map(id, of_the_model))


def test_split_takes_pairs_too():
    pairs = [("a.weight", np.zeros((2, 3))), ("a.bias", np.zeros(2))]
    assert muonc.split_parameters(pairs, named=True) == (pairs[:1], pairs[1:])
    matrices, others = muonc.split_parameters(pairs)
    assert len(matrices) == len(others) == 1


NAMES = ["h.0.w", "h.10.w", "bw", "Ada", "a.b.w", "d", "wte.w", "lm_head", "Head"]


def muon_opt_takes(build_directory, path, *words):
    """(names that muon-opt --shapes-from took, its error's text)."""
    command = [build_directory / "bin" / "muon-opt", "--shapes-from", path, *words, "--emit", "mlir", "-o", "/dev/null"]
    lines = subprocess.run(command, capture_output=True, text=True).stderr.splitlines()
    refusals = [line.removeprefix("muon-opt: error: ") for line in lines if "error" in line]
    return [line.split()[1] for line in lines if line.startswith("took ")], refusals[0] if refusals else None


@pytest.mark.parametrize(
    "exclude",
    [None, "", "[[:digit:]]", r"^h\.[0-3]\.", r"\d", r"\bw", "(?i)a", "a.*?w", "(", "a{1,2}", "[A-H]", "w$|\\.b"],
)
def test_split_and_muon_opt_read_a_pattern_alike(exclude, build_directory, tmp_path):
    tensors = {name: torch.nn.Parameter(torch.zeros(4, 4)) for name in NAMES}
    save_file(tensors, tmp_path / "model.safetensors")
    words = [] if exclude is None else ["--exclude", exclude]
    taken, refusal = muon_opt_takes(build_directory, tmp_path / "model.safetensors", *words)
    if refusal is not None and refusal.startswith("malformed"):
        with pytest.raises(ValueError) as caught:
            muonc.split_parameters([], exclude=exclude)
        assert str(caught.value) == refusal
        return
    matrices, _ = muonc.split_parameters(tensors.items(), exclude=exclude, named=True)
    assert sorted(name for name, _ in matrices) == sorted(taken)


def test_split_and_muon_opt_take_the_same_dtypes(build_directory, tmp_path):
    names = "float64 float32 float16 bfloat16 float8_e4m3fn float8_e5m2 int64 int32 int8 uint8 bool complex64".split()
    tensors = {f"w.{name}": torch.zeros(4, 4, dtype=getattr(torch, name)) for name in names}
    for tensor in tensors.values():
        tensor.requires_grad_(tensor.is_floating_point() or tensor.is_complex())
    save_file(tensors, tmp_path / "model.safetensors")
    taken, _ = muon_opt_takes(build_directory, tmp_path / "model.safetensors", "--weight-dtype", "f32")
    matrices, _ = muonc.split_parameters(tensors.items(), named=True)
    assert sorted(name for name, _ in matrices) == sorted(taken)
    assert len(matrices) == 6
    arrays = [(kind, np.zeros((2, 3), kind)) for kind in ("f2", "f4", "f8", "i4", "c8", "?")]
    assert [kind for kind, _ in muonc.split_parameters(arrays, named=True)[0]] == ["f2", "f4", "f8"]


def test_the_names_of_the_package():
    for name in muonc.__all__:
        assert hasattr(muonc, name)
    with pytest.raises(ValueError, match="no_such_preset"):
        muonc.compile_program({"groups": [{"shape": [8, 8], "parameters": ["w"], "preset": "no_such_preset"}]})
