"""The preset `exact` beside the singular value decomposition: time, and both errors to the decomposition in float64."""

import functools
import statistics

from measuring import announce, chosen, measure

SHAPES = [(256, 256), (512, 512), (768, 768), (1024, 1024), (768, 3072)]


def polar(matrix):
    """U Vᵀ."""
    import torch

    u, _, vt = torch.linalg.svd(matrix, full_matrices=False)
    return u @ vt


def name_of(shape):
    return f"{shape[0]}x{shape[1]}"


def run(options):
    """One line per shape, Gaussian matrices; ours is a whole optimizer step, theirs the factor U Vᵀ alone."""
    import torch

    import muonc.torch

    shapes = chosen(SHAPES, name_of, options.rows)
    announce(f", {options.rounds} rounds by turns; milliseconds, medians; errors are relative to U Vᵀ in float64.")
    print(
        "| matrix | ours | torch.linalg.svd, U Vᵀ | ratio (range) | our error | svd's in f32 |\n|---|---|---|---|---|---|"
    )
    for shape in shapes:
        gradient = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        parameter = torch.nn.Parameter(torch.zeros(shape))
        optimizer = muonc.torch.Muon([parameter], lr=1.0, weight_decay=0.0, preset="exact")
        parameter.grad = gradient
        optimizer.step()
        ours, truth = -parameter.detach().double(), polar(gradient.double())
        errors = []
        for found in (ours * (truth.norm() / ours.norm()), polar(gradient).double()):
            errors.append(float((found - truth).norm() / truth.norm()))
        times = measure(
            {"ours": optimizer.step, "svd": functools.partial(polar, gradient)}, options.rounds, leave_alone=False
        )
        medians = {who: statistics.median(values) * 1e3 for who, values in times.items()}
        ratios = [theirs / mine for theirs, mine in zip(times["svd"], times["ours"])]
        print(
            f"| {name_of(shape)} | {medians['ours']:.2f} | {medians['svd']:.2f} | **{statistics.median(ratios):.2f}x** "
            f"({min(ratios):.2f}-{max(ratios):.2f}) | {errors[0]:.1e} | {errors[1]:.1e} |",
            flush=True,
        )
