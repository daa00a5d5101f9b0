"""Bad input: one clear line, torch's exception type where torch has one, and nothing changed."""

import pathlib
import re

import numpy as np
import pytest
import torch

import muonc
import muonc.torch


def one_line(caught):
    return "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"lr": -1.0},
        {"lr": torch.tensor([1.0, 2.0])},
        {"momentum": -0.5},
        {"weight_decay": -0.1},
        {"adjust_lr_fn": "arbitrary"},
    ],
    ids=str,
)
def test_settings_are_refused_as_torch_does(settings):
    parameters = [torch.nn.Parameter(torch.zeros(4, 4))]
    with pytest.raises(ValueError) as theirs:
        torch.optim.Muon(parameters, **settings)
    with pytest.raises(ValueError) as mine:
        muonc.torch.Muon(parameters, **settings)
    assert str(mine.value) == str(theirs.value)


@pytest.mark.parametrize("shape", [(4,), (2, 3, 4), ()])
def test_other_dimensions_are_refused_as_torch_does(shape):
    parameters = [torch.nn.Parameter(torch.zeros(shape))]
    with pytest.raises(ValueError) as theirs:
        torch.optim.Muon(parameters)
    with pytest.raises(ValueError) as mine:
        muonc.torch.Muon(parameters)
    assert str(mine.value) == str(theirs.value)


@pytest.mark.parametrize(
    "make, gradient, error, message",
    [
        (lambda: torch.zeros(4, 4, dtype=torch.complex64), None, RuntimeError, "complex parameters"),
        (lambda: torch.zeros(4, 4), torch.zeros(4, 4).to_sparse(), RuntimeError, "sparse gradients"),
        (lambda: torch.zeros(4, 4, device="meta"), None, ValueError, "is on meta; expected the CPU or a CUDA device"),
        (lambda: torch.zeros(4, 4, dtype=torch.float64), None, ValueError, "torch.float64; expected torch.float32"),
        (lambda: torch.zeros(4, 4, dtype=torch.float16), None, ValueError, "torch.float16; expected torch.float32"),
        (lambda: torch.zeros(8, 8)[::2, ::2], None, ValueError, "expected 1 in one of its last two"),
        (lambda: torch.zeros(4, 1).expand(4, 4).t(), None, ValueError, "share memory|expected 1 in one"),
    ],
)
def test_parameters_that_no_program_takes(make, gradient, error, message):
    parameter = torch.nn.Parameter(make())
    parameter.grad = torch.zeros_like(parameter) if gradient is None else gradient
    optimizer = muonc.torch.Muon([parameter])
    with pytest.raises(error, match=message) as caught:
        optimizer.step()
    assert one_line(caught)


def test_a_gradient_that_becomes_sparse():
    parameter = torch.nn.Parameter(torch.ones(4, 4))
    optimizer = muonc.torch.Muon([parameter])
    parameter.grad = torch.ones(4, 4)
    optimizer.step()
    before = parameter.detach().clone()
    parameter.grad = torch.ones(4, 4).to_sparse()
    with pytest.raises(RuntimeError, match="sparse gradients"):
        optimizer.step()
    assert torch.equal(parameter, before)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"dtype": "fp8"}, "dtype should be one of auto, f32, bf16, f16 but is: fp8"),
        ({"form": "gramm"}, "form should be one of"),
        ({"nonfinite": "raise"}, "nonfinite should be one of"),
        ({"workers": 0}, "workers should be an integer from 1 to 2048 but is: 0"),
        ({"workers": 1.5}, "workers should be an integer from 1 to 2048 but is: 1.5"),
        ({"workers": 2049}, "workers should be an integer from 1 to 2048 but is: 2049"),
        ({"seed": 1.5}, "seed should be an integer from -9223372036854775808 to 9223372036854775807 but is: 1.5"),
        ({"seed": 1 << 63}, "seed should be an integer from -9223372036854775808 to .* but is: 9223372036854775808"),
        ({"ns_steps": 100}, "less than 100"),
        ({"ns_coefficients": (1.0, 2.0)}, "exactly 3"),
        ({"ns_coefficients": 5}, "exactly 3"),
        ({"ns_coefficients": "abc"}, "each of ns_coefficients should be a number but is: a"),
        ({"ns_steps": 0}, "ns_steps should be an integer from 1 to 99 but is: 0"),
        ({"ns_steps": 4.5}, "ns_steps should be an integer from 1 to 99 but is: 4.5"),
        ({"ns_steps": "5"}, "ns_steps should be an integer from 1 to 99 but is: 5"),
        ({"eps": None}, "eps should be a number but is: None"),
        ({"eps": "x"}, "eps should be a number but is: x"),
        ({"early_stop": "x"}, "early_stop should be a number but is: x"),
        ({"options": {"table": {1, 2}}}, "options should be"),
        ({"options": [["clip", 1.0]]}, "options should be a dict or None but is: "),
        ({"options": []}, "options should be a dict or None but is: "),
    ],
)
def test_our_own_settings(settings, message):
    with pytest.raises(ValueError, match=message) as caught:
        muonc.torch.Muon([torch.nn.Parameter(torch.zeros(4, 4))], **settings)
    assert one_line(caught)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"preset": "newton"}, "newton"),
        ({"preset": "polar_express", "ns_steps": 3}, "has 5 rows, but 3 steps were asked for"),
        ({"ns_coefficients": (3.4445, 4.775, 2.0315)}, "diverges for sigma in"),
        ({"options": {"no_such_option": 1}}, "no_such_option"),
        ({"options": {"clip": "much"}}, "clip|much"),
    ],
)
def test_what_the_compiler_refuses_changes_nothing(settings, message):
    parameter = torch.nn.Parameter(torch.ones(4, 4))
    parameter.grad = torch.ones(4, 4)
    optimizer = muonc.torch.Muon([parameter], **settings)
    with pytest.raises(ValueError, match=message) as caught:
        optimizer.step()
    assert one_line(caught)
    assert torch.equal(parameter, torch.ones(4, 4))


