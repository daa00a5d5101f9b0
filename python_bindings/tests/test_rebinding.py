"""Groups, parameters and states that a trainer replaces between steps: what is stepped is what the optimizer holds now."""

import pytest
import torch

import muonc.torch
from reference import give, gradients, matrices

SHAPES = [(24, 24), (40, 16)]


def step(optimizer, number=0, dtype=torch.float32):
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    give(parameters, gradients([tuple(p.shape) for p in parameters], number, dtype))
    optimizer.step()


def test_replaced_groups_have_the_word():
    ours = matrices(SHAPES)
    optimizer = muonc.torch.Muon(ours, dtype="f32", weight_decay=0)
    step(optimizer)
    optimizer.param_groups = [{**group, "lr": 0.0} for group in optimizer.param_groups]
    before = [p.detach().clone() for p in ours]
    step(optimizer, 1)
    assert all(map(torch.equal, ours, before))


def test_a_parameter_takes_the_settings_of_the_group_it_is_moved_to():
    first, moved, last = matrices([(8, 8)] * 3)
    groups = [{"params": [first, moved], "lr": 0.1}, {"params": [last], "lr": 0.0}]
    optimizer = muonc.torch.Muon(groups, dtype="f32", weight_decay=0)
    step(optimizer)
    optimizer.param_groups[1]["params"].insert(0, optimizer.param_groups[0]["params"].pop())
    before = moved.detach().clone()
    step(optimizer, 1)
    assert torch.equal(moved, before)


def test_a_parameter_transposed_in_place_is_stepped_as_it_lies_now():
    parameter, peer = matrices([(16, 16)])[0], matrices([(16, 16)])[0]
    optimizer = muonc.torch.Muon([parameter], dtype="f32", momentum=0.0, nesterov=False)
    step(optimizer)
    parameter.data = parameter.data.t()
    peer.data = parameter.data.clone()
    step(optimizer, 1)
    step(muonc.torch.Muon([peer], dtype="f32", momentum=0.0, nesterov=False), 1)
    torch.testing.assert_close(parameter.detach(), peer.detach())


@pytest.mark.parametrize("preset", ["normuon", "adamuon"])
def test_a_replaced_state_is_the_one_that_is_written(preset):
    parameter = matrices([(16, 24)])[0]
    optimizer = muonc.torch.Muon([{"params": [parameter], "beta2": 0.95}], preset=preset, dtype="f32")
    step(optimizer)
    old = optimizer.state[parameter]["second_moment"]
    new = optimizer.state[parameter]["second_moment"] = torch.zeros_like(old)
    kept = old.clone()
    step(optimizer, 1)
    assert torch.equal(old, kept)
    assert new.abs().max() > 0


@pytest.mark.parametrize("preset", ["normuon", "adamuon"])
def test_a_checkpoint_of_bf16_weights_resumes(preset):
    start = matrices([(16, 24)], dtype=torch.bfloat16)
    first, second = (muonc.torch.Muon([{"params": start, "beta2": 0.95}], preset=preset, dtype="f32") for _ in range(2))
    step(first, 0, torch.bfloat16)
    second.load_state_dict(first.state_dict())
    step(second, 1, torch.bfloat16)
    assert all(torch.isfinite(p).all() for p in start)


def test_skipped_is_of_the_last_step():
    parameter = matrices([(8, 8)])[0]
    optimizer = muonc.torch.Muon([parameter], nonfinite="skip", dtype="f32")
    parameter.grad = torch.full((8, 8), float("nan"))
    optimizer.step()
    assert optimizer.skipped() == [parameter]
    optimizer.zero_grad()
    optimizer.step()
    assert optimizer.skipped() == []


def test_a_group_refused_by_any_error_is_not_added():
    optimizer = muonc.torch.Muon(matrices([(4, 4)]))
    with pytest.raises((TypeError, ValueError)):
        optimizer.add_param_group({"params": matrices([(4, 4)]), "ns_steps": None})
    assert len(optimizer.param_groups) == 1


def test_compiled_code_around_a_step_calls_it_as_it_is():
    ours, peers = matrices(SHAPES), matrices(SHAPES)
    mine, alone = muonc.torch.Muon(ours, dtype="f32"), muonc.torch.Muon(peers, dtype="f32")
    step(mine)
    step(alone)
    give(ours, gradients(SHAPES, 1))
    torch.compile(mine.step, backend="eager")()
    step(alone, 1)
    assert all(map(torch.equal, ours, peers))
