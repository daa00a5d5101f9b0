"""Small matrices by operand type: where a 16-bit type is slower than f32, and what `--dtype auto` takes there."""

import statistics

from measuring import announce, chosen, measure

SHAPES = [(side, longer) for side in (8, 16, 24, 32, 48, 64) for longer in (side, 4 * side, 768)]
TYPES = ("f32", "bf16", "f16")
ELEMENTS = 200_000  # of all matrices of a row together, so that a step is long beside its launch


def name_of(shape):
    return f"{shape[0]}x{shape[1]}"


def optimizers(shape):
    """An optimizer for each type that this machine multiplies, and one that chooses."""
    import torch

    import muonc.torch

    count = max(1, ELEMENTS // (shape[0] * shape[1]))
    made = {}
    for dtype in ("auto", *TYPES):
        parameters = [torch.nn.Parameter(torch.zeros(shape)) for _ in range(count)]
        generator = torch.Generator().manual_seed(0)
        for parameter in parameters:
            parameter.grad = torch.randn(shape, generator=generator)
        made[dtype] = muonc.torch.Muon(parameters, preset="keller", dtype=dtype)
        try:
            made[dtype].step()
        except ValueError:  # a type this machine does not multiply
            del made[dtype]
    return count, made


def taken(optimizer):
    """How the program multiplies."""
    return next(kernel["path"] for kernel in optimizer.report()["program"]["kernels"] if kernel["kind"] == "product")


def run(options):
    """One line per shape: microseconds of a whole step, and its time in a 16-bit type by that in f32."""
    announce(f", Keller's table, {options.rounds} rounds by turns; microseconds of a step, medians.")
    print("| matrices | f32 | 16 bits | their type | ratio (range) | auto takes |\n|---|---|---|---|---|---|")
    for shape in chosen(SHAPES, name_of, options.rows):
        count, made = optimizers(shape)
        choice = taken(made.pop("auto"))
        times = measure({dtype: optimizer.step for dtype, optimizer in made.items()}, options.rounds, leave_alone=False)
        medians = {dtype: statistics.median(values) * 1e6 for dtype, values in times.items()}
        halves = min((dtype for dtype in medians if dtype != "f32"), key=medians.get)
        ratios = [half / full for half, full in zip(times[halves], times["f32"])]
        print(
            f"| {count} x {name_of(shape)} | {medians['f32']:.0f} | {medians[halves]:.0f} | {halves} | "
            f"**{statistics.median(ratios):.2f}** ({min(ratios):.2f}-{max(ratios):.2f}) | {choice} |",
            flush=True,
        )
