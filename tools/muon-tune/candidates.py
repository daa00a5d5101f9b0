"""Which tables, forms and restarts are worth compiling: proven in the band, emulated, ranked by the model."""

import concurrent.futures
import dataclasses
import functools
import math
import os

from muonc import _tuning as tuning
from spectra import F32_BAR

# Safety and cushion of generated tables: plain minimax, then room above 1 for operands that narrowing lifts.
VARIANTS = ((1.0, 0.0), (1.01, 0.0), (1.03, 0.0), (1.01, 0.1))
# Of tables made for the rounding (limited.py), from the loosest to the tightest; as many lists of degrees are tried per
# candidate.
LIMITS = (1000, 500, 250, 100, 50)
LISTS_PER_CANDIDATE = 4
LEAST_LIMITS = 2  # the tightest limits that leave a table in the band, per list
# Lists whose minimax table misses the error by more than this factor are not tried.
HOPELESS = 12.0
SEARCHED = 96
EMULATED = (64, 128)  # the matrices of an emulation
PER_CANDIDATE = 2  # tables that pass the emulation, per candidate that will be compiled
CHUNK = 16
EQUAL_ERROR = 1.05  # errors of one recurrence on matrices of two sizes differ by about this much
# As many of the cheapest per one that is compiled are emulated once more, on larger matrices; what misses there by more
# than LARGER_ROOM is compiled last.
LARGER = (128, 256)
LARGER_ROOM = 1.1
EMULATED_AGAIN = 3


@dataclasses.dataclass
class Candidate:
    name: str
    rows: list
    form: str
    restarts: list
    operands: str
    flops: float
    predicted: tuple  # band of the table on [floor, 1]
    emulated: float  # relative error over the zoo, by emulation
    norm: str = "frobenius"
    floor: float = 0.0  # where the table begins: the request's, under this norm
    tile: tuple = ()  # of every product's block; empty: the compiler's
    error: float = math.nan  # the compiled program's
    spectrum: str = ""
    measured: tuple = (math.nan, math.nan)
    seconds: float = math.nan
    verdict: str = ""
    doubtful: bool = False  # emulation on larger matrices misses what is asked
    miss: float = (
        math.nan
    )  # what is asked by what was measured, the worst of error and both ends of the band: above 1, not verified

    @property
    def degrees(self):
        return [2 * len(row) - 1 for row in self.rows]

    def plan(self):
        """Options of the step function."""
        plan = {"table": self.rows, "form": self.form, "safety": 1.0, "operands": self.operands}
        if self.form == "gram":
            plan["restarts"] = self.restarts
        if self.norm != "frobenius":
            plan["norm"] = self.norm
        if self.tile:
            plan["tile"] = list(self.tile)
        return plan

    def form_words(self):
        """Form and restarts as people write them: standard, gram, gram 3+2."""
        if self.form == "standard" or not self.restarts:
            return self.form
        ends = [0, *self.restarts, len(self.rows)]
        return f"gram {'+'.join(str(b - a) for a, b in zip(ends, ends[1:]))}"

    def words(self):
        """What distinguishes it beside its table: standard; gram 3+2, norm trace, tile 256x512."""
        norm = "" if self.norm == "frobenius" else f", norm {self.norm}"
        tile = f", tile {'x'.join(str(size) for size in self.tile if size)}" if self.tile else ""
        return self.form_words() + norm + tile

    def facts(self):
        """For the database: JSON values."""
        facts = dataclasses.asdict(self)
        finite = {
            key: value for key, value in facts.items() if not (isinstance(value, float) and not math.isfinite(value))
        }
        finite["degrees"] = self.degrees
        finite["measured"] = [value for value in self.measured if math.isfinite(value)]
        return finite


@dataclasses.dataclass
class Problem:
    """One shape and what is asked of it."""

    shape: tuple
    floor: float
    band: tuple
    preset: str
    own_rows: list  # the preset's table
    norm: str = "frobenius"
    processor: bool = True  # whether the target is one, whose sums of f16 are f16
    floors: dict = dataclasses.field(default_factory=dict)  # norm: where a table with it has to begin
    f32_bar: float = F32_BAR  # the error f32 operands may have whatever the preset's is

    def under(self, norm):
        """The same request as tables with this norm see it."""
        return dataclasses.replace(self, floor=self.floors.get(norm, self.floor), norm=norm)

    def arithmetic(self, operands):
        """What the emulation calls products of these operands there."""
        return "f16 sums" if operands == "f16" and self.processor else operands

    @property
    def sides(self):
        return float(min(self.shape)), float(max(self.shape))

    @property
    def lift(self):
        """How much more a table in the band has to amplify the rounding of X than the preset's does: by its slope at
        zero, and what takes the floor to the band's lower end has a slope of lower / floor somewhere below it. 1 for
        the preset's own band.
        """
        return max(1.0, self.band[0] / (self.floor * math.prod(row[0] for row in self.own_rows)))


def count(problem, rows, form, restarts, operands):
    return tuning.count_products(rows, form, restarts, problem.arithmetic(operands), *problem.sides)


def allowed(problem, operands, error):
    """The error a candidate may have where the preset's program has this one."""
    own = EQUAL_ERROR * error
    return max(own, problem.f32_bar) if operands == "f32" else own * problem.lift


def error_limit(problem, baseline, asked=None, size=EMULATED):
    """What a candidate's emulated error may be: asked for, or not above the preset's, in the standard form or its own."""
    if asked is not None:
        return asked
    forms = (("standard", []), (baseline.form, baseline.restarts))
    return allowed(
        problem,
        baseline.operands,
        max(
            tuning.emulate(problem.own_rows, *form, problem.arithmetic(baseline.operands), *size)["error"]
            for form in forms
        ),
    )


