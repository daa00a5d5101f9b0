"""Step functions beside torch's: exact against the singular value decomposition, skipped gradients, batches."""

import time

import numpy as np
import pytest
import torch

import muonc.torch
from reference import Reference, distance, give, gradients, matrices


def direction(gradient, **settings):
    """What one step with these settings moves a zero matrix by, per unit of learning rate: -U, in float64."""
    parameter = torch.nn.Parameter(torch.zeros_like(gradient))
    optimizer = muonc.torch.Muon([parameter], lr=1.0, weight_decay=0.0, momentum=0.0, **settings)
    parameter.grad = gradient.clone()
    optimizer.step()
    return -parameter.detach().double().numpy(), optimizer


def polar(gradient):
    """The polar factor of [m, n] through the singular value decomposition in float64."""
    u, _, vt = np.linalg.svd(gradient.double().numpy(), full_matrices=False)
    return u @ vt


def unscaled(u, reference):
    """Removes the preset's scale, a constant per shape."""
    return u * (np.linalg.norm(reference) / np.linalg.norm(u))


@pytest.mark.parametrize("shape", [(64, 64), (48, 160), (160, 48), (37, 53)])
def test_exact_is_the_polar_factor(shape):
    gradient = torch.randn(shape, generator=torch.Generator().manual_seed(3))
    u, _ = direction(gradient, preset="exact")
    truth = polar(gradient)
    assert np.linalg.norm(unscaled(u, truth) - truth) / np.linalg.norm(truth) <= 2e-5
    values = np.linalg.svd(unscaled(u, truth), compute_uv=False)
    assert np.abs(values - 1).max() <= 1e-5


def test_exact_is_faster_than_the_decomposition():
    gradient = torch.randn((256, 2048), generator=torch.Generator().manual_seed(3))
    parameter = torch.nn.Parameter(torch.zeros_like(gradient))
    optimizer = muonc.torch.Muon([parameter], preset="exact")
    parameter.grad = gradient
    optimizer.step()

    def best(work):
        seconds = []
        for _ in range(3):
            start = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - start)
        return min(seconds)

    assert best(optimizer.step) < best(lambda: torch.linalg.svd(gradient, full_matrices=False))


@pytest.mark.parametrize("preset", ["keller", "moonlight", "polar_express"])
def test_presets_follow_the_polar_factor_roughly(preset):
    """Their tables leave singular values within their bands: near 1, not at 1."""
    gradient = gradients([(64, 160)], 0)[0]
    u, _ = direction(gradient, preset=preset)
    truth = polar(gradient)
    assert np.linalg.norm(unscaled(u, truth) - truth) / np.linalg.norm(truth) <= 0.5


@pytest.mark.parametrize("preset, steps", [("inverse_root", 4), ("torch", 99)])
def test_the_number_of_steps_keeps_the_presets_own_table(preset, steps):
    gradient = gradients([(24, 40)], 0)[0]
    asked, _ = direction(gradient, preset=preset, ns_steps=steps, dtype="f32")
    own, _ = direction(gradient, preset=preset, options={"steps": steps}, dtype="f32")
    assert np.array_equal(asked, own)


def test_inverse_root_follows_its_recurrence():
    """Newton on the trace-normalised Gram matrix in float64: rows (1.5, -0.5, 0) on the damped matrix."""
    gradient = torch.randn((24, 60), generator=torch.Generator().manual_seed(5))
    steps, damping = 5, 1e-3
    u, optimizer = direction(gradient, preset="inverse_root", dtype="f32", options={"steps": steps, "damping": damping})
    g = gradient.double().numpy()
    k = min(g.shape)
    trace = np.sum(g * g) + k * damping
    r, q = (g @ g.T + damping * np.eye(k)) / trace, np.eye(k)
    for _ in range(steps):
        p = 1.5 * np.eye(k) - 0.5 * r
        r, q = r @ p @ p, q @ p
    truth = q @ g / np.sqrt(trace)
    assert np.linalg.norm(unscaled(u, truth) - truth) / np.linalg.norm(truth) <= 2e-4
    assert optimizer.report()["program"]


