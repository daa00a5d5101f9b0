"""Tunes one shape: proposes, verifies, times, and says what it did."""

import dataclasses
import json
import math
import sys
import time

import candidates as proposing
import models
from candidates import EQUAL_ERROR, Candidate, Problem
from muonc import _tuning as tuning
from muonc import program as programs
from outcome import describe
from spectra import F32_BAR, Judge
from stepping import Step, request_of
from tqdm import tqdm
from variants import BEST, has_own_tables, vary

VERIFIED_SIDE = 256  # candidates are verified up to this short side; the winner at its own shape
HARDEST = ("linear", "log 1e-2", "low rank + noise", "near rank one")  # there, on those spectra that decide
TIMING = 9.0  # seconds for the rounds of timing
VARIANT_TIMING = 4.0  # and for those of variants of the fastest
SCATTER = 1.02
TIMED_AGAIN = 1.25  # after two rounds, what is this much slower than the fastest is not timed again
WORTH_A_TYPE = 1.3  # an operand type is tried if the preset's program in it is at most this much slower than the fastest


def understand(options, shape, like, floor, band, norms, schatten4):
    """The Problem: the preset's table and the band as the compiler sees them. schatten4: the recorded floor under that norm, or 0."""
    query = {"floor": floor, "database": options.database + ".none"}
    if band:
        query["band"] = list(band)
    if not models.runs_here(options.target):  # the compiler refuses a target it does not know
        programs.compile_text(request_of((8, 8), like, {}, options.dtype, options.target), "header")
    request = {**request_of(shape, like, {}, options.dtype), "tuned": query}
    answered = json.loads(programs._compiler().resolve_tuned(json.dumps(request)))["groups"][0]
    if "floor" not in answered:
        raise ValueError(answered["tuned_by"].removeprefix("none: "))
    key = {**answered, "rows": shape[0], "columns": shape[1], "compiler": tuning.compiler(), "schatten4": schatten4}
    floors = {norm: tuning.floor_under(key, norm) for norm in norms}
    return Problem(shape, floor, (answered["lower"], answered["upper"]), like, answered["own"], floors=floors)


def reduced(shape):
    """The shape candidates are verified at: the same proportions, at most VERIFIED_SIDE on the short side."""
    short = min(shape)
    if short <= VERIFIED_SIDE:
        return shape
    return tuple(max(1, round(side * VERIFIED_SIDE / short)) for side in shape)


