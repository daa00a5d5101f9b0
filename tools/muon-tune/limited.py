"""Tables made for the rounding: the widest reach that does not cancel.

A minimax row takes some singular value in [l, u] down to the lower end of its band, as a difference of large terms: for
a cubic that is u itself, so that a nearly rank-one matrix, all of its weight at u, comes out with few digits. Here a
row is the solution of a linear program: of all odd polynomials with p <= 1 on [l, u] and

    sum_i |c_i| x^(2i+1) <= limit * p(x)     for every x in [l, u]

(what is added up is at most `limit` times what comes out, so no more than log2(limit) bits are lost), the one with the
largest minimum. Rows follow each other as in greedy minimax: each is made for the image of the ones before. limit =
infinity is minimax.
"""

import functools

import numpy as np
from scipy.optimize import linprog

from muonc import _tuning as tuning

POINTS = 80  # per spacing; the band is computed exactly afterwards
ROOM = 1.004  # every row holds this far above its interval: bf16 lifts singular values by up to 2^-8


@functools.lru_cache(maxsize=4096)
def limited_row(ratio, degree, limit):
    """Coefficients for [ratio, 1], largest value 1; None where the limit leaves no polynomial."""
    count = (degree + 1) // 2
    even = ratio + (1 - ratio) * (0.5 - 0.5 * np.cos(np.pi * np.arange(POINTS) / (POINTS - 1)))
    points = np.unique(np.concatenate([np.geomspace(ratio, 1.0, POINTS), even, np.linspace(1, ROOM, 5)]))
    powers = points[:, None] ** (2 * np.arange(count) + 1)
    signs = (-1.0) ** np.arange(count)
    column = np.ones((len(points), 1))
    none = 0 * column
    # Variables: |c_i|, then the minimum.
    constraints = np.block([[-powers * signs, column], [powers * signs, none], [powers * (1 - limit * signs), none]])
    bounds = np.concatenate([np.zeros(len(points)), np.ones(len(points)), np.zeros(len(points))])
    solved = linprog(
        [0.0] * count + [-1.0],
        A_ub=constraints,
        b_ub=bounds,
        bounds=[(0, None)] * count + [(None, None)],
        method="highs",
    )
    if solved.status != 0 or solved.x[-1] <= 0:
        return None
    return tuple(solved.x[:-1] * signs)


def limited_table(floor, degrees, limit):
    """Rows for [floor, 1] and this list of degrees; None where there are none."""
    lower, upper, rows = floor, 1.0, []
    for degree in degrees:
        unit = limited_row(round(lower / upper, 12), degree, limit)
        if unit is None:
            return None
        row = [c / upper ** (2 * i + 1) for i, c in enumerate(unit)]
        while len(row) > 2 and abs(row[-1]) * upper ** (2 * len(row) - 1) < 1e-9:
            row.pop()  # the limit has made it a polynomial of lower degree
        image = tuning.compute_band([row], lower, upper)
        if not image[0] > 0:
            return None
        scale = 2 / (image[0] + image[1])
        rows.append([c * scale for c in row])
        lower, upper = image[0] * scale, image[1] * scale
    return rows
