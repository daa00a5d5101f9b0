"""Time by a model, for targets that are not this machine. An entry made by it is marked `modelled`."""

import math

import candidates as proposing
from muonc import _tuning as tuning
from outcome import describe

# Matrix rates by operand type in flop/s and memory in byte/s: data sheets of A100 and H100, dense, and a core pair of a server
# processor. Only ratios matter: the model ranks.
RATES = {
    "sm_80": {"bf16": 312e12, "f16": 312e12, "f32": 19.5e12, "bytes": 1.55e12},
    "sm_90": {"bf16": 989e12, "f16": 989e12, "f32": 67e12, "bytes": 3.35e12},
    "cpu": {"bf16": 200e9, "f16": 200e9, "f32": 100e9, "bytes": 20e9},
}


def runs_here(target):
    return target in ("cpu", "native")


def rates(target):
    for name, figures in RATES.items():
        if target.startswith(name):
            return figures
    return RATES["cpu"]


def seconds(problem, rows, form, restarts, operands, figures):
    """Flops at the product rate plus every product's operands and result once through memory."""
    short, long = problem.sides
    word = 4 if operands == "f32" else 2
    products = proposing.count(problem, rows, form, restarts)
    # A product of an n x n with an n x m matrix moves n^2 + 2nm words for 2 n^2 m flops.
    moved = word * products * (short + 2 * long) / (2 * short * long)
    return products / figures[operands] + moved / figures["bytes"]


def own_program(problem, operands):
    """The preset's table in the cheapest form that rounds no worse than the standard one."""
    rows = problem.own_rows
    limit = max(proposing.EQUAL_ERROR * tuning.emulate(rows, "standard", [], operands)["error"], proposing.F32_BAR)
    form, restarts, emulated = min(proposing.forms(problem, rows, operands, limit),
                                   key=lambda found: proposing.count(problem, rows, *found[:2]))
    return proposing.Candidate(f"preset {problem.preset}", rows, form, restarts, operands, proposing.count(problem, rows, form, restarts),
                               tuning.compute_band(rows, problem.floor), emulated)


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
        tables = [*proposing.proposals(problem, operands, flops, limit, options.candidates), *by_hand]
        found += proposing.propose(problem, operands, tables, limit, lambda: None)
    for candidate in [*baselines, *found]:
        candidate.seconds = seconds(problem, candidate.rows, candidate.form, candidate.restarts, candidate.operands, figures)
        candidate.verdict = "modelled"
    baseline = min(baselines, key=lambda c: c.seconds)
    everyone = sorted([*baselines, *proposing.rank(found, options.candidates)], key=lambda c: (c.seconds, c.emulated))
    winner = next((c for c in everyone if not tuning.check_band(c.rows, *problem.band, problem.floor)), None)
    if winner is not None and not math.isfinite(winner.emulated):
        winner = None
    text = describe(problem, everyone, winner, baseline, refused, options)
    return {"problem": problem, "winner": winner, "baseline": baseline, "candidates": everyone, "modelled": True,
            "text": text + "\nTimes are the model's; bands and errors are of the table and of emulation."}
