"""Time by a model, for targets that are not this machine. An entry made by it is marked `modelled`."""

import math

from outcome import describe
from variants import has_own_tables

import candidates as proposing
from muonc import _tuning as tuning

# Matrix rates by operand type in flop/s and memory in byte/s: data sheets of A100 and H100, dense, and a core pair of a
# server processor. f32 on a GPU is three products of tf32 (docs/gpu.md). Only ratios matter: the model ranks.
RATES = {
    "sm_80": {"bf16": 312e12, "f16": 312e12, "tf32": 156e12, "f32": 52e12, "bytes": 1.55e12},
    "sm_90": {"bf16": 989e12, "f16": 989e12, "tf32": 495e12, "f32": 165e12, "bytes": 3.35e12},
    "cpu": {"bf16": 200e9, "f16": 200e9, "tf32": 100e9, "f32": 100e9, "bytes": 20e9},
}


def runs_here(target):
    return target in ("cpu", "native")


def rates(target):
    for name, figures in RATES.items():
        if target.startswith(name):
            return figures
    if target.startswith("sm_"):
        raise ValueError(f"no rates are known for {target}: expected sm_80, sm_90 or a processor")
    return RATES["cpu"]


def seconds(problem, candidate, figures):
    """Flops at the product rate plus every product's operands and result once through memory."""
    short, long = problem.sides
    word = 4 if candidate.operands in ("f32", "tf32") else 2
    products = candidate.flops
    # A product of an n x n with an n x m matrix moves n^2 + 2nm words for 2 n^2 m flops.
    moved = word * products * (short + 2 * long) / (2 * short * long)
    if candidate.norm != "frobenius":
        moved += 3 * 4 * short * short  # R in f32: written, summed up, scaled
    return products / figures[candidate.operands] + moved / figures["bytes"]


def own_program(problem, operands):
    """The preset's table in the form that the compiler chooses for it."""
    rows = problem.own_rows
    arithmetic = problem.arithmetic(operands)
    form, restarts = tuning.choose_form(rows, arithmetic, *problem.sides)
    emulated = tuning.emulate(rows, form, restarts, arithmetic)["error"]
    return proposing.Candidate(
        f"preset {problem.preset}",
        rows,
        form,
        restarts,
        operands,
        proposing.count(problem, rows, form, restarts, operands),
        tuning.compute_band(rows, problem.floor),
        emulated,
        floor=problem.floor,
    )


def tune(options, problem, by_hand, refused):
    """As tuner.tune, by emulation and model alone."""
    figures = rates(options.target)
    types = ("bf16", "f32") if options.dtype == "auto" else (options.dtype,)
    found, baselines = [], []
    for operands in types:
        baseline = own_program(problem, operands)
        baselines.append(baseline)
        limit = proposing.error_limit(problem, baseline, options.error)
        flops = baseline.flops if options.band is None else math.inf
        for norm in problem.floors:
            if norm != "frobenius" and not has_own_tables(problem, norm):
                continue  # the model knows no difference
            tables = proposing.proposals(problem.under(norm), operands, flops, limit, options.candidates)
            found += proposing.propose(problem.under(norm), operands, tables, limit, lambda: None)
        found += proposing.propose(problem, operands, by_hand, limit, lambda: None)
        plain = proposing.rank([c for c in found if c.operands == operands and c.norm == "frobenius"])
        proposing.examine(problem, baseline, plain[: proposing.EMULATED_AGAIN * options.candidates], options.error)
    for candidate in [*baselines, *found]:
        candidate.seconds = seconds(problem, candidate, figures)
        candidate.verdict = "emulated outside at {}x{}".format(*proposing.LARGER) if candidate.doubtful else "modelled"
    baseline = min(baselines, key=lambda c: c.seconds)
    everyone = sorted([*baselines, *proposing.rank(found)[: options.candidates]], key=lambda c: (c.seconds, c.emulated))
    sound = [c for c in everyone if c.verdict == "modelled" and c.norm != "aol" and math.isfinite(c.emulated)]
    winner = next((c for c in sound if not tuning.check_band(c.rows, *problem.band, c.floor)), None)
    text = describe(problem, everyone, winner, baseline, refused, options)
    return {
        "problem": problem,
        "winner": winner,
        "baseline": baseline,
        "candidates": everyone,
        "modelled": True,
        "nearest": "No table in the band keeps the limit in emulation.",
        "text": text + "\nTimes are the model's; bands and errors are of the table and of emulation.",
    }