def test_exact_certifies_itself():
    gradient = torch.randn((48, 96), generator=torch.Generator().manual_seed(3))
    _, optimizer = direction(gradient, preset="exact")
    residual = optimizer.metrics()[0]["residual"]
    assert residual.numel() == 1 and 0 <= float(residual) <= 1e-5


@pytest.mark.parametrize("default", [torch.float64, torch.float16, torch.bfloat16])
def test_metrics_do_not_follow_torchs_default_dtype(default):
    parameter = torch.nn.Parameter(torch.zeros(24, 40))
    parameter.grad = torch.randn((24, 40), generator=torch.Generator().manual_seed(4))
    optimizer = muonc.torch.Muon([parameter], preset="exact")
    torch.set_default_dtype(default)
    try:
        optimizer.step()
    finally:
        torch.set_default_dtype(torch.float32)
    assert 0 < float(optimizer.metrics()[0]["residual"]) <= 1e-5


def test_vectors_take_a_normalised_momentum_step_when_asked():
    matrix, vector = matrices([(16, 24)])[0], torch.nn.Parameter(torch.zeros(50))
    kernel = torch.nn.Parameter(torch.zeros(4, 3, 5, 2))
    values = [gradients([(16, 24)], 0)[0], torch.arange(50.0) - 20.0, torch.randn(4, 3, 5, 2)]
    optimizer = muonc.torch.Muon([matrix, vector, kernel], lr=0.1, weight_decay=0.0, non_matrices="rms")
    kernel.data = kernel.data.to(memory_format=torch.channels_last)
    for rate in (1, 2):  # the second gradient of the kernel lies in another order than the kernel itself
        give([matrix, vector, kernel], values)
        kernel.grad = kernel.grad.contiguous() if rate == 2 else kernel.grad.to(memory_format=torch.channels_last)
        optimizer.step()
        for parameter, value in ((vector, values[1]), (kernel, values[2])):
            expected = -0.1 * rate * value / value.square().mean().sqrt()
            torch.testing.assert_close(parameter.detach(), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    "asked, first",
    [
        ({"form": "gram"}, "form 'gram'"),
        ({"restarts": [2], "form": "gram"}, "form 'gram'"),
        ({"pairs": [], "form": "gram"}, "form 'gram'"),
        ({"dtype": "f32"}, "dtype 'f32'"),
    ],
)
def test_what_is_said_of_products_waits_for_a_matrix(asked, first):
    matrix, vector = matrices([(8, 12)])[0], torch.nn.Parameter(torch.zeros(6))
    matrix.requires_grad_(False)
    vector.grad = torch.arange(6.0) - 2.0
    muonc.torch.Muon([matrix, vector], non_matrices="rms", **asked).step()
    assert vector.count_nonzero() == 5
    with pytest.raises(ValueError, match=f"preset 'rms' has no products, got {first}"):
        muonc.torch.Muon([vector], non_matrices="rms", **asked).step()


def stepped_vector(groups=None, **settings):
    """A vector of zeros after one step, and the vector's gradient; groups: what makes param groups of it."""
    vector = torch.nn.Parameter(torch.zeros(6))
    vector.grad = torch.arange(6.0) - 2.0
    settings = {"lr": 1.0, "weight_decay": 0.0, "momentum": 0.0, **settings}
    optimizer = muonc.torch.Muon(groups(vector) if groups else [vector], non_matrices="rms", **settings)
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter is not vector:
                parameter.grad = torch.eye(4)
    optimizer.step()
    return vector.detach(), vector.grad


def beside_a_matrix(of_the_vector):
    """Groups of a vector and a matrix; of_the_vector: further settings of its group."""
    return lambda vector: [
        {"params": [vector], **of_the_vector},
        {"params": [torch.nn.Parameter(torch.zeros(4, 4))]},
    ]


@pytest.mark.parametrize(
    "groups, settings",
    [
        (None, {"preset": "rms", "eps": 10.0}),
        (None, {"preset": "rms", "options": {"eps": 10.0}}),
        (None, {"eps": 10.0}),
        (beside_a_matrix({"preset": "rms", "eps": 10.0}), {}),
        (beside_a_matrix({"options": {"eps": 10.0}}), {}),
    ],
)
def test_eps_that_is_given_to_vectors_counts(groups, settings):
    moved, gradient = stepped_vector(groups, **settings)
    torch.testing.assert_close(moved, -gradient / (gradient.square().mean() + 100.0).sqrt())


