"""Matrices of known singular values, and what a step program makes of them.

U = D1 C D2 C and V = D3 C D4 C with D random signs and C the orthonormal cosine transform: bases as dense as random
ones, applied in n log n, so that a 4096-wide matrix is made and taken apart in milliseconds where a decomposition takes
minutes. (One transform is not enough: its first direction is constant, and a sum of equal terms rounds the same way in
every element.)
"""

import numpy as np
import scipy.fft

NORM = 1024.0  # of the matrices: a preset's eps of 1e-7 beside a norm of 1 would shift every singular value by two f32 ulps
F32_BAR, F32_GRAM_BAR = (
    2e-5,
    2e-4,
)  # the errors f32 products may have in the standard form and in the gram form (docs/numerics.md)


def zoo(count, generator):
    """{name: singular values, descending, sum of squares 1}: the spectra of include/muon/Polynomial/Emulate.h."""
    at = np.linspace(0.0, 1.0, count) if count > 1 else np.zeros(1)
    index = np.arange(count)
    rank = max(1, count // 12)
    spectra = {
        "linear": 1 - 0.999 * at,
        "log 1e-2": 10.0 ** (-2 * at),
        "log 1e-4": 10.0 ** (-4 * at),
        "log 1e-9": 10.0 ** (-9 * at),
        "low rank + noise": np.where(index < rank, 1.0, 1e-3),
        "gamma": generator.gamma(2.0, 1.0, count),
        "power law": 1.0 / (index + 1),
        "heavy tail": np.exp(2 * generator.standard_normal(count)),
        "near rank one": np.where(index == 0, 1.0, 1e-3 * (1 - 0.9 * at)),
        "Gauss": np.linalg.svd(generator.standard_normal((min(count, 512), 2 * min(count, 512))), compute_uv=False),
    }
    return {name: normalised(resampled(values, count)) for name, values in spectra.items()}


def resampled(values, count):
    """As many values with the same quantiles."""
    values = np.sort(np.asarray(values, np.float64))[::-1]
    if len(values) == count:
        return values
    return np.interp(np.linspace(0, 1, count), np.linspace(0, 1, len(values)), values)


def normalised(values):
    values = np.sort(np.asarray(values, np.float64))[::-1]
    return values / np.linalg.norm(values)


class Basis:
    """Orthonormal U (rows x rows) and V (columns x columns) of one shape."""

    def __init__(self, shape, generator):
        self.shape = shape
        self.signs = [tuple(generator.choice(np.float32([-1, 1]), size) for size in shape) for _ in range(2)]

    def assemble(self, values):
        """U diag(values) V^T as float32, computed in float64."""
        matrix = np.zeros(self.shape)
        np.fill_diagonal(matrix, values)
        for rows, columns in self.signs:
            matrix = scipy.fft.idctn(matrix, norm="ortho", workers=-1) * rows[:, None] * columns
        return np.ascontiguousarray(matrix.astype(np.float32))

    def project(self, matrix):
        """U^T matrix V."""
        for rows, columns in reversed(self.signs):
            matrix = scipy.fft.dctn(matrix * rows[:, None] * columns, norm="ortho", workers=-1)
        return matrix


def largest_singular(matrix, generator, iterations=20):
    """By power iteration: not above the true value, and within a percent of it where that matters."""
    vector = generator.standard_normal(matrix.shape[1]).astype(np.float32)
    size = 0.0
    for _ in range(iterations):
        vector /= max(np.linalg.norm(vector), 1e-30)
        image = matrix @ vector
        size = float(np.linalg.norm(image))
        vector = matrix.T @ image
    return size


def evaluate(rows, values):
    """The composed polynomial in float64; rows as everywhere, lowest degree first."""
    x = np.asarray(values, np.float64)
    for row in rows:
        square = x * x
        total = np.zeros_like(x)
        for coefficient in reversed(row):
            total = total * square + coefficient
        x = x * total
    return x


def normaliser(norm, values):
    """What the singular values are divided by beyond the Frobenius norm, which is 1 here."""
    return float(np.sum(values**4) ** 0.25) if norm == "schatten4" else 1.0


class Judge:
    """Compares step programs with float64 on spectra at one shape."""

    def __init__(self, shape, floor, recorded=(), names=None, seed=1):
        """recorded: arrays of singular values; names: only these of the zoo."""
        generator = np.random.default_rng(seed)
        self.shape, self.floor, self.generator = shape, floor, generator
        self.basis = Basis(shape, generator)
        spectra = {
            name: values for name, values in zoo(min(shape), generator).items() if names is None or name in names
        }
        for index, values in enumerate(recorded):
            spectra[f"recorded {index + 1}"] = normalised(resampled(values, min(shape)))
        self.inputs = {name: (values, self.basis.assemble(NORM * values)) for name, values in spectra.items()}

    def judge(self, orthogonalize, rows, norm="frobenius", floor=None, most=np.inf):
        """{"error", "spectrum", "lower", "upper"} of a function from a matrix to its orthogonalised float32 matrix.

        error: largest |O - p(X)|_F / |p(X)|_F over the spectra, p(X) in float64 of X with norm 1. lower: smallest u_i^T
        O v_i over the singular values that are not below the floor, under schatten4 `floor` times that norm; upper:
        largest singular value of O. The spectra end with the first whose error is above `most`.

        aol scales rows, so O belongs to another matrix and there is no p(X): error is then the part of O that is off
        the directions u_i v_i^T, which would be 0 for any function of X's singular values.
        """
        worst = {"error": 0.0, "spectrum": "", "lower": np.inf, "upper": 0.0}
        for name, (values, matrix) in self.inputs.items():
            result = orthogonalize(matrix)
            if not np.isfinite(result).all():
                return {"error": np.inf, "spectrum": name, "lower": -np.inf, "upper": np.inf}
            scaled = values / normaliser(norm, values)
            projected = self.basis.project(result)
            gains = np.diagonal(projected).astype(np.float64)
            expected = gains.copy() if norm == "aol" else evaluate(rows, scaled)
            worst["upper"] = max(worst["upper"], largest_singular(projected, self.generator))
            served = scaled >= (floor if norm == "schatten4" else self.floor)
            worst["lower"] = min(worst["lower"], float(gains[served].min(initial=np.inf)))
            projected[np.arange(len(gains)), np.arange(len(gains))] -= expected.astype(np.float32)
            error = float(np.linalg.norm(projected.astype(np.float64)) / np.linalg.norm(expected))
            if error > worst["error"]:
                worst.update(error=error, spectrum=name)
            if error > most:
                break
        return worst