def test_a_refused_group_is_not_added():
    optimizer = muonc.torch.Muon([torch.nn.Parameter(torch.zeros(4, 4))])
    with pytest.raises(ValueError, match="2D"):
        optimizer.add_param_group({"params": [torch.nn.Parameter(torch.zeros(4))]})
    assert len(optimizer.param_groups) == 1


def test_a_parameter_used_twice():
    shared = torch.zeros(8, 8)
    parameters = [torch.nn.Parameter(shared), torch.nn.Parameter(shared.view(8, 8))]
    for parameter in parameters:
        parameter.grad = torch.ones(8, 8)
    with pytest.raises(ValueError) as caught:
        muonc.torch.Muon(zip(("tok", "head"), parameters)).step()
    assert re.match(
        r"weight of parameter tok \(8, 8\) at .* shares memory with weight of parameter head \(8, 8\) at ",
        str(caught.value),
    )
    assert one_line(caught)


@pytest.mark.parametrize(
    "request_, message",
    [
        ({"groups": [{"shape": [0, 4], "parameters": ["w"], "preset": "torch"}]}, "0"),
        ({"groups": [{"shape": [4, 4], "parameters": ["w"], "preset": "torch"}], "target": "pdp11"}, "pdp11"),
        ({"groups": [{"shape": [4, 4], "parameters": ["w"], "preset": "torch"}], "dtype": "f8"}, "f8"),
        ({"groups": [{"shape": "4x4", "parameters": ["w"], "preset": "torch"}]}, "shape"),
        (
            {"groups": [{"shape": [4, 4], "parameters": ["w"], "preset": "torch", "options": {"eps": float("nan")}}]},
            "nan",
        ),
        ({"groups": [4]}, "group"),
        ({"groups": [{4, 5}]}, "set"),
        ({"groups": []}, "group"),
        ({"groups": None}, "group"),
        ({"groups": 5}, "group"),
        ({}, "group"),
        (5, "object"),
        ([1], "object"),
        (None, "object"),
    ],
)
def test_requests(request_, message):
    with pytest.raises(ValueError, match=message) as caught:
        muonc.compile_program(request_)
    assert one_line(caught)


def test_at_most_is_no_negative_number():
    with pytest.raises(ValueError, match=r"^at_most should be an integer from 0 to 4294967295 but is: -1$"):
        muonc.compile_program({}, at_most=-1)


def test_an_emission_is_a_word():
    with pytest.raises(ValueError, match=r"^unknown emission '5', expected "):
        muonc.compile_text({"groups": [{"shape": [4, 4], "parameters": ["w"]}]}, 5)


def test_tuned_for_a_model_needs_every_name():
    optimizer = muonc.torch.Muon([("w", torch.nn.Parameter(torch.ones(4, 4)))], tuned={"model": "m"})
    optimizer.param_groups[0]["params"].append(torch.nn.Parameter(torch.ones(4, 4)))
    for parameter in optimizer.param_groups[0]["params"]:
        parameter.grad = torch.ones(4, 4)
    with pytest.raises(ValueError, match="tuned for a model needs named parameters"):
        optimizer.step()


@pytest.mark.parametrize("settings", [{"options": 5}, {"eps": "x"}, {"early_stop": 2.0}], ids=str)
def test_our_own_settings_changed_between_steps(settings):
    parameter = torch.nn.Parameter(torch.ones(4, 4))
    parameter.grad = torch.ones(4, 4)
    optimizer = muonc.torch.Muon([parameter])
    optimizer.param_groups[0].update(settings)
    with pytest.raises(ValueError, match=f"{next(iter(settings))} should be"):
        optimizer.step()


def test_workers_may_be_any_integer():
    parameter = torch.nn.Parameter(torch.ones(4, 4))
    parameter.grad = torch.ones(4, 4)
    optimizer = muonc.torch.Muon([parameter], workers=np.int64(1))
    optimizer.step()
    assert optimizer.report()["workers"] == 1


@pytest.mark.parametrize("workers", [-1, 2049, 10**20])
def test_what_is_no_number_of_workers(workers):
    with pytest.raises(ValueError, match=f"^workers should be an integer from 0 to 2048 but is: {workers}$"):
        muonc.compile_program({}, workers=workers)


@pytest.mark.parametrize(
    ("level", "request_"),
    [
        ("request.", {"nothing": 1}),
        ("request.groups[0].", {"groups": [{"nothing": 1}]}),
        ("request.groups[0].options.", {"groups": [{"shape": [4, 4], "parameters": ["w"], "options": {"nothing": 1}}]}),
    ],
    ids=["request", "group", "options"],
)
def test_every_field_a_refusal_lists_is_described_in_the_header(level, request_):
    with pytest.raises(ValueError) as caught:
        muonc.program.compile_program(request_)
    refused, fields = str(caught.value).split(", expected ")
    assert refused == f"unknown field at {level}nothing"
    header = pathlib.Path(__file__).parents[2] / "include" / "muon-c" / "Compiler.h"
    lines = header.read_text().splitlines()
    begins = {name for line in lines for name in re.findall(r'^ \* {3,}(?:\{ )?"(\w+)":', line)}
    within = {name for line in lines for name in re.findall(r'"(\w+)":', line)}
    described = begins if level == "request." else within
    assert set(fields.split(", ")) <= described
