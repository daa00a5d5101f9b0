"""Groups, parameters and states that a trainer replaces between steps: what is stepped is what the optimizer holds now."""

import copy
import gc
import weakref

import numpy as np
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
    def made(parameters):
        return muonc.torch.Muon([{"params": parameters, "beta2": 0.95}], lr=0.1, preset=preset, dtype="f32")

    ours = matrices([(16, 24)], dtype=torch.bfloat16)
    first = made(ours)
    step(first, 0, torch.bfloat16)
    twins = [torch.nn.Parameter(p.detach().clone()) for p in ours]
    second = made(twins)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for optimizer in (first, second):
        step(optimizer, 1, torch.bfloat16)
    assert all(map(torch.equal, ours, twins))


def test_skipped_is_of_the_last_step():
    parameter = matrices([(8, 8)])[0]
    optimizer = muonc.torch.Muon([parameter], nonfinite="skip", dtype="f32")
    parameter.grad = torch.full((8, 8), float("nan"))
    optimizer.step()
    assert optimizer.skipped() == [parameter]
    optimizer.zero_grad()
    optimizer.step()
    assert optimizer.skipped() == []


def test_nothing_is_skipped_by_a_step_that_asks_nobody():
    parameter, late = matrices([(8, 8)] * 2)
    optimizer = muonc.torch.Muon([parameter], nonfinite="skip", dtype="f32")
    parameter.grad = torch.full((8, 8), float("nan"))
    optimizer.step()
    optimizer.zero_grad()
    optimizer.add_param_group({"params": [late]})
    optimizer.step()
    assert optimizer.skipped() == []


def test_a_refused_step_is_not_counted():
    parameter = matrices([(8, 8)], dtype=torch.bfloat16)[0]
    optimizer = muonc.torch.Muon([parameter], nonfinite="skip", options={"stochastic_rounding": True})
    parameter.grad = torch.full_like(parameter, float("nan"))
    optimizer.step()
    parameter.grad = parameter.data
    with pytest.raises(ValueError, match="shares memory"):
        optimizer.step()
    assert optimizer.param_groups[0]["step"] == 1 and optimizer.skipped() == []


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


def one(shape=(8, 8), **settings):
    parameter = torch.nn.Parameter(torch.ones(shape))
    parameter.grad = torch.ones(shape)
    return parameter, muonc.torch.Muon([parameter], dtype="f32", **settings)


@pytest.mark.parametrize("steps", [0, 1])
def test_a_gradient_of_another_shape_is_refused(steps):
    parameter, optimizer = one()
    for _ in range(steps):
        optimizer.step()
    before = parameter.detach().clone()
    parameter.grad.data = torch.ones(2, 8)
    expected = r"the gradient of parameter 0 \(8, 8\) has shape \(2, 8\); expected \(8, 8\), like the parameter"
    with pytest.raises(ValueError, match=expected):
        optimizer.step()
    assert torch.equal(parameter, before)


@pytest.mark.parametrize("layout", [torch.ones_like, lambda p: torch.ones(1).expand(p.shape)], ids=["dense", "copied"])
def test_a_gradient_whose_memory_is_gone_is_refused(layout):
    parameter, optimizer = one()
    parameter.grad = layout(parameter)
    optimizer.step()
    before = parameter.detach().clone()
    parameter.grad.untyped_storage().resize_(0)
    with pytest.raises(ValueError, match=r"the gradient of parameter 0 \(8, 8\) is a Tensor without memory"):
        optimizer.step()
    assert torch.equal(parameter, before)


def test_momentum_transposed_in_place_is_stepped_as_it_lies_now():
    parameter, peer = matrices([(16, 16)])[0], matrices([(16, 16)])[0]
    optimizer, other = (muonc.torch.Muon([p], dtype="f32") for p in (parameter, peer))
    step(optimizer)
    step(other)
    optimizer.state[parameter]["momentum_buffer"].t_()
    other.state[peer]["momentum_buffer"] = other.state[peer]["momentum_buffer"].t()
    step(optimizer, 1)
    step(other, 1)
    assert torch.equal(parameter, peer)


def test_momentum_that_shrank_in_place_is_refused():
    parameter, optimizer = one()
    optimizer.step()
    optimizer.state[parameter]["momentum_buffer"].resize_(2, 8)
    with pytest.raises(ValueError, match=r"momentum expected f32 \[8, 8\], got f32 \[2, 8\]"):
        optimizer.step()


def test_momentum_of_another_dtype_is_refused():
    parameter, optimizer = one()
    optimizer.step()
    optimizer.state[parameter]["momentum_buffer"] = torch.ones(8, 8, dtype=torch.float16)
    with pytest.raises(ValueError, match=r"momentum_buffer of a parameter \(8, 8\) is torch.float16 on cpu; expected"):
        optimizer.step()


def test_momentum_on_another_device_is_refused():
    parameter, optimizer = one()
    optimizer.step()
    optimizer.state[parameter]["momentum_buffer"] = torch.ones(8, 8, device="meta")
    with pytest.raises(ValueError, match=r"momentum_buffer .* is torch.float32 on meta; expected .* on cpu"):
        optimizer.step()


@pytest.mark.parametrize("shape", [(8,), (2, 8, 8)])
def test_what_is_no_matrix_is_refused_however_it_comes(shape):
    _, optimizer = one()
    other = torch.nn.Parameter(torch.ones(shape))
    optimizer.param_groups[0]["params"].append(other)
    optimizer.step()  # torch does not ask what has no gradient
    other.grad = torch.ones(shape)
    with pytest.raises(ValueError, match=r"Param gradient must be a 2D matrix: parameter 1"):
        optimizer.step()
    assert (other == 1).all()


