"""What a tuning run found, in words."""

import math

from muonc import _tuning as tuning


def about(norm, problem):
    """What a reader has to know of a norm's candidates."""
    floor = problem.floors[norm]
    if norm == "trace":
        return "read off the first Gram matrix; finite for gradients of a norm below 2^63"
    if norm == "schatten4" and floor > 1.01 * problem.floor:
        return f"the recorded singular values begin at {floor:g} of it, where Frobenius has {problem.floor:g}"
    if norm == "schatten4":
        return (
            f"begins at {floor:.6g} for every matrix: no gain over {problem.floor:g} unless recorded spectra give one"
        )
    return f"begins at {floor:.3g} for every matrix; O is that of D G" if norm == "aol" else ""


def lifted(problem, options):
    """A line where a band of one's own changes the limit on the error."""
    if problem.lift == 1.0 or options.error is not None or options.dtype == "f32":
        return []
    return [
        f"Errors of halves may be {problem.lift:.2f} times the preset's: the band takes the floor to its lower end with a slope of "
        f"{problem.band[0] / problem.floor:.0f}, {problem.lift:.2f} times the slope of {problem.preset}'s table, and the rounding of X "
        "grows with it."
    ]


def about_nearest(candidates):
    """The candidate that missed least of what is asked, and what it reaches."""
    missed = [
        c for c in candidates if math.isfinite(c.miss) and c.verdict != "verified" and not c.name.startswith("preset")
    ]
    if not missed:
        return "None was near."
    c = min(missed, key=lambda c: c.miss)
    low, high = min(c.predicted[0], c.measured[0]), max(c.predicted[1], c.measured[1])
    said = f"Nearest came {c.name}, {c.words()}, {c.operands}: {c.verdict}."
    if low <= 0 or high >= 2:  # no band at all
        return f"{said} A higher --floor asks less."
    band = f"{math.floor(low * 100) / 100:.2f}:{math.ceil(high * 100) / 100:.2f}"
    return f"{said} In its reach is --band {band} with --error {1.05 * c.error:.2g}; a higher --floor asks less."


def describe(problem, everyone, winner, baseline, notes, options):
    """The printed table, and notes below it."""
    lines = [
        f"{problem.shape[0]}x{problem.shape[1]}, dtype {options.dtype}, floor {problem.floor:g}, "
        f"band {problem.band[0]:.4g}:{problem.band[1]:.4g}, "
        f"preset {problem.preset}, target {options.target}, {tuning.device(options.target)}"
    ]
    lines += [
        f"norm {norm}: {said}" for norm, said in ((norm, about(norm, problem)) for norm in problem.floors) if said
    ]
    carried = tuning.served_floor(options.dtype) if options.dtype != "auto" else 0.0
    if problem.floor < carried:
        lines.append(
            f"{options.dtype} operands carry singular values down to {carried:g}; below, rounding may drown them (docs/numerics.md)"
        )
    heads = ("candidate", "operands", "form", "ms", "Gflop", "predicted band", "measured band", "error", "verdict")
    rows = [heads]
    for c in everyone:
        mark = "* " if c is winner else ""
        milliseconds = "-" if math.isnan(c.seconds) else f"{c.seconds * 1e3:.4g}"
        rows.append(
            (
                mark + c.name,
                c.operands,
                c.words(),
                milliseconds,
                f"{c.flops / 1e9:.3g}",
                f"{c.predicted[0]:.3f}..{c.predicted[1]:.3f}",
                "-" if math.isnan(c.measured[0]) else f"{c.measured[0]:.3f}..{c.measured[1]:.3f}",
                f"{c.emulated:.2g} emulated" if math.isnan(c.error) else f"{c.error:.2g}",
                c.verdict,
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(heads))]
    lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    lines += [note for note in notes if note]
    if winner is not None and winner.seconds and not math.isnan(winner.seconds):
        how = "First by the model" if winner.verdict == "modelled" else "Fastest verified"
        lines.append(
            f"{how}: {winner.name}, {winner.words()}, {winner.operands}: {winner.seconds * 1e3:.4g} ms, "
            f"{baseline.seconds / winner.seconds:.2f} times as fast as {baseline.name} ({baseline.words()}, {baseline.operands})."
        )
    return "\n".join(lines)
