"""Same inputs, same bits: whatever the number of workers, and whoever else is in the group."""

import pytest
import torch

import muonc.torch
from reference import give, gradients, matrices

SHAPES = [(96, 96), (64, 200), (200, 64), (37, 131), (300, 40), (1, 9)]


def train(parameters, values, **settings):
    """Weights and momenta after one step per entry of `values`, each a list of gradients."""
    optimizer = muonc.torch.Muon(parameters, lr=0.05, **settings)
    for gradient in values:
        give(parameters, gradient)
        optimizer.step()
    assert settings.get("workers") in (None, optimizer.report()["workers"])
    return [t for p in parameters for t in (p.detach(), optimizer.state[p]["momentum_buffer"])]


def same(left, right):
    return len(left) == len(right) and all(torch.equal(a, b) for a, b in zip(left, right))


@pytest.mark.parametrize("operands", ["f32", "bf16"])
@pytest.mark.parametrize("form", ["standard", "gram"])
def test_any_number_of_workers(operands, form):
    values = [gradients(SHAPES, step) for step in range(3)]
    one, two, three = (
        train(matrices(SHAPES), values, dtype=operands, form=form, workers=workers) for workers in (1, 2, 3)
    )
    assert same(one, two) and same(one, three)


@pytest.mark.parametrize("operands", ["f32", "bf16"])
@pytest.mark.parametrize("shape", [(64, 160), (160, 64), (96, 96), (33, 47)])
def test_a_group_is_as_many_single_runs(operands, shape):
    shapes = [shape] * 5
    values = [gradients(shapes, step) for step in range(2)]
    for step in range(2):  # five different gradients, not five times one
        values[step] = [g * (1 + i) + i for i, g in enumerate(values[step])]
    group = train(matrices(shapes), values, dtype=operands)
    alone = []
    for i in range(5):
        parameter = matrices(shapes)[i]
        alone += train([parameter], [[values[step][i]] for step in range(2)], dtype=operands)
    assert same(group, alone)


def test_the_company_of_other_shapes_changes_nothing():
    values = [gradients(SHAPES, step) for step in range(2)]
    together = train(matrices(SHAPES), values)
    alone = []
    for i, parameter in enumerate(matrices(SHAPES)):
        alone += train([parameter], [[values[step][i]] for step in range(2)])
    assert same(together, alone)


def test_strides_change_nothing():
    values = [gradients(SHAPES, step) for step in range(2)]
    plain = train(matrices(SHAPES), values)
    turned = [torch.nn.Parameter(p.detach().t().contiguous().t()) for p in matrices(SHAPES)]
    turned_values = [[g.t().contiguous().t() for g in step] for step in values]
    assert same(plain, train(turned, turned_values))


def test_a_run_repeats_itself():
    values = [gradients(SHAPES, step) for step in range(2)]
    assert same(train(matrices(SHAPES), values), train(matrices(SHAPES), values))