def test_a_parameter_appended_beside_named_ones_is_stepped():
    first, second = matrices([(8, 8)] * 2)
    optimizer = muonc.torch.Muon([("w", first)], dtype="f32")
    optimizer.param_groups[0]["params"].append(second)
    before = second.detach().clone()
    step(optimizer)
    assert not torch.equal(second, before)


@pytest.mark.parametrize(
    "settings",
    [{"ns_steps": 100}, {"ns_coefficients": (1.5, -0.5)}, {"ns_coefficients": (1.5, -0.5, 0.0, 0.0)}],
    ids=str,
)
def test_settings_changed_between_steps_are_refused_as_torch_does(settings):
    messages = []
    for kind in (torch.optim.Muon, muonc.torch.Muon):
        parameter, _ = one()
        optimizer = kind([parameter])
        optimizer.step()
        optimizer.param_groups[0].update(settings)
        with pytest.raises(ValueError) as caught:
            optimizer.step()
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


@pytest.mark.parametrize(
    "settings",
    [
        {"ns_coefficients": np.array([2.0, -1.5, 0.5])},
        {"ns_coefficients": torch.tensor([2.0, -1.5, 0.5])},
        {"ns_coefficients": (2.0, -1.5, 0.5), "ns_steps": np.int64(5)},
    ],
    ids=["numpy", "tensor", "steps"],
)
def test_settings_may_be_arrays(settings):
    weights = []
    for given in (settings, {"ns_coefficients": (2.0, -1.5, 0.5)}):
        parameter, optimizer = one(**given)
        optimizer.step()
        optimizer.step()
        weights.append(parameter.detach())
    assert torch.equal(*weights)


@pytest.mark.parametrize("kind", ["f16", "meta", "strided", "freed"])
def test_what_could_not_be_stepped_is_left_while_it_has_no_gradient(kind):
    made = {"f16": torch.zeros(4, 4).half(), "meta": torch.zeros(4, 4, device="meta")}
    made |= {"strided": torch.zeros(8, 8)[::2, ::2], "freed": torch.zeros(4, 4)}
    other = torch.nn.Parameter(made[kind])
    if kind == "freed":
        other.untyped_storage().resize_(0)
    parameter, optimizer = one()
    optimizer.param_groups[0]["params"].append(other)
    optimizer.step()
    assert (parameter != 1).all()
    if kind == "f16":
        other.grad = torch.ones_like(other)
        with pytest.raises(ValueError, match=r"parameter 1 .* is torch.float16"):
            optimizer.step()


@pytest.mark.parametrize("rows", [0, 8])
def test_a_parameter_empty_at_first_goes_on_as_with_torch(rows):
    results = []
    for kind in (torch.optim.Muon, muonc.torch.Muon):
        first, empty = torch.nn.Parameter(torch.ones(8, 8)), torch.nn.Parameter(torch.ones(0, 8))
        optimizer = kind([first, empty])
        first.grad = torch.eye(8)
        optimizer.step()
        empty.data = torch.ones(rows, 8)
        empty.grad = torch.ones(rows, 8)
        optimizer.step()
        results.append((empty.detach(), optimizer.state[empty]["momentum_buffer"]))
    torch.testing.assert_close(*results, rtol=1e-3, atol=1e-4)


def test_momentum_takes_the_dtype_of_a_first_gradient_that_comes_late():
    states = []
    for kind in (torch.optim.Muon, muonc.torch.Muon):
        parameters = [torch.nn.Parameter(torch.ones(8, 8, dtype=torch.bfloat16)) for _ in range(2)]
        for parameter in parameters:
            parameter.grad_dtype = torch.float32
        optimizer = kind(parameters)
        parameters[0].grad = torch.ones(8, 8)
        optimizer.step()
        for parameter in parameters:
            parameter.grad = torch.full((8, 8), 1.001)
        optimizer.step()
        states.append([optimizer.state[parameter]["momentum_buffer"] for parameter in parameters])
    for theirs, mine in zip(*states):
        assert mine.dtype is theirs.dtype is torch.float32
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("value", [torch.ones(16, 8), torch.ones(8, 8, dtype=torch.bfloat16)], ids=["shape", "dtype"])
@pytest.mark.parametrize("between", [0, 1])
def test_a_parameter_may_be_replaced_before_its_first_gradient(value, between):
    states = []
    for kind in (torch.optim.Muon, muonc.torch.Muon):
        first, late = (torch.nn.Parameter(torch.ones(8, 8)) for _ in range(2))
        optimizer = kind([first, late])
        first.grad = torch.eye(8)
        optimizer.step()
        late.data = value.clone()
        for _ in range(between):
            optimizer.step()
        late.grad = torch.ones_like(value)
        optimizer.step()
        states.append(optimizer.state[late]["momentum_buffer"])
    assert states[1].dtype is states[0].dtype
    torch.testing.assert_close(*states)


def test_a_parameter_taken_out_before_its_first_gradient_is_freed():
    first, late = matrices([(8, 8)] * 2)
    optimizer = muonc.torch.Muon([first, late], dtype="f32")
    first.grad = torch.ones(8, 8)
    optimizer.step()
    optimizer.param_groups[0]["params"].pop()
    left = weakref.ref(late)
    del late
    optimizer.step()
    gc.collect()
    assert left() is None


def test_loading_adds_no_key_to_the_groups():
    _, optimizer = one()
    optimizer.step()
    keys = optimizer.state_dict()["param_groups"][0].keys()
    for _ in range(2):
        optimizer.load_state_dict(optimizer.state_dict())
    assert optimizer.state_dict()["param_groups"][0].keys() == keys
