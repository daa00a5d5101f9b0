"""Weights of more than two dimensions, as the original of each preset takes them."""

import math

import numpy as np
import pytest
import torch

import muonc.torch
from reference import KELLER, distance, orthogonalize

SHAPES = [(16, 4, 3, 3), (8, 24, 1, 1), (24, 2, 5, 3), (5, 3, 2, 4)]
LR, DECAY, MOMENTUM = 0.02, 0.1, 0.95


def weights(shapes, memory_format=torch.contiguous_format):
    generator = torch.Generator().manual_seed(0)
    values = [0.1 * torch.randn(shape, generator=generator) for shape in shapes]
    return [torch.nn.Parameter(value.to(memory_format=memory_format)) for value in values]


def gradient(shape, step):
    return 1e-2 * torch.randn(shape, generator=torch.Generator().manual_seed(100 + step))


def moved(parameters, steps, change=torch.clone, **settings):
    """The parameters after so many steps; change: what becomes of every gradient's layout."""
    settings = {"lr": LR, "weight_decay": DECAY, "momentum": MOMENTUM, "dtype": "f32", "batched": True, **settings}
    optimizer = muonc.torch.Muon(parameters, form="standard", **settings)
    for step in range(steps):
        for parameter in parameters:
            parameter.grad = change(gradient(parameter.shape, step))
        optimizer.step()
    return optimizer


def original(start, steps, sums, scale):
    """Keller's and Moonlight's Muon for one weight of four dimensions, viewed as a matrix (len, -1), in float64."""
    w = start.detach().double().numpy().reshape(len(start), -1).copy()
    m = np.zeros_like(w)
    for step in range(steps):
        g = gradient(start.shape, step).double().numpy().reshape(w.shape)
        m = MOMENTUM * m + (1 if sums else 1 - MOMENTUM) * g
        u = (1 if sums else 1 - MOMENTUM) * g + MOMENTUM * m
        tall = len(w) > w.shape[1]
        o = orthogonalize(u.T if tall else u, (KELLER,) * 5, 0)
        w = (1 - LR * DECAY) * w - LR * scale(start.shape, w.shape) * (o.T if tall else o)
    return w.reshape(start.shape)


def keller_scale(shape, matrix):
    return math.sqrt(max(1, shape[-2] / shape[-1]))  # muon.py: grad.size(-2) / grad.size(-1), flattened or not


def moonlight_scale(shape, matrix):
    return 0.2 * math.sqrt(max(matrix))


def keep(tensor):
    return tensor


def turn(tensor):
    return tensor.to(memory_format=torch.channels_last)


# Of the weights, and what becomes of their gradients.
LAYOUTS = {
    "contiguous": (torch.contiguous_format, keep),
    "channels_last": (torch.channels_last, turn),
    "channels_last, gradients contiguous": (torch.channels_last, keep),
    "contiguous, gradients channels_last": (torch.contiguous_format, turn),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("preset, scale", [("keller", keller_scale), ("moonlight", moonlight_scale)])
def test_convolutions_are_flattened_as_the_original_does(preset, scale, layout):
    memory_format, change = LAYOUTS[layout]
    starts, ours = weights(SHAPES), weights(SHAPES, memory_format)
    optimizer = moved(ours, 20, change, preset=preset)
    truth = [original(start, 20, preset == "moonlight", scale) for start in starts]
    assert distance(ours, starts, truth) <= 2e-5
    group = optimizer.report()["program"]["groups"][0]
    assert group["flattened_from"] == [16, 4, 3, 3] and group["function"] == f"{preset}_16x4x3x3"
    assert optimizer.state[ours[0]]["momentum_buffer"].shape == (16, 4, 3, 3)


def test_three_dimensions_are_a_batch_to_keller_and_flat_to_moonlight():
    start = weights([(3, 8, 12)])[0]
    for preset, batch in (("keller", True), ("moonlight", False)):
        whole, parts = weights([(3, 8, 12)])[0], [torch.nn.Parameter(part.detach().clone()) for part in start]
        moved([whole], 1, preset=preset)
        optimizer = muonc.torch.Muon(parts, lr=LR, weight_decay=DECAY, dtype="f32", form="standard", preset=preset)
        for part, value in zip(parts, gradient((3, 8, 12), 0)):
            part.grad = value.clone()
        optimizer.step()
        assert torch.allclose(whole, torch.stack(list(parts)), atol=1e-5) == batch


@pytest.mark.parametrize("matrices", ["batch", "flatten", "flatten_4d"])
def test_the_option_says_otherwise_and_accepts_what_it_is_about(matrices):
    start, ours, others = (weights([(6, 4, 3, 5)])[0] for _ in range(3))
    moved([ours], 3, preset="torch", batched=False, options={"matrices": matrices, "adjust_lr": "none"})
    if matrices == "batch":
        moved([others], 3, options={"adjust_lr": "none"})
        assert torch.equal(ours, others)
    else:
        truth = original(start, 3, False, lambda shape, matrix: 1)
        assert distance([ours], [start], [truth]) <= 2e-5


@pytest.mark.parametrize("preset", ["normuon", "adamuon"])
def test_states_of_a_preset_follow_a_weight_that_becomes_channels_last(preset):
    results = []
    for turns in (False, True):
        ours = weights([(8, 4, 3, 3)])[0]
        optimizer = muonc.torch.Muon(
            [{"params": [ours], "beta2": 0.9}], lr=LR, preset=preset, dtype="f32", batched=True
        )
        for step in range(3):
            if turns and step == 1:
                ours.data = ours.data.to(memory_format=torch.channels_last)
            ours.grad = gradient(ours.shape, step)
            optimizer.step()
        results.append(ours.detach().clone())
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-6)


def test_a_part_of_a_larger_weight_is_flattened_where_it_lies():
    memory = torch.zeros(16, 6, 3, 3)
    start, ours = weights([(16, 4, 3, 3)])[0], torch.nn.Parameter(memory[:, :4])
    ours.data.copy_(start.data)
    moved([ours], 3, preset="keller")
    assert distance([ours], [start], [original(start, 3, False, keller_scale)]) <= 2e-5
    assert not memory[:, 4:].any()


@pytest.mark.parametrize(
    "preset, make, expected",
    [
        ("keller", lambda: torch.zeros(4, 8, 3, 3)[:, ::2], "all dimensions but the first side by side, as those of a"),
        ("torch", lambda: torch.zeros(4, 8, 3, 3).to(memory_format=torch.channels_last), "1 in one of its last two"),
    ],
)
def test_a_layout_that_is_no_matrix_is_refused(preset, make, expected):
    parameter = torch.nn.Parameter(make()[:, :, :2] if preset == "keller" else make())
    with pytest.raises(ValueError, match=rf"parameter 0 \(4, \d, \d, 3\) has strides \(\d.*\); expected {expected}"):
        moved([parameter], 1, preset=preset)