class Tuning:
    """One shape's tuning on this machine."""

    def __init__(self, options, problem, recorded):
        self.options, self.problem, self.recorded = options, problem, recorded
        self.bar = tqdm(total=None, disable=not sys.stderr.isatty(), unit="step", leave=False)
        self.judges, self.limits, self.steps = {}, {}, {}

    def judge(self, shape):
        if shape not in self.judges:
            names = None if max(shape) <= 4 * VERIFIED_SIDE else HARDEST
            self.judges[shape] = Judge(shape, self.problem.floor, self.recorded, names)
        return self.judges[shape]

    def step(self, candidate, shape):
        key = json.dumps(candidate.plan()), shape
        if key not in self.steps:
            self.steps[key] = Step(shape, self.problem.preset, candidate.plan(), candidate.operands, self.options.workers)
            self.bar.update()
        return self.steps[key]

    def measure_band(self, candidate, shape):
        """Runs the compiled program over the zoo."""
        self.bar.set_description(f"verifying {candidate.name}")
        found = self.judge(shape).judge(self.step(candidate, shape).orthogonalize, candidate.rows, candidate.norm, candidate.floor)
        candidate.error, candidate.spectrum = found["error"], found["spectrum"]
        candidate.measured = (found["lower"], found["upper"])
        self.bar.update()

    def baseline(self, operands):
        """The preset's own program in this operand type, in the form the compiler chooses for it."""
        problem = self.problem
        asked = Step(problem.shape, problem.preset, {}, operands, self.options.workers)
        form, restarts = asked.choices()
        flops = proposing.count(problem, problem.own_rows, form, restarts)
        emulated = tuning.emulate(problem.own_rows, form, restarts, operands)["error"]
        made = Candidate(f"preset {problem.preset}", problem.own_rows, form, restarts, operands, flops,
                         tuning.compute_band(problem.own_rows, problem.floor), emulated, floor=problem.floor)
        made.seconds = asked.seconds()
        return made

    def limit(self, baseline, shape):
        """Error limit and largest singular value: the preset's own program's in the same operand type."""
        key = baseline.operands, shape
        if key not in self.limits:
            own = dataclasses.replace(baseline)
            self.measure_band(own, shape)
            error = EQUAL_ERROR * own.error
            if baseline.operands == "f32":
                error = max(error, F32_BAR)
            self.limits[key] = (self.options.error or error, 1.005 * own.measured[1])  # power iteration is not exact
        return self.limits[key]

    def verdict(self, candidate, baseline, shape):
        """"verified", or why not."""
        error, largest = self.limit(baseline, shape)
        low, high = tuning.widen_band(*self.problem.band, candidate.operands, len(candidate.rows))
        if not candidate.error <= error:
            why = "; aol takes the polar factor of D G, not of G" if candidate.norm == "aol" else ""
            return f"error above {error:.2g} ({candidate.spectrum}){why}"
        if candidate.measured[0] < low:
            return f"measured below {low:.3f}"
        if candidate.measured[1] > max(high, largest):
            return f"measured above {max(high, largest):.3f}"
        return "verified"

    def verify(self, candidate, baseline, shape):
        self.measure_band(candidate, shape)
        candidate.verdict = self.verdict(candidate, baseline, shape)
        return candidate.verdict == "verified"

    def measure(self, contenders, limit=TIMING):
        """Interleaved rounds in rotating order; the best of each: what else runs on the machine only adds."""
        times = [[] for _ in contenders]
        alive = list(range(len(contenders)))
        start = time.perf_counter()
        for index in range(self.options.rounds):
            if index > 1 and time.perf_counter() - start > limit:
                break
            self.bar.set_description(f"timing {len(alive)}")
            shift = index % len(alive)
            for which in alive[shift:] + alive[:shift]:
                times[which].append(self.step(contenders[which], self.problem.shape).seconds())
                self.bar.update()
            if index == 1:
                least = min(min(values) for values in times)
                alive = [i for i in alive if i == 0 or min(times[i]) <= TIMED_AGAIN * least]
        for candidate, values in zip(contenders, times):
            candidate.seconds = min([*values, *([] if math.isnan(candidate.seconds) else [candidate.seconds])])

    def time_variants(self, baseline, timed, baselines):
        """Variants of the fastest, as many as two rounds have time for, verified and timed beside it."""
        best = sorted((c for c in timed if not math.isnan(c.seconds)), key=lambda c: c.seconds)
        made = list(vary(self.problem, best, lambda candidate: self.step(candidate, self.problem.shape).tiles()))
        made = made[: max(0, int(VARIANT_TIMING / 2 / baseline.seconds) - 2)]
        good = [c for c in made if self.verify(c, baselines[c.operands], reduced(self.problem.shape))]
        if good:
            self.measure([baseline, *[c for c in best[:BEST] if c is not baseline], *good], VARIANT_TIMING)
        return made

    def choose(self, contenders, baseline):
        """The fastest that is verified at its own shape too, and a line about that."""
        shape = self.problem.shape
        for candidate in sorted((c for c in contenders if not math.isnan(c.seconds)), key=weighed):
            if reduced(shape) == shape:
                return candidate, f"Verified at {shape[0]}x{shape[1]}."
            if self.verify(candidate, baseline[candidate.operands], shape):
                error, _ = self.limit(baseline[candidate.operands], shape)
                small = "x".join(str(side) for side in reduced(shape))
                return candidate, (f"Verified at {small}; the winner at {shape[0]}x{shape[1]} too: error {candidate.error:.2g}, at most "
                                   f"{error:.2g}, band {candidate.measured[0]:.3f}..{candidate.measured[1]:.3f}.")
        return None, ""

    def affordable(self, contenders, baseline):
        """As many of the cheapest as two rounds have time for."""
        most = max(3, int(TIMING / 2 / baseline.seconds))
        return sorted(contenders, key=lambda c: c.flops)[:most]