NONE_OF_VECTORS = [
    ({"ns_steps": 3}, "takes no table, steps, safety or norm"),
    ({"ns_coefficients": (1.5, -0.5, 0.0)}, "takes no table, steps, safety or norm"),
    ({"options": {"table": "cubic"}}, "takes no table, steps, safety or norm"),
    ({"options": {"safety": 1.1}}, "takes no table, steps, safety or norm"),
    ({"options": {"eps_form": "add"}}, "takes no eps form"),
    ({"options": {"operands": "f32"}}, "takes no operands, form, restarts, pairs or tile: it has no products"),
    ({"options": {"form": "gram"}}, "takes no operands, form, restarts, pairs or tile: it has no products"),
    ({"early_stop": 0.3}, "takes no early_stop: it has no table"),
]


@pytest.mark.parametrize("settings, why", NONE_OF_VECTORS)
def test_what_vectors_have_no_use_for_is_refused_where_it_is_given_to_them(settings, why):
    for groups, all_settings in ((None, {"preset": "rms", **settings}), (beside_a_matrix(settings), {})):
        with pytest.raises(ValueError) as caught:
            stepped_vector(groups, **all_settings)
        assert f"preset 'rms' {why}" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("settings", [settings for settings, _ in NONE_OF_VECTORS] + [{"eps": 10.0}])
def test_what_is_given_to_matrices_is_not_for_the_vectors_beside_them(settings):
    def together(vector):
        return [{"params": [vector, torch.nn.Parameter(torch.zeros(4, 4))], **settings}]

    for groups, all_settings in ((beside_a_matrix({}), settings), (together, {})):
        moved, gradient = stepped_vector(groups, **all_settings)
        torch.testing.assert_close(moved, -gradient / gradient.square().mean().sqrt())


@pytest.mark.parametrize("strides", [(5, 1, 1), (5, 2, 1)], ids=["overlaps", "gaps"])
def test_what_does_not_lie_side_by_side_is_no_vector(strides):
    memory = torch.zeros(9)
    kernel = torch.nn.Parameter(torch.as_strided(memory, (2, 2, 2), strides))
    optimizer = muonc.torch.Muon([kernel], non_matrices="rms")
    kernel.grad = torch.ones(2, 2, 2)
    with pytest.raises(ValueError, match=r"has strides \(5, \d, 1\); expected"):
        optimizer.step()
    assert not memory.any()


def test_a_kernel_that_becomes_channels_last_keeps_its_momentum():
    values = [torch.randn((4, 3, 5, 2), generator=torch.Generator().manual_seed(seed)) for seed in range(3)]
    results = []
    for turns in (False, True):
        kernel = torch.nn.Parameter(torch.zeros(4, 3, 5, 2))
        optimizer = muonc.torch.Muon([kernel], lr=0.1, non_matrices="rms")
        for step, value in enumerate(values):
            if turns and step == 1:
                kernel.data = kernel.data.to(memory_format=torch.channels_last)
            kernel.grad = value.clone()
            optimizer.step()
        results.append((kernel.detach(), optimizer.state[kernel]["momentum_buffer"]))
    for stayed, turned in zip(*results):
        torch.testing.assert_close(turned, stayed, rtol=1e-6, atol=1e-7)


def test_a_preset_with_a_state_and_a_scalar_of_its_own():
    parameter = matrices([(16, 24)])[0]
    optimizer = muonc.torch.Muon([{"params": [parameter], "beta2": 0.95}], preset="normuon")
    give([parameter], gradients([(16, 24)], 0))
    optimizer.step()
    assert torch.isfinite(parameter).all()
    assert float(optimizer.state[parameter]["second_moment"].sum()) > 0
    other = muonc.torch.Muon([parameter], preset="normuon")
    with pytest.raises(ValueError, match="beta2"):
        other.step()