@functools.cache
def generated(floor, band, sides, flops):
    """(name, rows) of minimax tables in the band that cost no more than `flops`."""
    return [
        table
        for safety, cushion in VARIANTS
        for table in tuning.search_tables(floor, *band, *sides, flops, safety, cushion, SEARCHED)
    ]


def limited(problem, lists):
    """(name, rows) of tables with a limit on what cancels, for lists of degrees whose minimax table is in the band.

    A smaller limit leaves a wider band, so each list is followed down to the smallest that is still inside.
    """
    from limited import limited_table

    for degrees in lists:
        found = []
        for limit in LIMITS:
            rows = limited_table(problem.floor, degrees, float(limit))
            _, scaled = tuning.scale_into_band(rows, problem.floor, *problem.band) if rows else ("", [])
            if not scaled or tuning.check_domain(scaled, 1.0):
                break
            found.append((f"limited({problem.floor:g}; {','.join(map(str, degrees))}; {limit})", scaled))
        yield from found[-LEAST_LIMITS:]


def cheaper_form(problem, rows, operands):
    return min(count(problem, rows, form, [], operands) for form in ("standard", "gram"))


def pool():
    return concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0)))


def proposals(problem, operands, flops, limit, most):
    """(name, rows) of tables worth a search for their form, in the band and not dearer than `flops`, the cheapest
    first.

    Emulated in the standard form until there are enough for `most` candidates.
    """
    tables = sorted(
        generated(problem.floor, problem.band, problem.sides, flops),
        key=lambda table: cheaper_form(problem, table[1], operands),
    )
    kept, lists, enough = [], {}, LISTS_PER_CANDIDATE * most
    with pool() as workers:
        for start in range(0, len(tables), CHUNK):
            chunk = tables[start : start + CHUNK]
            errors = workers.map(
                lambda table: tuning.emulate(table[1], "standard", [], problem.arithmetic(operands))["error"], chunk
            )
            for table, error in zip(chunk, errors):
                if error <= HOPELESS * limit:
                    lists.setdefault(tuple(2 * len(row) - 1 for row in table[1]))
                if error <= limit:
                    kept.append(table)
            if len(kept) >= PER_CANDIDATE * most and len(lists) >= enough:
                break
    return [*kept, *limited(problem, list(lists)[:enough]), *published(problem, operands, flops)]


def published(problem, operands, flops):
    """(name, rows) of published tables, scaled into the band where they fit."""
    for name in tuning.table_names():
        _, rows = tuning.published_table(name)
        if (
            cheaper_form(problem, rows, operands) <= flops
            and rows != problem.own_rows
            and not tuning.check_domain(rows, 1.0, name)
        ):
            _, scaled = tuning.scale_into_band(rows, problem.floor, *problem.band)
            if scaled:
                yield name, scaled


def forms(problem, rows, operands, limit):
    """(form, restarts, emulated error) that keep the limit: standard, and gram where it is cheaper."""
    arithmetic = problem.arithmetic(operands)
    emulation = tuning.emulate(rows, "standard", [], arithmetic)
    if emulation["error"] > limit:
        return
    yield "standard", [], emulation["error"]
    standard = count(problem, rows, "standard", [], operands)
    if count(problem, rows, "gram", [], operands) >= standard:
        return
    restarts = tuning.search_restarts(rows, arithmetic, limit)
    if restarts is not None and count(problem, rows, "gram", restarts, operands) < standard:
        yield "gram", restarts, tuning.emulate(rows, "gram", restarts, arithmetic)["error"]


def propose(problem, operands, tables, limit, bar):
    """Candidates of one operand type whose emulation keeps the limit. tables: (name, rows); bar: called per table."""

    def examine(table):
        name, rows = table
        found = [
            Candidate(
                name,
                rows,
                form,
                restarts,
                operands,
                count(problem, rows, form, restarts, operands),
                tuning.compute_band(rows, problem.floor),
                error,
                problem.norm,
                problem.floor,
            )
            for form, restarts, error in forms(problem, rows, operands, limit)
        ]
        bar()
        return found

    with pool() as workers:
        return [candidate for found in workers.map(examine, tables) for candidate in found]


def rank(candidates):
    """The cheapest by the model first, the doubtful ones last, one per list of degrees, form and operand type: the one
    of the smallest emulated error.
    """
    best = {}
    for candidate in candidates:
        key = tuple(candidate.degrees), candidate.words(), candidate.operands, candidate.norm
        if key not in best or candidate.emulated < best[key].emulated:
            best[key] = candidate
    return sorted(best.values(), key=lambda c: (c.doubtful, c.flops, c.emulated))


def examine(problem, baseline, candidates, asked=None):
    """Marks candidates of one operand type that miss on larger matrices what is asked: they are compiled last.

    Rounding there is less beside the floor than on the small matrices of propose, but a table may lose a singular value
    on the ones that it keeps on the others.
    """
    limit = LARGER_ROOM * error_limit(problem, baseline, asked, LARGER)

    def misses(candidate):
        arithmetic = problem.arithmetic(candidate.operands)
        found = tuning.emulate(candidate.rows, candidate.form, candidate.restarts, arithmetic, *LARGER, problem.floor)
        low, high = tuning.widen_band(*problem.band, arithmetic, len(candidate.rows))
        return found["error"] > limit or found["lower"] < low / LARGER_ROOM or found["upper"] > high * LARGER_ROOM

    with pool() as workers:
        for candidate, missed in zip(candidates, workers.map(misses, candidates)):
            candidate.doubtful = missed
