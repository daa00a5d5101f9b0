"""Time by a model, for targets that are not this machine. An entry made by it is marked `modelled`."""

import math

from outcome import describe
from variants import has_own_tables

import candidates as proposing
from muonc import _tuning as tuning
from stepping import isa_of

# Matrix rates by operand type in flop/s and memory in byte/s. Only ratios matter: the model ranks.
# Data sheets of A100 and H100, dense. f32 there is three products of tf32 (docs/gpu.md).
GPUS = {
    "sm_80": {"bf16": 312e12, "f16": 312e12, "tf32": 156e12, "f32": 52e12, "bytes": 1.55e12},
    "sm_90": {"bf16": 989e12, "f16": 989e12, "tf32": 495e12, "f32": 165e12, "bytes": 3.35e12},
}
# A core pair of a server processor, by how it computes products (`isa` of the report); what it has no products of is
# widened to f32. AMX: as product stages run (docs/benchmarks.md).
PROCESSORS = {
    "fma": {"f32": 100e9, "bf16": 100e9, "bytes": 20e9},
    "half": {"f32": 100e9, "bf16": 100e9, "f16": 200e9, "bytes": 20e9},
    "dot": {"f32": 100e9, "bf16": 200e9, "bytes": 20e9},
    "amx": {"f32": 100e9, "bf16": 600e9, "bytes": 20e9},
}


def runs_here(target):
    return target in ("cpu", "native")


def rates(target):
    for name, figures in GPUS.items():
        if target.startswith(name):
            return figures
    if target.startswith("sm_"):
        raise ValueError(f"no rates are known for {target}: expected sm_80, sm_90 or a processor")
    return PROCESSORS[isa_of(target)]


def types_worth_trying(figures):
    """f32, and the fastest 16-bit type where it is faster."""
    half = max(("bf16", "f16"), key=lambda operands: figures.get(operands, 0.0))  # of equals bf16
    return (half, "f32") if figures[half] > figures["f32"] else ("f32",)


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
    types = types_worth_trying(figures) if options.dtype == "auto" else (options.dtype,)
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
