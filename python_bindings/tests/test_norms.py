"""The option `norm`: what X is divided by before the first step, against float64."""

import numpy as np
import pytest
import torch

import muonc.torch
from muonc import _tuning as tuning

KELLER = tuning.published_table("keller", 5)[1]


def polynomial(x):
    u, values, v = np.linalg.svd(x, full_matrices=False)
    for row in KELLER:
        values = sum(c * values ** (2 * i + 1) for i, c in enumerate(row))
    return (u * values) @ v


def expected(gradient, norm):
    """O in float64; eps is far below the norm here."""
    x = gradient.astype(np.float64)
    x /= np.linalg.norm(x)
    if norm == "schatten4":
        x /= np.sum(np.linalg.svd(x, compute_uv=False) ** 4) ** 0.25
    if norm == "aol":  # rows of the short side, by the row sums of its Gram matrix
        short = x if x.shape[0] <= x.shape[1] else x.T
        scaled = short / np.sqrt(np.abs(short @ short.T).sum(1))[:, None]
        x = scaled if x.shape[0] <= x.shape[1] else scaled.T
    return polynomial(x)


def orthogonalized(gradient, options):
    weight = torch.nn.Parameter(torch.zeros(gradient.shape))
    optimizer = muonc.torch.Muon([weight], lr=1.0, weight_decay=0.0, momentum=0.0, dtype="f32",
                                 options={"adjust_lr": "none", **options})
    weight.grad = torch.from_numpy(gradient)
    optimizer.step()
    return -weight.detach().numpy()


@pytest.mark.parametrize("norm", ["frobenius", "schatten4", "aol"])
@pytest.mark.parametrize("shape", [(24, 40), (40, 24), (32, 32)])
@pytest.mark.parametrize("form", ["standard", "gram"])
def test_against_float64(norm, shape, form):
    gradient = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    result, exact = orthogonalized(gradient, {"norm": norm, "form": form}), expected(gradient, norm)
    assert np.linalg.norm(result - exact) <= 2e-4 * np.linalg.norm(exact)


@pytest.mark.parametrize("preset, norm, line", [
    ("torch", "spectral", "unknown norm 'spectral'; known: frobenius, aol, schatten4"),
    ("inverse_root", "aol", "preset 'inverse_root' takes no norm: its is the trace"),
    ("exact", "aol", "preset 'exact' takes no table, steps, safety or norm"),
])
def test_refusals(preset, norm, line):
    weight = torch.nn.Parameter(torch.zeros(4, 4))
    optimizer = muonc.torch.Muon([weight], preset=preset, options={"norm": norm})
    weight.grad = torch.ones(4, 4)
    with pytest.raises(ValueError, match=line):
        optimizer.step()
