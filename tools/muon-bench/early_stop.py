"""What an early stop saves on matrices that are orthogonal already, and what it costs on those that are not."""

import statistics

from measuring import announce, chosen, measure

# shape, number of matrices, preset, its options
ROWS = [
    ((768, 768), 1, "keller", {}),
    ((768, 3072), 1, "keller", {}),
    ((1024, 1024), 1, "keller", {"table": "polar_express", "steps": 8, "safety": 1.01}),
    ((128, 512), 64, "keller", {}),
    ((512, 512), 1, "inverse_root", {}),
]


def gradients(shape, count, orthogonal):
    """Gaussian matrices, or the orthogonal factors of Gaussian matrices with 0.1 % noise on their singular values."""
    import torch

    generator = torch.Generator().manual_seed(0)
    made = []
    for _ in range(count):
        gaussian = torch.randn(max(shape), min(shape), generator=generator)
        if orthogonal:
            factor = torch.linalg.qr(gaussian)[0]
            gaussian = factor * (1 + 1e-3 * torch.randn(1, min(shape), generator=generator))
        made.append(1e-2 * (gaussian if shape[0] >= shape[1] else gaussian.T.contiguous()))
    return made


def stepper(values, preset, settings, dtype, **chosen):
    """The step of an optimizer over these gradients, and the optimizer."""
    import torch

    import muonc.torch

    parameters = [torch.nn.Parameter(0.02 * torch.randn(value.shape)) for value in values]
    dtype = "f32" if preset == "inverse_root" else dtype
    optimizer = muonc.torch.Muon(parameters, preset=preset, options=settings, dtype=dtype, **chosen)
    for parameter, value in zip(parameters, values):
        parameter.grad = value
    optimizer.step()
    return optimizer.step, optimizer


def name_of(row):
    (rows, columns), count, _, _ = row
    return f"{count} x {rows}x{columns}"


def run(options):
    """One line per shape and preset: milliseconds, and the steps that were taken."""
    rows = chosen(ROWS, name_of, options.rows)
    announce(
        f", {options.rounds} rounds; milliseconds per step, medians; ratios are to the gram form without the option."
    )
    print(
        "| matrices | preset | standard or gram, as chosen | gram | Gaussian, early stop | orthogonal, early stop | rows taken |"
    )
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        shape, count, preset, settings = row
        gaussian, orthogonal = (gradients(shape, count, kind) for kind in (False, True))
        made = {
            "ours": stepper(gaussian, preset, settings, options.dtype),
            "gram": stepper(gaussian, preset, settings, options.dtype, form="gram"),
            "far": stepper(gaussian, preset, settings, options.dtype, early_stop=options.early_stop),
            "near": stepper(orthogonal, preset, settings, options.dtype, early_stop=options.early_stop),
        }
        times = measure({who: step for who, (step, _) in made.items()}, options.rounds, leave_alone=False)
        medians = {who: statistics.median(values) * 1e3 for who, values in times.items()}
        ratios = {who: statistics.median(a / b for a, b in zip(times["gram"], times[who])) for who in ("far", "near")}
        taken = {
            who: {int(n) for metrics in made[who][1].metrics() for n in metrics["steps"].reshape(-1)}
            for who in ("far", "near")
        }
        table = settings.get("table", preset)
        print(
            f"| {name_of(row)} | {table} | {medians['ours']:.2f} | {medians['gram']:.2f} | {medians['far']:.2f} ({ratios['far']:.2f}x) "
            f"| {medians['near']:.2f} (**{ratios['near']:.2f}x**) | {sorted(taken['far'])}, {sorted(taken['near'])} |",
            flush=True,
        )
