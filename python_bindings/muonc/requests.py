"""From param groups to the compiler's request (include/muon-c/Compiler.h)."""

import json
import operator

from . import tensors

KELLER = (3.4445, -4.7750, 2.0315)


def build(optimizer, slots, names):
    """The compiler's request for these slots: parameters that differ in nothing share a group."""
    settings = optimizer._settings
    sets = {id(group): f"group{index}" for index, group in enumerate(optimizer.param_groups)}
    groups = {}
    for slot, name in zip(slots, names):
        preset, shape, weight, gradient, momentum = key = slot.key()
        entry = groups.setdefault(
            (key, id(slot.group), json.dumps(slot.tuned)),
            {
                "shape": list(shape),
                "parameters": [],
                "set": sets[id(slot.group)],
                "preset": preset,
                "dtypes": {
                    "weight": tensors.dtype_name(weight),
                    "gradient": tensors.dtype_name(gradient),
                    "momentum": tensors.dtype_name(momentum),
                },
                "options": options_of(optimizer, slot.group, preset == "rms"),
                **({"tuned": slot.tuned} if slot.tuned else {}),
            },
        )
        entry["parameters"].append(name)
    request = {"groups": list(groups.values())}
    # What is said of products is for matrices, though none of them has a gradient yet.
    vectors_alone = all(group["preset"] == "rms" for group in request["groups"])
    waiting = _OF_PRODUCTS if vectors_alone and _has_matrices(optimizer, optimizer.param_groups) else ()
    for key in ("dtype", "form", "restarts", "pairs", "nonfinite"):
        if settings[key] is not None and key not in waiting:
            request[key] = settings[key]
    return request


# What only products have a use for.
_OF_PRODUCTS = ("dtype", "form", "restarts", "pairs")

# What of a group's settings a vector has a use for whatever its matrices are told.
_OF_VECTORS = ("nesterov", "adjust_lr", "momentum_form", "decay", "clip", "stochastic_rounding")


def options_of(optimizer, group, is_vector):
    """The step function's options of a param group, in the compiler's words."""
    defaults = {"nesterov": True, "ns_coefficients": KELLER, "eps": 1e-7, "ns_steps": 5, "adjust_lr_fn": None}
    asked = {key for key, value in defaults.items() if not _same(group[key], value)}
    # Of each option, the settings that it is made of.
    options, made_of = {}, {"steps": ("ns_steps", "ns_coefficients"), "table": ("ns_coefficients",)}
    if "nesterov" in asked:
        options["nesterov"] = bool(group["nesterov"])
    if "eps" in asked:
        options["eps"] = float(group["eps"])
    if "adjust_lr_fn" in asked:
        options["adjust_lr"] = group["adjust_lr_fn"]
    if "ns_coefficients" in asked:
        options["table"] = [[float(value) for value in group["ns_coefficients"]]]
    if asked & {"ns_coefficients", "ns_steps"}:  # a row is repeated as often as torch says; steps alone: the preset's
        options["steps"] = operator.index(group["ns_steps"])
    if group["early_stop"] is not None:
        options["early_stop"] = float(group["early_stop"])
    own = group["options"] or {}
    made_of.update(dict.fromkeys(own, ("options",)))
    options.update(own)
    if is_vector:
        options = {
            name: value
            for name, value in options.items()
            if name in _OF_VECTORS or any(_is_meant(optimizer, group, key) for key in made_of.get(name, (name,)))
        }
    return options


def _is_meant(optimizer, group, key):
    """Whether a setting was given to the vectors of a group: to no group that steps matrices, whose own it would be."""
    own = not _same(group[key], optimizer.defaults[key])
    return not _has_matrices(optimizer, [group] if own else optimizer.param_groups)


def _has_matrices(optimizer, groups):
    """Whether any of these param groups steps matrices."""
    return any(
        group["preset"] != "rms" and any(optimizer._is_matrix(group, parameter) for parameter in group["params"])
        for group in groups
    )


def _same(left, right):
    return tuple(left) == right if isinstance(right, tuple) else left == right


def tuned_of(group, index):
    """The request's "tuned" of one parameter; with a model, its layer is the kind of the parameter's name. ValueError
    where it has none.
    """
    tuned = group["tuned"]
    if not isinstance(tuned, dict) or "model" not in tuned:
        return tuned
    names = group.get("param_names") or []
    if index >= len(names):
        raise ValueError("Muon: tuned for a model needs named parameters, as in Muon(model.named_parameters(), ...)")
    from . import _tuning

    return {**tuned, "layer": _tuning.layer_kind(names[index])}
