"""Tunes one shape: proposes, verifies, times, and says what it did."""

import dataclasses
import json
import math
import sys
import time

from outcome import about_nearest, describe, lifted
from tqdm import tqdm
from variants import BEST, has_own_tables, vary

import candidates as proposing
import models
from candidates import EMULATED_AGAIN, Candidate, Problem
from muonc import _tuning as tuning
from muonc import program as programs
from spectra import F32_GRAM_BAR, Judge
from stepping import Step, isa_of, request_of

VERIFIED_SIDE = 256  # candidates are verified up to this short side; the winner at its own shape
HARDEST = ("linear", "log 1e-2", "low rank + noise", "near rank one")  # there, on those spectra that decide
TIMING = 9.0  # seconds for the rounds of timing
VARIANT_TIMING = 4.0  # and for those of variants of the fastest
SCATTER = 1.02
HALVES = ("bf16", "f16")
ENOUGH = 3  # verified candidates; while there are fewer, more are compiled, up to as many times --candidates
BATCHES = 3
TIMED_AGAIN = 1.25  # after two rounds, what is this much slower than the fastest is not timed again
WORTH_A_TYPE = (
    1.3  # an operand type is tried if the preset's program in it is at most this much slower than the fastest
)


def understand(options, shape, like, floor, band, norms, schatten4):
    """The Problem: the preset's table and the band as the compiler sees them. schatten4: the recorded floor under that
    norm, or 0.
    """
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
    return Problem(
        shape,
        floor,
        (answered["lower"], answered["upper"]),
        like,
        answered["own"],
        floors=floors,
        processor=not options.target.startswith("sm_"),
    )


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
        self.compilers = proposing.pool()

    def judge(self, shape):
        if shape not in self.judges:
            names = None if max(shape) <= 4 * VERIFIED_SIDE else HARDEST
            self.judges[shape] = Judge(shape, self.problem.floor, self.recorded, names)
        return self.judges[shape]

    def prepare(self, contenders, shape):
        """Compiles them beside each other and beside what comes next."""
        for candidate in contenders:
            key = json.dumps(candidate.plan()), shape
            if key not in self.steps:
                self.steps[key] = self.compilers.submit(
                    Step, shape, self.problem.preset, candidate.plan(), candidate.operands, self.options.workers
                )
                self.steps[key].add_done_callback(lambda _: self.bar.update())

    def step(self, candidate, shape):
        self.prepare([candidate], shape)
        return self.steps[json.dumps(candidate.plan()), shape].result()

    def measure_band(self, candidate, shape, most=math.inf):
        """Runs the compiled program over the zoo, or until an error is above `most`."""
        self.bar.set_description(f"verifying {candidate.name}")
        found = self.judge(shape).judge(
            self.step(candidate, shape).orthogonalize, candidate.rows, candidate.norm, candidate.floor, most
        )
        candidate.error, candidate.spectrum = found["error"], found["spectrum"]
        candidate.measured = (found["lower"], found["upper"])
        self.bar.update()

    def baseline(self, operands):
        """The preset's own program in this operand type, in the form the compiler chooses for it."""
        problem = self.problem
        asked = Step(problem.shape, problem.preset, {}, operands, self.options.workers)
        form, restarts = asked.choices()
        flops = proposing.count(problem, problem.own_rows, form, restarts, operands)
        emulated = tuning.emulate(problem.own_rows, form, restarts, problem.arithmetic(operands))["error"]
        made = Candidate(
            f"preset {problem.preset}",
            problem.own_rows,
            form,
            restarts,
            operands,
            flops,
            tuning.compute_band(problem.own_rows, problem.floor),
            emulated,
            floor=problem.floor,
        )
        made.seconds = asked.seconds()
        return made

    def limit(self, baseline, shape):
        """Error limit and largest singular value: the preset's own program's in the same operand type."""
        key = baseline.operands, shape
        if key not in self.limits:
            own = dataclasses.replace(baseline)
            self.measure_band(own, shape)
            error = proposing.allowed(self.problem, baseline.operands, own.error)
            self.limits[key] = (self.options.error or error, 1.005 * own.measured[1])  # power iteration is not exact
        return self.limits[key]

    def verdict(self, candidate, baseline, shape):
        """ "verified", or why not."""
        error, largest = self.limit(baseline, shape)
        low, high = tuning.widen_band(*self.problem.band, candidate.operands, len(candidate.rows))
        high = max(high, largest)
        candidate.miss = max(
            candidate.error / error, low / max(candidate.measured[0], 1e-9), candidate.measured[1] / high
        )
        if not candidate.error <= error:
            why = "; aol takes the polar factor of D G, not of G" if candidate.norm == "aol" else ""
            return f"error above {error:.2g} ({candidate.spectrum}){why}"
        if candidate.measured[0] < low:
            return f"measured below {low:.3f}"
        if candidate.measured[1] > high:
            return f"measured above {high:.3f}"
        return "verified"

    def verify(self, candidate, baseline, shape):
        self.measure_band(candidate, shape, self.limit(baseline, shape)[0] if shape != reduced(shape) else math.inf)
        candidate.verdict = self.verdict(candidate, baseline, shape)
        return candidate.verdict == "verified"

    def verify_enough(self, batches, baselines):
        """(those compiled, those of them that are verified): batch after batch until enough are."""
        tried, passed, shape = [], [], reduced(self.problem.shape)
        for batch in batches:
            self.prepare(batch, shape)
            tried += batch
            for candidate in batch:
                if self.verify(candidate, baselines[candidate.operands], shape):
                    passed.append(candidate)
                    if len(passed) <= self.affordable(baselines.values()):
                        self.prepare([candidate], self.problem.shape)
            if len(passed) >= min(ENOUGH, self.options.candidates):
                break
        return tried, passed

    def measure(self, contenders, limit=TIMING):
        """Interleaved rounds in rotating order; the best of each: what else runs on the machine only adds."""
        self.prepare(contenders, self.problem.shape)
        for candidate in contenders:
            self.step(candidate, self.problem.shape)  # nothing compiles while something is timed
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
        """Variants of the fastest, as many as two rounds have time for, verified and timed beside it.

        A block changes no bit of the result, so it is verified only where it wins, at its own shape.
        """
        best = sorted((c for c in timed if not math.isnan(c.seconds)), key=lambda c: c.seconds)
        made = list(vary(self.problem, best, lambda candidate: self.step(candidate, self.problem.shape).tiles()))
        made = made[: max(0, int(VARIANT_TIMING / 2 / baseline.seconds) - 2)]
        self.prepare(made, self.problem.shape)
        good = [
            c
            for c in made
            if c.verdict == "verified" or self.verify(c, baselines[c.operands], reduced(self.problem.shape))
        ]
        if good:
            self.measure([baseline, *[c for c in best[:BEST] if c is not baseline], *good], VARIANT_TIMING)
        return made

    def choose(self, contenders, baseline):
        """The fastest that is verified at its own shape too, and a line about that."""
        shape = self.problem.shape
        for candidate in sorted((c for c in contenders if not math.isnan(c.seconds)), key=weighed):
            if reduced(shape) == shape and not candidate.tile:
                return candidate, f"Verified at {shape[0]}x{shape[1]}."
            if self.verify(candidate, baseline[candidate.operands], shape):
                error, _ = self.limit(baseline[candidate.operands], shape)
                if reduced(shape) == shape:
                    return candidate, f"Verified at {shape[0]}x{shape[1]}."
                small = "x".join(str(side) for side in reduced(shape))
                return candidate, (
                    f"Verified at {small}; the winner at {shape[0]}x{shape[1]} too: error {candidate.error:.2g}, at most "
                    f"{error:.2g}, band {candidate.measured[0]:.3f}..{candidate.measured[1]:.3f}."
                )
        return None, ""

    def affordable(self, baselines):
        """How many candidates two rounds of timing have time for."""
        return max(3, int(TIMING / 2 / min(made.seconds for made in baselines)))