def test_skip_leaves_non_finite_gradients_parameters_alone():
    shapes = [(16, 24), (16, 24), (24, 8)]
    parameters = matrices(shapes)
    optimizer = muonc.torch.Muon(parameters, lr=0.05, nonfinite="skip")
    give(parameters, gradients(shapes, 0))
    optimizer.step()
    assert optimizer.skipped() == []
    before = [p.detach().clone() for p in parameters]
    momentum = optimizer.state[parameters[1]]["momentum_buffer"].clone()
    give(parameters, gradients(shapes, 1))
    parameters[1].grad[3, 5] = float("nan")
    optimizer.step()
    assert [id(p) for p in optimizer.skipped()] == [id(parameters[1])]
    assert torch.equal(parameters[1], before[1])
    assert torch.equal(optimizer.state[parameters[1]]["momentum_buffer"], momentum)
    assert not torch.equal(parameters[0], before[0]) and not torch.equal(parameters[2], before[2])


def test_propagate_is_the_default():
    parameter = matrices([(8, 8)])[0]
    optimizer = muonc.torch.Muon([parameter])
    parameter.grad = torch.full((8, 8), float("nan"))
    optimizer.step()
    assert torch.isnan(parameter).all() and optimizer.skipped() == []


def test_leading_dimensions_are_a_batch_when_asked():
    starts = matrices([(12, 20)] * 6)
    stacked = torch.nn.Parameter(torch.stack([p.detach() for p in starts]).view(2, 3, 12, 20))
    values = gradients([(12, 20)], 0)[0] * torch.arange(1, 7).view(6, 1, 1) + torch.eye(12, 20)
    optimizer = muonc.torch.Muon([stacked], lr=0.02, dtype="f32", form="standard", batched=True)
    stacked.grad = values.view(2, 3, 12, 20).clone()
    optimizer.step()
    reference = Reference(starts, lr=0.02)
    reference.step(list(values))
    assert distance(list(stacked.view(6, 12, 20)), starts, reference.weights) <= 2e-5


@pytest.mark.parametrize("order", [(1, 2, 0), (2, 1, 0)], ids=str)
def test_a_batch_may_have_gradients_and_momentum_in_any_order(order):
    def reordered(tensor):
        """A copy whose dimensions follow each other in memory in this order, outermost first."""
        return tensor.permute(order).contiguous().permute([order.index(dimension) for dimension in range(3)])

    value = torch.randn((4, 8, 8), generator=torch.Generator().manual_seed(3))
    results = []
    for ordered in (torch.clone, reordered):
        batch = torch.nn.Parameter(torch.zeros(4, 8, 8))
        optimizer = muonc.torch.Muon([batch], lr=0.1, batched=True, dtype="f32")
        optimizer.state[batch]["momentum_buffer"] = ordered(torch.ones(4, 8, 8))
        batch.grad = ordered(value)
        optimizer.step()
        results.append(batch.detach())
    torch.testing.assert_close(*results)


def test_stochastic_rounding_is_seeded_and_unbiased():
    shape = (64, 64)

    def run(seed):
        parameter = torch.nn.Parameter(torch.ones(shape, dtype=torch.bfloat16))
        optimizer = muonc.torch.Muon(
            [parameter], lr=1e-4, weight_decay=0.0, seed=seed, options={"stochastic_rounding": True}
        )
        for step in range(20):
            parameter.grad = gradients([shape], step, torch.bfloat16)[0]
            optimizer.step()
        return parameter.detach()

    assert torch.equal(run(1), run(1)) and not torch.equal(run(1), run(2))
    # Rounding to nearest would leave 1 where it is: a step is far below half a unit in the last place.
    assert (run(1) != 1).any()


def test_the_report_says_which_path_ran():
    parameters = matrices([(64, 256), (64, 64)])
    optimizer = muonc.torch.Muon(parameters, dtype="f32")
    give(parameters, gradients([(64, 256), (64, 64)], 0))
    optimizer.step()
    report = optimizer.report()
    assert report["target"] and report["workers"] >= 1 and report["origin"] in ("compiled", "disk cache")
    assert report["program"]


def test_the_report_says_what_memory_the_waves_take():
    parameters = [f"w{index}" for index in range(32)]
    request = {"dtype": "f32", "groups": [{"preset": "keller", "shape": [64, 128], "parameters": parameters}]}
    few, many = (muonc.compile_program(request, workers=workers).report() for workers in (1, 64))
    assert few["workspace_bytes"] < few["program"]["workspace_bytes"]
    assert many["workspace_bytes"] == few["program"]["workspace_bytes"]
