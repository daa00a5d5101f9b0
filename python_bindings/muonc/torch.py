"""A drop-in for torch.optim.Muon whose step is one call into a program compiled for its parameters.

Nothing is computed here: this file decides which program is needed, hands over addresses and strides, and keeps
torch's own bookkeeping (state, param groups, hooks). torch is used through its Python interface only.
"""

import copy
import itertools
import operator
import re

import torch

from . import device as devices
from . import program as programs
from . import requests, slots, tensors

# Settings of a param group that a program is compiled for, beside ns_coefficients; lr, weight_decay and momentum come
# with every step.
_COMPILED = (
    "nesterov",
    "eps",
    "ns_steps",
    "adjust_lr_fn",
    "preset",
    "options",
    "tuned",
    "early_stop",
)
# Scalars of a program and the param group entries that fill them.
_SCALARS = {"lr": "lr", "wd": "weight_decay", "mu": "momentum"}


class Muon(torch.optim.Optimizer):
    """Muon with torch.optim.Muon's arguments, defaults, meaning and state, as one compiled step.

    Parameters are float32 or bfloat16 matrices, all on the CPU or all on one CUDA device, whose current stream a step
    is queued on; each in its own allocation or a view into a shared one; one of the two dimensions must have unit
    stride. Gradients may be at another address in every step. state[p]["momentum_buffer"] has the gradient's shape and
    dtype; a state_dict of either optimizer loads into the other.

    What torch.optim.Muon takes and this does not, refused in one line: ns_steps=0, which there divides by the norm and
    iterates nothing; parameters and gradients of float64 and float16; the same parameter twice in a group, and a
    gradient that shares memory with a parameter or a state.

    Args:
        params, lr, weight_decay, momentum, nesterov, ns_coefficients, eps, ns_steps, adjust_lr_fn: as in
            torch.optim.Muon. lr, weight_decay and momentum may change at any time; a change of the others, or of the
            parameters, compiles again at the next step.
        preset: the step function: torch, keller, moonlight, polar_express, inverse_root, exact, normuon, adamuon. With
            another one than torch, an argument left at its default takes the preset's own value. A preset's own
            scalars and states go by their names: beta2 is an entry of the param group, second_moment one of state[p].
        options: dict of further options of the step function, as in include/muon-c/Compiler.h (clip, decay,
            momentum_form, table, ...); wins over the arguments above.
        tuned: take table, form, restarts and operand type from the tuning database (docs/tuning.md): True for an entry
            at least as good as this preset, or a dict with floor, band, database. With "model" in place of a floor
            every parameter, given as model.named_parameters(), has the one that muon-tune --gradients recorded for its
            name. Where there is no entry the preset stays as it is; report()["program"]["groups"][i]["tuned"] says
            which entry was used or that none was.
        early_stop: between 0 and 1, None: off. A matrix whose iterate is a multiple of an orthogonal one but for this
            much, ‖I - R/μ‖_F <= early_stop for its Gram matrix R and some μ, skips what is left of the table: its
            singular values end within √(1 -+ early_stop). CPU only; chooses form gram. `metrics` says what each
            matrix reached; docs/numerics.md says what it is worth.
        dtype: operand type of the matrix products: auto (the fastest here within the preset's band), f32, bf16,
            or f16 where the processor has avx512_fp16 and no AMX.
        form: auto, standard, gram; restarts: with gram, the steps before which the Gram matrix is rebuilt; pairs: with
            standard, or gram and restarts, the rows that are evaluated as one with the next, [] for none. None: chosen.
        nonfinite: propagate, or skip: a matrix with a non-finite gradient is left untouched (see `skipped`).
        batched: accept more than two dimensions, as the preset takes them: keller, normuon and adamuon flatten four
            of them, the weights of a convolution, to a matrix of the first by all others, moonlight any number; else
            the last two are a matrix and the others count them. options={"matrices": "batch", "flatten" or
            "flatten_4d"} says it otherwise, and accepts them too. What is flattened lies side by side but for the
            first dimension: contiguous, channels_last.
        non_matrices: refuse, or rms: what is not a matrix takes an RMS-normalised momentum step in the same program.
            What the group says of its matrices (table, steps, eps, form, ...) is not for them; where no group that it
            was given to has matrices, eps counts and the others are refused.
        workers: threads of a step; None: as many as torch uses, but no more than the processors allowed to us.
        seed: of stochastic rounding (options={"stochastic_rounding": True}).

    preset, options, tuned and early_stop may be given per param group, the others hold for the whole optimizer.
    Compilation happens at the first step, in this process, once per set of shapes and settings; programs are kept on
    disk.

    Raises:
        ValueError: what torch refuses with ValueError; a parameter whose dtype, device or strides do not fit; what
            the compiler refuses (unknown preset, a table outside its domain).
        RuntimeError: complex parameters, sparse gradients.
    """

    def __init__(
        self,
        params,
        lr=1e-3,
        weight_decay=0.1,
        momentum=0.95,
        nesterov=True,
        ns_coefficients=requests.KELLER,
        eps=1e-7,
        ns_steps=5,
        adjust_lr_fn=None,
        *,
        preset="torch",
        options=None,
        tuned=False,
        early_stop=None,
        dtype="auto",
        form="auto",
        restarts=None,
        pairs=None,
        nonfinite="propagate",
        batched=False,
        non_matrices="refuse",
        workers=None,
        seed=0,
    ):
        tensors.check_choice("dtype", dtype, ("auto", "f32", "bf16", "f16"))
        tensors.check_choice("form", form, ("auto", "standard", "gram"))
        tensors.check_choice("nonfinite", nonfinite, ("propagate", "skip"))
        tensors.check_choice("non_matrices", non_matrices, ("refuse", "rms"))
        if workers is not None:
            programs.check_workers(workers, 1)
        programs.check_integer("seed", seed, -(1 << 63), (1 << 63) - 1)
        self._settings = {
            "dtype": dtype,
            "form": form,
            "restarts": restarts,
            "pairs": pairs,
            "nonfinite": nonfinite,
            "batched": batched,
            "non_matrices": non_matrices,
            "workers": workers,
            "seed": seed,
        }
        self._forget_plan()
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
            "preset": preset,
            "options": options,
            "tuned": tuned,
            "early_stop": early_stop,
        }
        tensors.check_group(defaults)
        super().__init__(params, defaults)

    def add_param_group(self, param_group):
        """As in torch; may be called during training. ValueError if a setting or a parameter does not fit."""
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        try:
            tensors.check_group(group)
            for parameter in group["params"]:
                if not self._takes(group, parameter):
                    raise ValueError(
                        f"Muon only supports 2D parameters whereas we found a parameter with size: {parameter.size()}"
                    )
        except Exception:
            self.param_groups.pop()
            raise

    @torch._disable_dynamo  # as torch marks its own bookkeeping: there is nothing to trace in a call of a program
    @torch.no_grad()
    def step(self, closure=None):
        """One step of all parameters that have a gradient; returns the closure's loss, if one was given."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        gradients = self._plan.gradients(self) if self._plan is not None else None
        if gradients is None:
            if all(p.grad is None for group in self.param_groups for p in group["params"]):
                return loss
            plan = _Plan(self)
            gradients = plan.gradients(self)
            self._plan = plan
        self._plan.run(self, gradients)
        return loss

    def report(self):
        """What was compiled and which path runs: a dict of JSON values. RuntimeError before the first step."""
        if self._plan is None or self._plan.program is None:
            raise RuntimeError("Muon.report: nothing is compiled before the first step with gradients")
        return self._plan.program.report()

    def skipped(self):
        """Parameters that the last step left untouched because their gradient was not finite (nonfinite="skip").

        Of a batch (batched=True) only the matrices with such a gradient are untouched; the others were stepped.
        """
        if self._plan is None or not self._plan.stepped:
            return []
        states = self._plan.device.states()
        return [slot.parameter for slot, state in zip(self._plan.slots, states) if state == 2]

    def metrics(self):
        """Per parameter, in the order of the param groups: a dict of what its preset measures; empty where the last
        step had no gradient.

        exact: "residual", for every matrix how far its singular values are from 0 or 1.
        early_stop: "steps", for every matrix how many rows of the table it took, and "orthogonality", ‖I - R/μ‖_F of
        the last Gram matrix that was formed: the result's own where the matrix stopped, else the one before the last
        row.
        """
        metrics = {} if self._plan is None else {slot.parameter: slot.metrics for slot in self._plan.stepped}
        return [metrics.get(p, {}) for group in self.param_groups for p in group["params"]]

    def load_state_dict(self, state_dict):
        """As in torch, which casts every state to its parameter's dtype; a preset's own states keep theirs."""
        loaded = {}  # what torch loads, after the hooks of others
        with self.register_load_state_dict_pre_hook(lambda _, given: loaded.update(given)):
            super().load_state_dict(state_dict)
        saved = itertools.chain.from_iterable(group["params"] for group in loaded["param_groups"])
        parameters = itertools.chain.from_iterable(group["params"] for group in self.param_groups)
        for index, parameter in zip(saved, parameters):
            for name, value in loaded["state"].get(index, {}).items():
                if isinstance(value, torch.Tensor) and name != "momentum_buffer":
                    self.state[parameter][name] = value.to(parameter.device)

    def _is_matrix(self, group, parameter):
        more = self._settings["batched"] or "matrices" in (group["options"] or {})
        return parameter.ndim == 2 or (parameter.ndim > 2 and more)

    def _takes(self, group, parameter):
        return self._is_matrix(group, parameter) or (self._settings["non_matrices"] == "rms" and parameter.ndim > 0)

    def __getstate__(self):
        return {**super().__getstate__(), "muonc": self._settings}

    def __setstate__(self, state):
        # load_state_dict comes here too, with groups that may be torch.optim.Muon's: they keep our own settings.
        state = dict(state)
        self._settings = state.pop("muonc", None) or self._settings
        earlier = self.__dict__.get("param_groups", [])
        super().__setstate__(state)
        self._forget_plan()
        for group, old in itertools.zip_longest(self.param_groups, earlier[: len(self.param_groups)], fillvalue={}):
            own = {} if "preset" in group else old  # what torch's has no word for, a preset's scalars included
            for key, value in {**self.defaults, **own}.items():
                # Optimizer.__setstate__ adds the first to the defaults, no group has it; a count goes with its states.
                if key not in ("differentiable", "param_names", "step"):
                    group.setdefault(key, value)

    def _forget_plan(self):
        self._plan = None
        # Momentum of parameters that had no gradient yet: bound, but not in `state`, as in torch.
        self._waiting = {}


class _Plan:
    """The program for an optimizer's parameters, bound to their memory. Serves until one of them moves."""

    def __init__(self, optimizer):
        self.groups = [(group, list(group["params"])) for group in optimizer.param_groups]
        self.compiled_for = copy.deepcopy(_compiled_settings(optimizer))
        optimizer._waiting = {}  # all zeros: nothing is lost, and shapes or dtypes may be others now
        # Not in the program: those without a gradient, and none to come that could be used, and those without elements.
        self.idle, self.empty = [], []
        self.slots, self.program = [], None
        for group in optimizer.param_groups:
            tensors.check_compiled(group)
            for index, parameter in enumerate(group["params"]):
                if slots.is_idle(optimizer, group, parameter):
                    self.idle.append(parameter)
                elif parameter.numel() == 0:
                    self.empty.append(parameter)
                    if parameter.grad is not None:  # nothing to step, but torch keeps a state for it
                        optimizer.state[parameter].setdefault("momentum_buffer", torch.zeros_like(parameter.grad))
                else:
                    self.slots.append(slots.Slot(optimizer, group, index, parameter))
        self.stepped = []  # by the last step
        if self.slots:
            self._compile(optimizer)

    def _compile(self, optimizer):
        settings = optimizer._settings
        names = [f"p{index}" for index in range(len(self.slots))]
        workers = settings["workers"] or 0
        at_most = 0 if workers else torch.get_num_threads()
        self.device = devices.of_all(slot.parameter for slot in self.slots)
        request = requests.build(optimizer, self.slots, names)
        self.device.complete(request)
        self.named = dict(zip(names, self.slots))
        try:
            self.program = programs.compile_program(request, workers, at_most)
            self.device.bind(
                self.program,
                {
                    name: self.named[name].arrays(optimizer, group["arguments"])
                    for group in self.program.description["groups"]
                    for name in group["parameters"]
                },
            )
        except ValueError as error:
            # In a program's own names, which say nothing: it serves every model of these shapes.
            raise ValueError(_with_names(str(error), self.named)) from None
        self.slots = [self.named[name] for name in self.program.parameters]
        # A param group is one row of scalars: any of its parameters tells which.
        rows = {row: slot.group for slot, row in zip(self.slots, self.program.scalar_sets)}
        self.rows = [group for _, group in sorted(rows.items(), key=lambda item: item[0])]
        self.columns = self.program.scalars
        for name in self.columns:
            if name not in ("step", "seed") and any(_SCALARS.get(name, name) not in group for group in self.rows):
                raise ValueError(f"Muon: preset and options need a scalar '{name}'; give it in the param group")

    def gradients(self, optimizer):
        """Addresses of this step's gradients in the program's order; None where another plan is needed."""
        self.stepped = []
        if not self._has_groups_of(optimizer):
            return None
        if _compiled_settings(optimizer) != self.compiled_for or any(p.grad is not None for p in self.idle):
            return None
        state, addresses = optimizer.state, []
        if any(p.numel() or (p.grad is not None and p not in state) for p in self.empty):
            return None
        self.copies = []  # keeps copied gradients alive until the next step
        for slot in self.slots:
            gradient = slot.parameter.grad
            if gradient is None:
                addresses.append(None)
                continue
            if gradient.is_sparse:
                raise RuntimeError("Muon does not support sparse gradients")
            states = state.get(slot.parameter) or optimizer._waiting.get(slot.parameter, {})
            if (
                not slot.holds(states)
                or gradient.shape != slot.parameter.shape
                or gradient.stride() != slot.strides
                or gradient.dtype is not slot.dtype
                or tensors.place(slot.parameter) != slot.place
                or gradient.is_neg() > slot.copied
                or not gradient.data_ptr()
            ):
                return None
            if slot.parameter in optimizer._waiting:  # its first gradient
                state[slot.parameter].update(optimizer._waiting.pop(slot.parameter))
            if slot.copied:
                gradient = slot.dense(gradient)
                self.copies.append(gradient)
            addresses.append(gradient.data_ptr())
        return addresses

    def _has_groups_of(self, optimizer):
        """Whether the very groups that were compiled for are there, with their parameters: scalars are read from them."""
        return len(self.groups) == len(optimizer.param_groups) and all(
            group is known and len(group["params"]) == len(members) and all(map(operator.is_, group["params"], members))
            for group, (known, members) in zip(optimizer.param_groups, self.groups)
        )

    def run(self, optimizer, addresses):
        """Steps every parameter that has an address."""
        stepped = [slot for slot, address in zip(self.slots, addresses) if address is not None]
        if not stepped:
            return
        scalars, counts = [], [group.get("step", 0) + 1 for group in self.rows]
        for group, count in zip(self.rows, counts):
            counted = {"step": count, "seed": optimizer._settings["seed"]}
            for name in self.columns:
                scalars.append(counted[name] if name in counted else float(group[_SCALARS.get(name, name)]))
        try:
            self.device.run(addresses, scalars)
        except ValueError as error:
            raise ValueError(_with_names(str(error), self.named)) from None
        self.stepped = stepped
        if "step" in self.columns:
            for group, count in zip(self.rows, counts):
                group["step"] = count
        # The program writes behind torch's back: autograd must see that saved values are gone.
        torch.autograd.graph.increment_version([slot.parameter for slot in self.stepped])
        torch.autograd.graph.increment_version([slot.momentum for slot in self.stepped])


def _compiled_settings(optimizer):
    """Everything a program is compiled for beside shapes; compared in every step, so kept cheap."""
    return [[tuple(group["ns_coefficients"]), *(group[key] for key in _COMPILED)] for group in optimizer.param_groups]


def _with_names(line, named):
    """A message of the compiler or the runtime with the parameters called as the user calls them."""
    return re.sub(
        r"(?:parameter )?'(p\d+)'", lambda found: named[found[1]].what if found[1] in named else found[0], line
    )
