"""What torch tensors and settings of a param group a program can take, and tensors as `Program.bind` takes them."""

import json
import math

import torch

from . import program as programs

DTYPES = {torch.float32: programs.F32, torch.bfloat16: programs.BF16}


def check_group(group):
    """ValueError with torch's own line for a setting out of range."""
    lr, function = group["lr"], group["adjust_lr_fn"]
    if isinstance(lr, torch.Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    if not lr >= 0.0:
        raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
    if not group["momentum"] >= 0.0:
        raise ValueError(f"momentum should be >= 0 but is: {group['momentum']}")
    if not group["weight_decay"] >= 0.0:
        raise ValueError(f"weight decay should be >= 0 but is: {group['weight_decay']}")
    if function is not None and function not in ("original", "match_rms_adamw"):
        raise ValueError(f"Adjust learning rate function {function} is not supported")
    check_compiled(group)


def check_compiled(group):
    """ValueError for a setting that no program is compiled for, with torch's own line where it asks in every step."""
    check_table(group)
    check_number("eps", group["eps"])
    if group["options"] is not None and not isinstance(group["options"], dict):
        raise ValueError(f"options should be a dict or None but is: {group['options']}")
    if not isinstance(group["tuned"], (bool, dict)):
        raise ValueError(f"tuned should be True, False or a dict but is: {group['tuned']}")
    early_stop = group["early_stop"]
    if early_stop is not None and not 0.0 < check_number("early_stop", early_stop) < 1.0:
        raise ValueError(f"early_stop should be between 0 and 1 but is: {early_stop}")
    for name in ("options", "tuned"):
        try:
            json.dumps(group[name])
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name} should be a dict of JSON values: {error}") from None


def check_table(group):
    """ValueError for what no table is made of."""
    steps, coefficients = group["ns_steps"], group["ns_coefficients"]
    if hasattr(steps, "__index__") and steps >= 100:
        raise ValueError("Number of steps must be less than 100 for computational efficiency")
    programs.check_integer("ns_steps", steps, 1, 99)
    if not hasattr(coefficients, "__len__") or len(coefficients) != 3:
        raise ValueError("Coefficients must be a tuple of exactly 3 values")
    for value in coefficients:
        check_number("each of ns_coefficients", value)


def check_number(name, value):
    """The value as a float. ValueError if it is none."""
    try:
        if not isinstance(value, str):
            return float(value)
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError(f"{name} should be a number but is: {value}")


def check_choice(name, value, known):
    if value not in known:
        raise ValueError(f"{name} should be one of {', '.join(known)} but is: {value}")


def called(group, index, parameter):
    """What a message calls a parameter: by its name, if the optimizer was given names, else its place in the group."""
    names = group.get("param_names") or []  # shorter than "params" where a parameter was appended to that alone
    return f"parameter {names[index] if index < len(names) else index} {tuple(parameter.shape)}"


def check_parameter(what, parameter, is_vector):
    """Refuses what no program can take, in one line that names the parameter as `what`."""
    gradient = parameter.grad
    if parameter.is_complex():
        raise RuntimeError("Muon does not support complex parameters")
    if gradient is not None and gradient.is_sparse:
        raise RuntimeError("Muon does not support sparse gradients")
    for role, tensor in (("", parameter), ("the gradient of ", gradient)):
        if tensor is None:
            continue
        if tensor.device.type not in ("cpu", "cuda") or tensor.device != parameter.device:
            expected = "the CPU or a CUDA device" if tensor is parameter else f"{parameter.device}, like the parameter"
            raise ValueError(f"Muon: {role}{what} is on {tensor.device}; expected {expected}")
        if tensor.dtype not in DTYPES:
            raise ValueError(f"Muon: {role}{what} is {tensor.dtype}; expected torch.float32 or torch.bfloat16")
        if tensor.numel() and not tensor.data_ptr():
            kind = type(tensor).__name__
            raise ValueError(f"Muon: {role}{what} is a {kind} without memory; expected a plain tensor, as DDP has them")
    if gradient is not None and gradient.shape != parameter.shape:
        expected = f"{tuple(parameter.shape)}, like the parameter"
        raise ValueError(f"Muon: the gradient of {what} has shape {tuple(gradient.shape)}; expected {expected}")
    # Which of the two a tensor of more dimensions is taken with is the program's to say.
    shape = tuple(parameter.shape)
    ways = [(parameter.numel(),)] if is_vector else [shape]
    if not is_vector and len(shape) > 2:
        ways.append((shape[0], math.prod(shape[1:])))
    strided = parameter.layout is torch.strided and not parameter.is_neg()
    if not strided or all(strides_as(parameter, way) is None for way in ways):
        raise strides_error(what, parameter, ways[0])


def strides_error(what, parameter, sizes):
    """The error for a parameter that cannot be walked by a program that takes it with these sizes."""
    expected = {parameter.ndim: "1 in one of its last two dimensions", 1: "its elements side by side"}
    flattened = "all dimensions but the first side by side, as those of a contiguous or channels_last tensor"
    return ValueError(f"Muon: {what} has strides {parameter.stride()}; expected {expected.get(len(sizes), flattened)}")


def check_state(name, state, parameter):
    """Refuses a state that a program cannot be given, such as one that stayed behind when its model moved."""
    if state.device != parameter.device or state.dtype not in DTYPES:
        raise ValueError(
            f"Muon: {name} of a parameter {tuple(parameter.shape)} is {state.dtype} on {state.device}; expected "
            f"torch.float32 or torch.bfloat16 on {parameter.device}"
        )


def strides_as(tensor, sizes):
    """The strides by which a program walks the tensor that takes it with these sizes: its own, those of a vector, or
    (first, rest) with all dimensions but the first as one. None where it cannot: one of the last two has to be walked
    element by element, and dimensions that are taken as one follow each other without gaps, in whatever order.
    """
    if len(sizes) == tensor.ndim:
        strides = tensor.stride()
    elif len(sizes) == 1:
        strides = (_step(tensor, 0),)
    else:
        strides = (tensor.stride(0), _step(tensor, 1))
    walked = not sizes or any(size == 1 or stride == 1 for size, stride in zip(sizes[-2:], strides[-2:]))
    return strides if walked and None not in strides else None


def _step(tensor, first):
    """The one stride that walks all dimensions from `first` on in the order of memory, or None."""
    sides = sorted((stride, size) for stride, size in zip(tensor.stride()[first:], tensor.shape[first:]) if size > 1)
    step = following = sides[0][0] if sides else 1
    for stride, size in sides:
        if stride != following:
            return None
        following *= size
    return step


def in_order(tensor, other, sizes):
    """Whether a program that takes both with these sizes meets their elements in the same order."""
    if len(sizes) == other.ndim:
        return True
    first = len(sizes) - 1
    own, others = (
        [stride for stride, size in zip(t.stride()[first:], t.shape[first:]) if size > 1] for t in (tensor, other)
    )
    return own == others


def place(tensor):
    """Where a tensor lies and how: what a program is bound to."""
    return tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype


def array(tensor, sizes):
    """A tensor that can be walked so (strides_as)."""
    own = tuple(tensor.shape) if len(sizes) == tensor.ndim else sizes
    return tensor.data_ptr(), DTYPES[tensor.dtype], own, strides_as(tensor, sizes)


def dtype_name(dtype):
    return programs.DTYPE_NAMES[DTYPES[dtype]]
