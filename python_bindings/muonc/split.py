"""Which parameters of a model a matrix optimizer is for: the rule of `muon-opt --shapes-from`."""

import re

DEFAULT_EXCLUDE = r"embed|wte|wpe|lm_head|head"


def split_parameters(model, exclude=DEFAULT_EXCLUDE, named=False):
    """Splits a model's trainable parameters into (matrices, others).

    matrices: the 2-D weights whose name does not match `exclude` (a regular expression searched anywhere in the
    name; empty: nothing is excluded). others: everything else. Both are lists of tensors in the model's own order;
    a tensor with several names counts once, under its first. Frozen parameters are in neither. `named`: lists of
    (name, tensor), which optimizers of torch take too and Muon(tuned={"model": ...}) needs.

    `model` has named_parameters() (a torch module) or is an iterable of (name, tensor).
    """
    pairs = model.named_parameters() if hasattr(model, "named_parameters") else model
    pattern = re.compile(exclude) if exclude else None
    matrices, others, seen = [], [], set()  # what is seen is kept alive by the lists: its id stays its own
    for name, tensor in pairs:
        if not getattr(tensor, "requires_grad", True) or id(tensor) in seen:
            continue
        seen.add(id(tensor))
        is_matrix = tensor.ndim == 2 and not (pattern and pattern.search(name))
        (matrices if is_matrix else others).append((name, tensor) if named else tensor)
    return matrices, others