def weighed(candidate):
    """Its time; what varies a norm or a block has to gain more than timing scatters."""
    plain = candidate.norm == "frobenius" and not candidate.tile
    return candidate.seconds * (1 if plain else SCATTER)


def operand_types(options, work):
    """The preset's programs by operand type, those that are worth trying."""
    types = ("f32", "bf16") if options.dtype == "auto" else (options.dtype,)
    baselines = {operands: work.baseline(operands) for operands in types}
    least = min(made.seconds for made in baselines.values())
    return {operands: made for operands, made in baselines.items() if made.seconds <= WORTH_A_TYPE * least}


def refuse_by_band(problem, tables):
    """Splits tables given by hand into those in the band and refusals."""
    good, refused = [], []
    for name, rows in tables:
        outside = tuning.check_domain(rows, 1.0, name) or tuning.check_band(rows, *problem.band, problem.floor, name)
        (refused if outside else good).append((name, rows) if not outside else f"refused: {outside}")
    return good, refused


def gather(options, problem, work, baselines, by_hand):
    """The candidates worth compiling, over all operand types and norms that need tables of their own."""
    found = []
    for operands, baseline in baselines.items():
        limit = proposing.error_limit(problem, baseline, options.error)
        work.bar.set_description(f"emulating tables in {operands}")
        flops = baseline.flops if options.band is None else math.inf  # a band of one's own may cost more than the preset's
        for norm in problem.floors:
            if norm == "frobenius" or has_own_tables(problem, norm):
                tables = proposing.proposals(problem.under(norm), operands, flops, limit, options.candidates)
                found += proposing.propose(problem.under(norm), operands, tables, limit, work.bar.update)
        found += [c for c in proposing.propose(problem, operands, by_hand, math.inf, work.bar.update) if c.form == "standard"]
    named = {name for name, _ in by_hand}
    ranked = [c for norm in problem.floors
              for c in proposing.rank([c for c in found if c.name not in named and c.norm == norm], options.candidates)]
    return ranked + [c for c in found if c.name in named]


def tune(options, shape, like, floor, band, by_hand, norms, recording=None):
    """{"problem", "winner", "baseline", "candidates", "text", "modelled"}. recording: of the layers that are tuned for (recorded.py)."""
    problem = understand(options, shape, like, floor, band, norms, recording.schatten4 if recording else 0.0)
    good, refused = refuse_by_band(problem, by_hand)
    if not models.runs_here(options.target):
        return models.tune(options, problem, good, refused)
    work = Tuning(options, problem, recording.spectra if recording else ())
    baselines = operand_types(options, work)
    verified_at = reduced(shape)
    contenders = [c for c in gather(options, problem, work, baselines, good)]
    own = [made for made in baselines.values() if not tuning.check_band(made.rows, *problem.band, floor)]
    passed = [c for c in contenders if work.verify(c, baselines[c.operands], verified_at)]
    for made in baselines.values():
        work.verify(made, made, verified_at)
    baseline = min(baselines.values(), key=lambda made: made.seconds)
    work.measure([baseline, *[made for made in own if made is not baseline], *work.affordable(passed, baseline)])
    passed += [made for made in own if made.verdict == "verified"]
    variants = work.time_variants(baseline, passed, baselines)
    winner, where = work.choose(passed + [c for c in variants if c.verdict == "verified"], baselines)
    work.bar.close()
    everyone = sorted([*baselines.values(), *contenders, *variants], key=lambda c: (math.isnan(c.seconds), c.seconds, c.flops))
    return {"problem": problem, "winner": winner, "baseline": baseline, "candidates": everyone, "modelled": False,
            "text": describe(problem, everyone, winner, baseline, [*refused, where], options)}
