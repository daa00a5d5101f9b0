"""Twenty steps on the gradients of a real training run, beside torch.optim.Muon and beside float64."""

import numpy as np
import pytest
import torch

import muonc.torch
from reference import Reference, distance, give, pooled
from test_parity import need
from training import STEPS, recorded


def run(make):
    """The weights after the recorded run's gradients, with the optimizer that `make` gives for them."""
    starts, steps = recorded()
    parameters = [torch.nn.Parameter(start.clone()) for start in starts]
    optimizer = make(parameters)
    for gradients in steps:
        give(parameters, gradients)
        optimizer.step()
    return parameters


def truth(**settings):
    starts, steps = recorded()
    reference = Reference(starts, **settings)
    for gradients in steps:
        reference.step(gradients)
    return reference.weights


def test_the_run_is_one_of_training():
    starts, steps = recorded()
    assert len(steps) == STEPS and [tuple(w.shape) for w in starts] == [(192, 64), (64, 64), (256, 64), (64, 256)] * 2
    values = [np.linalg.svd(gradient.double().numpy(), compute_uv=False) for gradient in steps[-1]]
    # What random matrices have not: singular values over several orders of magnitude.
    assert all(value[-1] < 0.02 * value[0] for value in values)


@pytest.mark.parametrize("form, bound", [("standard", 2e-5), ("gram", 2e-4), ("auto", 2e-4)])
@pytest.mark.parametrize("adjust", [None, "match_rms_adamw"])
def test_f32_products_follow_float64(form, bound, adjust):
    settings = {"lr": 0.02, "adjust_lr_fn": adjust}
    ours = run(lambda p: muonc.torch.Muon(p, dtype="f32", form=form, **settings))
    assert distance(ours, recorded()[0], truth(**settings)) <= bound


@pytest.mark.parametrize("dtype", ["bf16", "f16"])
@pytest.mark.parametrize("form", ["auto", "standard"])
@pytest.mark.parametrize("nesterov", [True, False])
def test_half_products_are_not_farther_from_float64_than_torch(form, nesterov, dtype):
    need(dtype)
    settings = {"lr": 0.02, "nesterov": nesterov}
    ours = run(lambda p: muonc.torch.Muon(p, dtype=dtype, form=form, **settings))
    peers = run(lambda p: torch.optim.Muon(p, **settings))
    exact = truth(**settings)
    assert pooled(ours, recorded()[0], exact) <= pooled(peers, recorded()[0], exact)
