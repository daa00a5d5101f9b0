"""Further candidates, made of the fastest ones: norms that need no other table, and blocks of the products."""

import dataclasses
import math

BEST = 1  # candidates that are varied
# Side of a product's block and elements of k at a time (0: as the compiler chooses), "tile" of
# include/muon-c/Compiler.h.
TILES = ((256, 0), (128, 0), (128, 512), (64, 0))
SAME = 0.01  # floors this close need no tables of their own


def has_own_tables(problem, norm):
    """Whether tables for this norm are made for another interval than those for the Frobenius norm."""
    return abs(problem.floors[norm] / problem.floor - 1) > SAME


def fresh(candidate, **changes):
    """The candidate with something changed and nothing measured."""
    return dataclasses.replace(
        candidate,
        error=math.nan,
        spectrum="",
        measured=(math.nan, math.nan),
        seconds=math.nan,
        verdict="",
        miss=math.nan,
        **changes,
    )


def vary(problem, best, chosen):
    """Candidates like the best few: under the other norms that were asked for, and with other blocks than the chosen
    ones.
    """
    norms = [norm for norm in problem.floors if not has_own_tables(problem, norm)]
    for candidate in best[:BEST]:
        for norm in norms:
            if norm != candidate.norm and candidate.norm == "frobenius":
                yield fresh(candidate, norm=norm, floor=problem.floors[norm])
        for tile in TILES:
            if tile[0] <= min(problem.shape) and tile[1] < max(problem.shape) and {tile} != chosen(candidate):
                yield dataclasses.replace(
                    candidate, tile=tile, seconds=math.nan
                )  # a block changes no bit of what was verified
