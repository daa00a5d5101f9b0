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


def expected(gradient, norm, beside_eps=lambda n: n):
    """O in float64; `beside_eps`: what a norm becomes, by default far above eps."""
    x = gradient.astype(np.float64)
    if norm in ("frobenius", "trace"):
        x /= beside_eps(np.linalg.norm(x))
    if norm == "schatten4":
        x /= beside_eps(np.sum(np.linalg.svd(x, compute_uv=False) ** 4) ** 0.25)
    if norm == "aol":  # rows of the short side, by the row sums of its Gram matrix
        short = x if x.shape[0] <= x.shape[1] else x.T
        scaled = short / beside_eps(np.sqrt(np.abs(short @ short.T).sum(1)))[:, None]
        x = scaled if x.shape[0] <= x.shape[1] else scaled.T
    return polynomial(x)


def orthogonalized(gradient, options):
    weight = torch.nn.Parameter(torch.zeros(gradient.shape))
    optimizer = muonc.torch.Muon(
        [weight], lr=1.0, weight_decay=0.0, momentum=0.0, dtype="f32", options={"adjust_lr": "none", **options}
    )
    weight.grad = torch.from_numpy(gradient)
    optimizer.step()
    return -weight.detach().numpy()


@pytest.mark.parametrize("norm", ["frobenius", "trace", "schatten4", "aol"])
@pytest.mark.parametrize("shape", [(24, 40), (40, 24), (32, 32)])
@pytest.mark.parametrize("form", ["standard", "gram"])
def test_against_float64(norm, shape, form):
    gradient = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    result, exact = orthogonalized(gradient, {"norm": norm, "form": form}), expected(gradient, norm)
    assert np.linalg.norm(result - exact) <= 2e-4 * np.linalg.norm(exact)


@pytest.mark.parametrize("norm", ["frobenius", "trace", "schatten4", "aol"])
@pytest.mark.parametrize("scale", [1e-9, 1e-3, 1e-1, 1])
@pytest.mark.parametrize("safety", [1.0, 1.1])
@pytest.mark.parametrize("eps_form", ["add", "clamp"])
def test_eps_is_beside_the_norm_that_is_asked_for(norm, scale, safety, eps_form):
    gradient = (scale * np.random.default_rng(2).standard_normal((24, 40)) / 40).astype(np.float32)
    options = {"norm": norm, "eps": 0.1, "eps_form": eps_form, "safety": safety}
    beside_eps = {"add": lambda n: safety * (n + 0.1), "clamp": lambda n: safety * np.maximum(n, 0.1)}[eps_form]
    result, exact = orthogonalized(gradient, options), expected(gradient, norm, beside_eps)
    assert np.linalg.norm(result - exact) <= 2e-4 * np.linalg.norm(exact)


@pytest.mark.parametrize("norm", ["frobenius", "schatten4", "aol"])
@pytest.mark.parametrize("eps", [0.0, 1e-7])
def test_zero_is_zero(norm, eps):
    assert not orthogonalized(np.zeros((24, 40), np.float32), {"norm": norm, "eps": eps}).any()


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e-7, 1e15])
@pytest.mark.parametrize("dtype", ["f32", "bf16"])
def test_the_norm_from_the_trace_serves_what_the_norm_of_x_serves(scale, dtype):
    """Squares of small gradients vanish in f32 products; eps is what they are divided by there, so nothing is lost."""
    gradient = (scale * np.random.default_rng(1).standard_normal((24, 40))).astype(np.float32)
    both = [
        orthogonalized(gradient, {"norm": norm, "form": "standard", "operands": dtype}).astype(np.float64)
        for norm in ("trace", "frobenius")
    ]
    assert np.linalg.norm(both[0] - both[1]) <= (1e-5 if dtype == "f32" else 0.03) * np.linalg.norm(both[1])


def test_the_norm_from_the_trace_has_f32s_range():
    """A norm of 2^63 and more: squares overflow in the products. Zero is zero."""
    gradient = np.random.default_rng(1).standard_normal((24, 40)).astype(np.float32)
    assert np.isfinite(orthogonalized(gradient * np.float32(1e17), {"norm": "trace"})).all()
    assert not np.isfinite(orthogonalized(gradient * np.float32(1e30), {"norm": "trace"})).any()
    assert not orthogonalized(0 * gradient, {"norm": "trace"}).any()


@pytest.mark.parametrize(
    "preset, norm, line",
    [
        ("torch", "spectral", "unknown norm 'spectral'; known: frobenius, trace, aol, schatten4"),
        ("inverse_root", "aol", "preset 'inverse_root' takes no norm: its is the trace"),
        ("exact", "aol", "preset 'exact' takes no table, steps, safety or norm"),
        ("torch", "trace", "norm trace without damping needs eps >= 1e-12, got 0"),
    ],
)
def test_refusals(preset, norm, line):
    weight = torch.nn.Parameter(torch.zeros(4, 4))
    options = {"norm": norm, "eps": 0.0} if norm == "trace" else {"norm": norm}
    optimizer = muonc.torch.Muon([weight], preset=preset, options=options)
    weight.grad = torch.ones(4, 4)
    with pytest.raises(ValueError, match=line):
        optimizer.step()
