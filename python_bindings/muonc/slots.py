"""One parameter of an optimizer's program: what it is bound to, and how the program sees it."""

import torch

from . import program as programs
from . import requests, tensors


def preset_of(optimizer, group, parameter):
    return group["preset"] if optimizer._is_matrix(group, parameter) else "rms"


def check(optimizer, group, what, parameter):
    """Refuses a parameter that cannot be stepped, in one line that calls it `what`."""
    tensors.check_parameter(what, parameter, preset_of(optimizer, group, parameter) == "rms")
    if not optimizer._takes(group, parameter):  # appended to a group, or given other data: torch asks the gradient
        raise ValueError(f"Param gradient must be a 2D matrix: {what}")


def is_idle(optimizer, group, parameter):
    """Whether the program can do without the parameter: it has no gradient, and could not be stepped if one came."""
    if parameter.grad is not None:
        return False
    try:
        check(optimizer, group, "", parameter)
    except (ValueError, RuntimeError):
        return True
    return not parameter.requires_grad


class Slot:
    """One parameter of the program, with what it was bound to."""

    def __init__(self, optimizer, group, index, parameter):
        self.what = tensors.called(group, index, parameter)
        check(optimizer, group, self.what, parameter)
        like = parameter if parameter.grad is None else parameter.grad
        self.parameter, self.group = parameter, group
        self.place = tensors.place(parameter)
        self.dtype, self.strides = like.dtype, like.stride()
        self.copied = like.is_neg()
        self.tuned = requests.tuned_of(group, index)
        self.preset = preset_of(optimizer, group, parameter)
        # An RMS-normalised step does not care where in its tensor an element lies: tensors are taken as vectors.
        is_vector = self.preset == "rms" and parameter.ndim > 1
        self.shape = (parameter.numel(),) if is_vector else tuple(parameter.shape)
        store = self._state(
            optimizer,
            "momentum_buffer",
            lambda: torch.zeros_like(like, memory_format=torch.preserve_format, requires_grad=False),
        )
        self.momentum = store["momentum_buffer"]
        # What of state[parameter] the program has been given, and where it was then.
        self.states = {}
        self.metrics = {}

    def dense(self, gradient):
        """A copy of a gradient as the program was told it would be."""
        if len(self.sizes) == gradient.ndim:
            return gradient.resolve_neg().contiguous()
        return torch.empty_like(self.parameter, dtype=self.dtype).copy_(gradient)

    def holds(self, state):
        """Whether the parameter's state is what was bound, where it was."""
        return all(
            state.get(name) is held and tensors.place(held) == place for name, (held, place) in self.states.items()
        )

    def key(self):
        """What the compiler distinguishes parameters of one param group by."""
        return self.preset, self.shape, self.parameter.dtype, self.dtype, self.momentum.dtype

    def arrays(self, optimizer, arguments):
        """The tensors for a program's arguments, as `Program.bind` takes them."""
        arrays = {}
        for argument in arguments:  # the weight comes first
            name, role, sizes = argument["name"], argument["role"], tuple(argument["sizes"])
            if role == programs.WEIGHT:
                self._see_as(sizes)
                arrays[name] = tensors.array(self.parameter, sizes)
            elif role == programs.GRADIENT:
                arrays[name] = (0, tensors.DTYPES[self.dtype], sizes, self.gradient_strides)
            elif role == programs.METRIC:
                self.metrics[name] = torch.zeros(sizes, dtype=torch.float32, device=self.parameter.device)
                arrays[name] = tensors.array(self.metrics[name], sizes)
            elif name == "momentum":
                self.momentum = self._bound(optimizer, "momentum_buffer", sizes, lambda: self.momentum)
                arrays[name] = tensors.array(self.momentum, sizes)
            else:
                dtype = torch.bfloat16 if argument["dtype"] == programs.BF16 else torch.float32
                shape = self.parameter.shape if sizes == self.sizes else sizes
                made = torch.zeros(shape, dtype=dtype, device=self.parameter.device)
                arrays[name] = tensors.array(self._bound(optimizer, name, sizes, lambda made=made: made, dtype), sizes)
        return arrays

    def _see_as(self, sizes):
        """Settles how parameter and gradient are walked by a program to which the parameter has these sizes: its own,
        or those of a vector or a flattened matrix. ValueError where it does not lie so.
        """
        self.sizes = sizes
        if tensors.strides_as(self.parameter, sizes) is None:
            raise tensors.strides_error(self.what, self.parameter, sizes)
        gradient = torch.empty_strided(self.parameter.shape, self.strides, device="meta")
        # A gradient that no dimension walks densely (an expanded one) is copied in every step, and one that lies in
        # another order than the parameter, where they are walked as vectors or flattened.
        if tensors.strides_as(gradient, sizes) is None or not tensors.in_order(gradient, self.parameter, sizes):
            self.copied = True
        if self.copied:
            whole = len(sizes) == self.parameter.ndim
            gradient = torch.empty(sizes, device="meta") if whole else torch.empty_like(self.parameter, device="meta")
        self.gradient_strides = tensors.strides_as(gradient, sizes)

    def _state(self, optimizer, name, make, dtype=None):
        """Where the parameter's state of this name is, made if there is none: not in optimizer.state before its first
        gradient, as in torch.

        dtype: the one it must have; what went through torch's Muon was cast to the parameter's.
        """
        if self.parameter.grad is not None or self.parameter in optimizer.state:
            store = optimizer.state[self.parameter]
        else:
            store = optimizer._waiting.setdefault(self.parameter, {})
        if name not in store:
            store[name] = make()
        if dtype is not None:
            store[name] = store[name].to(dtype)
        tensors.check_state(name, store[name], self.parameter)
        return store

    def _bound(self, optimizer, name, sizes, make, dtype=None):
        """The parameter's state of this name, laid out anew where the program could not walk it beside the parameter."""
        store = self._state(optimizer, name, make, dtype)
        state = store[name]
        if tensors.strides_as(state, sizes) is None:
            state = state.contiguous()
        if sizes == self.sizes and not tensors.in_order(state, self.parameter, sizes):
            like = torch.empty_like(self.parameter, dtype=state.dtype)
            state = like.copy_(state.reshape(like.shape))
        store[name] = state
        self.states[name] = state, tensors.place(state)
        return state