def weighed(candidate):
    """Its time; what varies a norm or a block has to gain more than timing scatters."""
    plain = candidate.norm == "frobenius" and not candidate.tile
    return candidate.seconds * (1 if plain else SCATTER)


def fastest_half(options):
    """The 16-bit type whose products are fastest on this machine."""
    return "f16" if isa_of(options.target) == "half" else "bf16"


def operand_types(work, types):
    """The preset's programs by operand type, those that are worth trying."""
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


def gather(work, baselines, by_hand):
    """Candidates in the batches they are compiled in, the cheapest first, of all operand types and norms that need
    tables of their own.
    """
    options, problem, most = work.options, work.problem, work.options.candidates
    found = {norm: [] for norm in problem.floors}
    named = []
    for operands, baseline in baselines.items():
        limit = proposing.error_limit(problem, baseline, options.error)
        work.bar.set_description(f"emulating tables in {operands}")
        flops = (
            baseline.flops if options.band is None else math.inf
        )  # a band of one's own may cost more than the preset's
        for norm in found:
            if norm == "frobenius" or has_own_tables(problem, norm):
                tables = proposing.proposals(problem.under(norm), operands, flops, limit, most)
                found[norm] += proposing.propose(problem.under(norm), operands, tables, limit, work.bar.update)
        cheapest = (
            proposing.rank([c for c in found["frobenius"] if c.operands == operands]) if "frobenius" in found else []
        )
        proposing.examine(problem, baseline, cheapest[: EMULATED_AGAIN * most], options.error)
        named += [
            c for c in proposing.propose(problem, operands, by_hand, math.inf, work.bar.update) if c.form == "standard"
        ]
    ranked = [proposing.rank(of_norm) for of_norm in found.values()]
    batches = [[c for of_norm in ranked for c in of_norm[i * most : (i + 1) * most]] for i in range(BATCHES)]
    return [batches[0] + named, *batches[1:]]


