"""Plain float64 code for the optimizer, and matrices to try it on. Slow and obvious on purpose."""

import math

import numpy as np
import torch

KELLER = (3.4445, -4.7750, 2.0315)


def orthogonalize(x, table, eps=1e-7):
    """x: [m, n] float64 with m <= n; table: one (a, b, c) per step; eps clamps the norm."""
    y = x / max(np.linalg.norm(x), eps)
    for a, b, c in table:
        r = y @ y.T
        y = a * y + (b * r + c * r @ r) @ y
    return y


class Reference:
    """torch.optim.Muon's recurrence in float64 for a list of matrices."""

    def __init__(
        self,
        weights,
        lr=1e-3,
        weight_decay=0.1,
        momentum=0.95,
        nesterov=True,
        table=(KELLER,) * 5,
        eps=1e-7,
        adjust_lr_fn=None,
    ):
        self.weights = [w.detach().double().numpy().copy() for w in weights]
        self.momenta = [np.zeros_like(w) for w in self.weights]
        self.lr, self.wd, self.mu, self.nesterov = lr, weight_decay, momentum, nesterov
        self.table, self.eps, self.adjust = table, eps, adjust_lr_fn

    def step(self, gradients):
        for w, m, gradient in zip(self.weights, self.momenta, gradients):
            g = gradient.double().numpy()
            m += (1 - self.mu) * (g - m)
            u = g + self.mu * (m - g) if self.nesterov else m
            rows, columns = w.shape
            if self.adjust == "match_rms_adamw":
                scale = 0.2 * math.sqrt(max(rows, columns))
            else:
                scale = math.sqrt(max(1, rows / columns))
            tall = rows > columns
            o = orthogonalize(u.T if tall else u, self.table, self.eps)
            w *= 1 - self.lr * self.wd
            w -= self.lr * scale * (o.T if tall else o)


def matrices(shapes, seed=0, dtype=torch.float32, scale=0.02):
    """Fresh parameters, the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.nn.Parameter((scale * torch.randn(shape, generator=generator)).to(dtype)) for shape in shapes]


def gradients(shapes, step, dtype=torch.float32):
    """Gradients with a decaying spectrum, as trained layers have: a few strong directions and noise."""
    generator = torch.Generator().manual_seed(1000 + step)
    result = []
    for shape in shapes:
        rows, columns = shape
        rank = max(1, min(shape) // 8)
        strong = torch.randn((rows, rank), generator=generator) @ torch.randn((rank, columns), generator=generator)
        noise = torch.randn(shape, generator=generator)
        result.append((1e-3 * (strong / math.sqrt(rank) + 0.3 * noise)).to(dtype))
    return result


def give(parameters, values):
    """Sets gradients, each in a new allocation."""
    for parameter, value in zip(parameters, values):
        parameter.grad = value.clone()


def distance(weights, starts, truth):
    """Largest relative Frobenius error of W - W0 against float64, over the parameters."""
    worst = 0.0
    for w, w0, t in zip(weights, starts, truth):
        moved = t - w0.detach().double().numpy()
        off = w.detach().double().numpy() - t
        worst = max(worst, float(np.linalg.norm(off) / np.linalg.norm(moved)))
    return worst


def pooled(weights, starts, truth):
    """The same with all parameters as one long vector: less of a lottery than the worst of some tiny matrices."""
    off = sum(np.linalg.norm(w.detach().double().numpy() - t) ** 2 for w, t in zip(weights, truth))
    moved = sum(np.linalg.norm(t - w0.detach().double().numpy()) ** 2 for w0, t in zip(starts, truth))
    return math.sqrt(off / moved)
