"""Searches for schemes that evaluate three quintic rows as one polynomial of R (include/muon/Polynomial/TripledRows.h).

What the rows multiply sigma by is h(r), r = sigma^2. A scheme's coefficients are fitted to h by Levenberg-Marquardt from
random starts: relative errors at Chebyshev points of [0, 1] and, beside them, what rounding does to h (`rounding`). The
weight of the errors grows; at last those points count more where the error is largest.

Prints every scheme that is better than those before. Most starts fail: give it minutes.

    tools/search_triples.py --seed 1 --seconds 300
"""

import argparse
import time

import numpy as np

JORDAN = (3.4445, -4.7750, 2.0315)
STEPS = 5
SIZE = 10 * STEPS + 5
R = (np.cos(np.pi * (np.arange(160) + 0.5) / 160) + 1) / 2


def rows(r):
    """h(r) of the three rows."""
    h = np.ones_like(r)
    for _ in range(3):
        p = JORDAN[0] + JORDAN[1] * r + JORDAN[2] * r**2
        h, r = h * p, r * p**2
    return h


def walk(x, r):
    """Per step and for the result: L, M, D = L M, and the terms of each combination of I, R, L, M and D.

    x: coefficients, any leading axes, as they stand in TripledRows; r: points, the last axis of what is returned."""
    left = right = np.broadcast_to(r, x.shape[:-1] + r.shape)
    ones = np.ones_like(left)
    steps = []
    for first in range(0, SIZE, 10):
        basis = np.stack([ones, ones * r, left, right, left * right], -2)
        terms = [x[..., c : c + 5, None] * basis for c in range(first, min(first + 10, SIZE), 5)]
        steps.append((left, right, left * right, terms))
        left, right = terms[0].sum(-2), terms[-1].sum(-2)
    return steps


def evaluate(x, r):
    return walk(x, r)[-1][-1][0].sum(-2)


def size(values):
    """A smooth maximum over the points."""
    return np.mean(np.abs(values) ** 8, -1) ** (1 / 8)


def rounding(x):
    """What rounding does to O through every matrix, in units of the last place: the size of the matrix, or of its terms,
    which may cancel, times that of what it moves h by, times sigma.

    An error that stands between the singular vectors of sigma and of 0 is what harms: h(0) is 40 times h(1). A product
    is computed for one half and mirrored: it moves by the mean of both orders."""
    steps, at_zero = walk(x, R), walk(x, np.zeros(1))
    sigma, found = np.sqrt(R), []
    by = [np.ones_like(R)]  # h by each combination
    for i in range(STEPS, -1, -1):
        left, right, product, terms = steps[i]
        coefficients = [x[..., 10 * i + 5 * k : 10 * i + 5 * k + 5, None] for k in range(len(terms))]
        for move, parts in zip(by, terms):
            found.append(size(np.sqrt((parts**2).sum(-2))) * size(move * sigma))
        by_left, by_right, by_product = (sum(m * c[..., j, :] for m, c in zip(by, coefficients)) for j in (2, 3, 4))
        found.append(size(product) * size(by_product * sigma))
        by = [
            by_left + by_product * (right + at_zero[i][1]) / 2,
            by_right + by_product * (left + at_zero[i][0]) / 2,
        ]
    return np.stack(found, -1)


def derivatives(function, x, step):
    """Of all results by all coefficients: complex steps where the function is analytic, else differences."""
    moved = x + step * np.eye(SIZE)
    return (function(moved).imag / step.imag if isinstance(step, complex) else (function(moved) - function(x)) / step).T


def fit(x, weight, damping, most, roundings=0.0):
    """Levenberg-Marquardt: weight (scheme / h - 1), beside them roundings * rounding and damping * x."""
    h, scale = rows(R), weight / np.sqrt(len(R))

    def residuals(x):
        parts = [scale * (evaluate(x, R) / h - 1), damping * x]
        return np.concatenate([*parts, roundings * rounding(x)] if roundings else parts)

    def jacobian(x):
        errors = derivatives(lambda x: evaluate(x, R), x, 1e-20j) * (scale / h)[:, None]
        parts = [errors, damping * np.eye(SIZE)]
        return np.concatenate([*parts, roundings * derivatives(rounding, x, 1e-7)] if roundings else parts)

    caution, now = 1e-3, residuals(x)
    slopes, before = jacobian(x), np.inf
    for step in range(most):
        normal = slopes.T @ slopes
        shift = np.linalg.solve(normal + caution * np.diag(np.diag(normal) + 1e-10 * np.trace(normal)), slopes.T @ now)
        then = residuals(x - shift)
        if then @ then < now @ now:
            x, now, caution = x - shift, then, max(caution / 4, 1e-12)
            slopes = jacobian(x)
        else:
            caution *= 3
        if caution > 1e8 or (step % 30 == 29 and now @ now > 0.999 * before):
            break
        before = now @ now if step % 30 == 29 else before
    return x


def largest_error(x):
    r = np.linspace(0, 1, 20001) ** 2
    return np.abs(evaluate(x, r) / rows(r) - 1).max()


def search(random):
    """A scheme, or None where a start comes to nothing."""
    x = random.normal(size=SIZE) * 0.6
    for damping in (1e-2, 1e-3, 1e-4):
        x = fit(x, np.ones(len(R)), damping, 200)
    if not largest_error(x) < 1.5e-3:
        return None
    for weight in (1e4, 1e5):
        x = fit(x, weight * np.ones(len(R)), 1e-5, 150, 1e-2)
    if not largest_error(x) < 6e-4:
        return None
    weight = np.ones(len(R))
    for roundings in (1e-2, 3e-3, 1e-3):
        x = fit(x, 1e6 * weight, 1e-6, 300, roundings)
    for _ in range(6):
        error = np.abs(evaluate(x, R) / rows(R) - 1)
        weight *= 0.3 + error / error.max()
        weight /= np.sqrt(np.mean(weight**2))
        x = fit(x, 1e6 * weight, 1e-6, 40, 1e-3)
    return x


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=300)
    options = parser.parse_args()
    random, end, best = np.random.default_rng(options.seed), time.monotonic() + options.seconds, np.inf
    starts = 0
    while not starts or time.monotonic() < end:
        starts += 1
        with np.errstate(all="ignore"):
            x = search(random)
        if x is None or not largest_error(x) < best:
            continue
        best = largest_error(x)
        print(f"error {best:.2e}, rounding {rounding(x).sum():.0f}, largest coefficient {np.abs(x).max():.2f}")
        for first in range(0, SIZE, 5):
            print("  ", ", ".join(f"{c:.9g}" for c in x[first : first + 5]), flush=True)
    print(f"starts: {starts}")


if __name__ == "__main__":
    main()
