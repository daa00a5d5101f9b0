"""Existing Muons, each as a step over fresh copies of the same matrices: what muon-bench and the demo compare with.

A peer is made from a list of float32 weights and a list of gradients and has step(), which returns when the weights
are updated. All do Keller's table with five steps, Nesterov momentum and decoupled decay.
"""

import math

import torch

KELLER = (3.4445, -4.7750, 2.0315)
SETTINGS = {"lr": 0.02, "weight_decay": 0.1, "momentum": 0.95}


def has_bf16_products():
    """Whether this processor multiplies bf16 itself; where it does not, torch's Muon is some 80 times slower."""
    has = torch.cpu.get_capabilities()  # asks the processor: muon-limit-isa hides nothing in /proc/cpuinfo
    return any(has.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16"))


def orthogonalize(x, steps=5):
    """Keller's iteration in the type of x, [m, n], transposed where that makes the Gram matrix smaller."""
    a, b, c = KELLER
    tall = x.shape[0] > x.shape[1]
    y = x.mT if tall else x
    y = y / (y.norm() + 1e-7)
    for _ in range(steps):
        r = y @ y.mT
        y = torch.addmm(y, torch.addmm(r, r, r, beta=b, alpha=c), y, beta=a)
    return y.mT if tall else y


class KellerF32(torch.optim.Optimizer):
    """Keller's Muon with f32 operands: the fastest form in torch where bf16 has no dot product."""

    def __init__(self, params, lr=0.02, weight_decay=0.1, momentum=0.95):
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure=None):
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            lr, mu = group["lr"], group["momentum"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(p)
                held = state["momentum_buffer"].lerp_(p.grad, 1 - mu)
                update = orthogonalize(p.grad.lerp(held, mu))
                p.mul_(1 - lr * group["weight_decay"])
                p.add_(update, alpha=-lr * math.sqrt(max(1, p.shape[0] / p.shape[1])))
        return loss


class TorchPeer:
    """A torch optimizer, eager or compiled."""

    def __init__(self, optimizer_class, weights, gradients, compiled=False, **settings):
        self.parameters = [torch.nn.Parameter(w.clone()) for w in weights]
        for p, g in zip(self.parameters, gradients):
            p.grad = g.clone()
        self.optimizer = optimizer_class(self.parameters, **SETTINGS, **settings)
        self.step = self.optimizer.step
        if compiled:
            self.optimizer.step()  # its state exists before it is traced
            # Every row is traced anew; the default limit would send later rows back to eager without a word.
            torch._dynamo.config.recompile_limit = 1000
            self.step = torch.compile(lambda: self.optimizer.step())


class OptaxPeer:
    """optax.contrib.muon under jit, with donated buffers."""

    def __init__(self, weights, gradients):
        import jax
        import optax

        transform = optax.contrib.muon(SETTINGS["lr"], beta=SETTINGS["momentum"], weight_decay=SETTINGS["weight_decay"])
        self.parameters = [jax.numpy.array(w.numpy()) for w in weights]
        self.gradients = [jax.numpy.array(g.numpy()) for g in gradients]
        self.state = transform.init(self.parameters)
        self.wait = jax.block_until_ready

        def update(parameters, state, gradients):
            updates, state = transform.update(gradients, state, parameters)
            return optax.apply_updates(parameters, updates), state

        self.update = jax.jit(update, donate_argnums=(0, 1))

    def step(self):
        self.parameters, self.state = self.update(self.parameters, self.state, self.gradients)
        self.wait(self.parameters)


def peers():
    """(name, maker or None, why it is left out) of every existing Muon."""
    no_bf16 = None if has_bf16_products() else "no bf16 dot product here: some 80 times slower than f32"
    muon = torch.optim.Muon
    listed = [
        ("torch.optim.Muon", lambda w, g: TorchPeer(muon, w, g), no_bf16),
        ("torch.optim.Muon, compiled", lambda w, g: TorchPeer(muon, w, g, compiled=True), no_bf16),
        ("Keller f32", lambda w, g: TorchPeer(KellerF32, w, g), None),
        ("Keller f32, compiled", lambda w, g: TorchPeer(KellerF32, w, g, compiled=True), None),
    ]
    try:
        import jax  # noqa: F401
        import optax  # noqa: F401

        missing = None
    except ImportError as error:
        missing = f"not installed ({error}); see python_bindings/requirements-benchmarks.txt"
    return [*listed, ("optax, jit", OptaxPeer, missing)]