@dataclasses.dataclass
class Search:
    """What became of one search over some operand types."""

    baseline: Candidate
    everyone: list
    winner: Candidate = None
    where: str = ""


def search(work, types, by_hand):
    """The fastest verified candidate with operands of these types."""
    problem = work.problem
    baselines = operand_types(work, types)
    tried, passed = work.verify_enough(gather(work, baselines, by_hand), baselines)
    for made in baselines.values():
        work.verify(made, made, reduced(problem.shape))
    own = [made for made in baselines.values() if not tuning.check_band(made.rows, *problem.band, problem.floor)]
    baseline = min(baselines.values(), key=lambda made: made.seconds)
    cheapest = sorted(passed, key=lambda c: c.flops)[: work.affordable([baseline])]
    work.measure([baseline, *[made for made in own if made is not baseline], *cheapest])
    passed += [made for made in own if made.verdict == "verified"]
    variants = work.time_variants(baseline, passed, baselines)
    winner, where = work.choose(passed + [c for c in variants if c.verdict == "verified"], baselines)
    return Search(baseline, [*baselines.values(), *tried, *variants], winner, where)


def tune(options, shape, like, floor, band, by_hand, norms, recording=None):
    """{"problem", "winner", "baseline", "candidates", "text", "modelled", "nearest"}.

    recording: of the layers that are tuned for (recorded.py).
    """
    problem = understand(options, shape, like, floor, band, norms, recording.schatten4 if recording else 0.0)
    good, refused = refuse_by_band(problem, by_hand)
    if not models.runs_here(options.target):
        return models.tune(options, problem, good, refused)
    work = Tuning(options, problem, recording.spectra if recording else ())
    found = search(work, ("f32", fastest_half(options)) if options.dtype == "auto" else (options.dtype,), good)
    notes = [*refused, *lifted(problem, options)]
    if found.winner is None and options.dtype in HALVES:
        # Operands are part of the answer: what the asked type cannot carry, f32 may, and rounding a thousandth as much
        # it need not round as little as the preset does in f32.
        notes.append(
            f"No program with {options.dtype} operands is verified, so those with f32 operands joined, with an error of at most "
            f"{options.error or F32_GRAM_BAR:g}. {about_nearest(found.everyone)}"
        )
        work.problem = dataclasses.replace(problem, f32_bar=F32_GRAM_BAR)
        wider = search(work, ("f32",), good)
        found = Search(found.baseline, found.everyone + wider.everyone, wider.winner, wider.where)
    work.bar.close()
    everyone = sorted(found.everyone, key=lambda c: (math.isnan(c.seconds), c.seconds, c.flops))
    return {
        "problem": problem,
        "winner": found.winner,
        "baseline": found.baseline,
        "candidates": everyone,
        "modelled": False,
        "nearest": about_nearest(everyone),
        "text": describe(problem, everyone, found.winner, found.baseline, [*notes, found.where], options),
    }
