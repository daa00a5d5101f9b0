"""Which parameters of a model a matrix optimizer is for: the rule of `muon-opt --shapes-from`."""

from . import program


def split_parameters(model, exclude=None, named=False):
    """Splits a model's trainable parameters into (matrices, others).

    matrices: the 2-D weights of a float type whose name `exclude` does not match: a POSIX extended regular expression,
    searched anywhere in the name, that of `muon-opt --exclude`. None: embeddings and heads, as there; empty: nothing is
    excluded. others: everything else. Both are lists of tensors in the model's own order; a tensor with several names
    counts once, under its first. Frozen parameters are in neither. `named`: lists of (name, tensor), which optimizers
    of torch take too and Muon(tuned={"model": ...}) needs.

    `model` has named_parameters() (a torch module) or is an iterable of (name, tensor). Loads the compiler, whose rule
    it is. ValueError: a malformed pattern.
    """
    pairs = model.named_parameters() if hasattr(model, "named_parameters") else model
    program.excludes(exclude, "")  # a malformed pattern is refused whatever the model
    matrices, others, seen = [], [], set()  # what is seen is kept alive by the lists: its id stays its own
    for name, tensor in pairs:
        if not getattr(tensor, "requires_grad", True) or id(tensor) in seen:
            continue
        seen.add(id(tensor))
        is_matrix = tensor.ndim == 2 and _is_real(tensor) and not program.excludes(exclude, name)
        (matrices if is_matrix else others).append((name, tensor) if named else tensor)
    return matrices, others


def _is_real(tensor):
    """Whether its elements are of a float type, neither integers nor complex: of torch's tensors and of numpy's."""
    if hasattr(tensor, "is_floating_point"):
        return tensor.is_floating_point()
    return getattr(tensor.dtype, "kind", "f") in "fV"  # V: what numpy has no word for, such as bf16
