"""muonc.torch.Muon(early_stop=...): matrices that are orthogonal already skip their table, and the metrics say so."""

import numpy as np
import pytest
import torch

import muonc.torch


def orthogonal(rows, columns, seed=0):
    """5 U Vᵀ but for 2 % in its entries."""
    generator = torch.Generator().manual_seed(seed)
    long, short = max(rows, columns), min(rows, columns)
    q = torch.linalg.qr(torch.randn(long, short, generator=generator, dtype=torch.float64))[0]
    q = 5 * q * (1 + 0.02 * torch.randn(1, short, generator=generator, dtype=torch.float64))
    return (q if rows >= columns else q.T).float().contiguous()


def gaussian(rows, columns):
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(7))


def stepped(values, **settings):
    """What one step moves zero matrices by, per unit of learning rate, and the optimizer."""
    parameters = [torch.nn.Parameter(torch.zeros_like(g)) for g in values]
    optimizer = muonc.torch.Muon(parameters, lr=1.0, weight_decay=0.0, momentum=0.0, **settings)
    for parameter, gradient in zip(parameters, values):
        parameter.grad = gradient.clone()
    optimizer.step()
    return [-p.detach() for p in parameters], optimizer


def test_what_is_orthogonal_stops_and_is_certified():
    near, far = orthogonal(24, 60), gaussian(24, 60)
    (stopped, whole), optimizer = stepped([near, far], early_stop=0.3, dtype="f32")
    first, second = optimizer.metrics()
    assert first["steps"].item() == 0 and second["steps"].item() == 5
    o = stopped.double().numpy()
    reached = np.linalg.norm(np.eye(24) - o @ o.T)
    assert reached <= 0.3
    assert first["orthogonality"].item() == pytest.approx(reached, abs=1e-5)
    assert not second["orthogonality"].item() <= 0.3
    (_, plain), _ = stepped([near, far], form="gram", dtype="f32")
    assert torch.equal(whole, plain)
    assert optimizer.report()["program"]["groups"][0]["choice"][0]["early_stop"] == 0.3


def test_a_batch_has_a_number_per_matrix():
    batch = torch.stack([orthogonal(16, 30, 1), gaussian(16, 30), orthogonal(16, 30, 2)])
    _, optimizer = stepped([batch], early_stop=0.3, batched=True)
    assert optimizer.metrics()[0]["steps"].tolist() == [0, 5, 0]


def test_vectors_know_nothing_of_it():
    parameters = [torch.nn.Parameter(torch.zeros(8, 8)), torch.nn.Parameter(torch.zeros(8))]
    optimizer = muonc.torch.Muon(parameters, early_stop=0.3, non_matrices="rms")
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    assert [set(metrics) for metrics in optimizer.metrics()] == [{"orthogonality", "steps"}, set()]


@pytest.mark.parametrize("bound", [0, 1, -0.1, float("nan")])
def test_a_bound_must_lie_between_zero_and_one(bound):
    with pytest.raises(ValueError, match="early_stop should be between 0 and 1 but is: "):
        muonc.torch.Muon([torch.nn.Parameter(torch.zeros(4, 4))], early_stop=bound)


@pytest.mark.parametrize(
    "settings, why",
    [
        ({"form": "standard"}, "early_stop needs form gram, got preset 'torch' with form 'standard'"),
        ({"preset": "exact"}, "early_stop needs form gram, got preset 'exact' with form 'standard'"),
        ({"tuned": True}, "tuned brings the form, and early_stop needs form gram: expected one of the two"),
    ],
)
def test_what_has_no_gram_form_is_refused(settings, why):
    with pytest.raises(ValueError) as caught:
        stepped([torch.zeros(4, 4)], early_stop=0.3, **settings)
    assert str(caught.value).endswith(why)
