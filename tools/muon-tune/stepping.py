"""A candidate's program: compiled, bound to memory, run on a matrix, timed."""

import json
import time

import numpy as np

import muonc.program


def request_of(shape, preset, plan, dtype, target="cpu"):
    """The compiler's request for one matrix. plan: options of the step function, empty for the preset as it is."""
    return {
        "name": "tuned_step",
        "target": target,
        "dtype": dtype,
        "groups": [{"shape": list(shape), "parameters": ["w"], "preset": preset, "options": plan}],
    }


def isa_of(target):
    """How the target computes products: fma, half, dot, amx or mma."""
    report = muonc.program.compile_text(request_of((8, 8), "keller", {}, "auto", target), "report")
    return json.loads(report)["target"]["isa"]


# Presets that do more to O than scale it are verified and timed on Keller's step with their own table.
PLAIN = {"normuon": "keller", "adamuon": "keller"}


class Step:
    """One matrix and its program."""

    def __init__(self, shape, preset, plan, dtype, workers=0):
        preset = PLAIN.get(preset, preset)
        self.program = muonc.program.compile_program(request_of(shape, preset, plan, dtype), workers)
        self.weight = np.zeros(shape, np.float32)
        self.gradient = np.zeros(shape, np.float32)
        arrays = {}
        for argument in self.program.description["groups"][0]["arguments"]:
            arrays[argument["name"]] = np.zeros(argument["sizes"], np.float32)
        arrays["weight"], arrays["gradient"] = self.weight, self.gradient
        self.arrays = arrays  # kept alive for the binding
        self.binding = self.program.bind({"w": arrays})
        self.scale = lr_factor(preset, shape)

    def choices(self):
        """What the compiler chose: form and restarts."""
        choice = self.program.report()["program"]["groups"][0]["choice"][0]
        return choice["form"], list(choice.get("restarts", []))

    def tiles(self):
        """The blocks of its products, as "tile" of a request has them."""
        stages = self.program.report()["program"]["stages"]
        return {tuple(launch["tile"]) for launches in stages for launch in launches if "tile" in launch}

    def orthogonalize(self, matrix):
        """O of a matrix: W starts at zero and takes the step lr = -1/scale without momentum and decay."""
        self.weight[:] = 0
        self.arrays["momentum"][:] = 0
        self._run(matrix, {"lr": -1.0 / self.scale, "mu": 0.0, "wd": 0.0})
        return self.weight.copy()

    def seconds(self, at_least=0.03):
        """Of one step: the mean over as many as fill `at_least`, one before that not counted."""
        usual = {"lr": 1e-3, "mu": 0.95, "wd": 0.1}
        start = time.perf_counter()
        self._run(self.gradient, usual)
        spent = time.perf_counter() - start
        if spent > 0.2:
            return spent
        count, start = 0, time.perf_counter()
        while True:
            self._run(self.gradient, usual)
            count += 1
            spent = time.perf_counter() - start
            if spent >= at_least:
                return spent / count

    def _run(self, gradient, scalars):
        self.binding.run([gradient], [scalars.get(name, 0.95) for name in self.program.scalars])


def lr_factor(preset, shape):
    """The factor on lr of the presets that are tuned (include/muon/Form/Presets.h)."""
    rows, columns = shape
    if preset == "moonlight":
        return 0.2 * max(rows, columns) ** 0.5
    return max(1.0, rows / columns) ** 0.5
