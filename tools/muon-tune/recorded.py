"""Floors from recorded momenta: what singular values a model's matrices really have, per matrix and per kind of layer."""

import json
import pathlib
import re
import sys

import numpy as np

QUANTILES = (0.01, 0.1, 0.25, 0.5, 0.9)
STEPS = (1.0, 2.0, 5.0)  # floors are rounded down to these times a power of ten, so that layers share an entry
RANGE = (1e-4, 0.2)
SPECTRA = 3  # recorded spectra that a candidate is verified on


def kind_of(name):
    """Layers of one kind differ in their numbers only: h.3.attn.w is h.*.attn.w."""
    return re.sub(r"\d+", "*", name)


def round_down(floor):
    """The largest of 1, 2 and 5 times a power of ten that is not above the floor, within RANGE."""
    floor = min(max(floor, RANGE[0]), RANGE[1]) * (1 + 1e-9)
    power = 10.0 ** np.floor(np.log10(floor))
    return float(f"{max(step * power for step in STEPS if step * power <= floor):.0e}")


def files_of(path):
    path = pathlib.Path(path)
    files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    if not files or not files[0].exists():
        sys.exit(f"muon-tune: {path}: expected a .safetensors file or a folder of them")
    return files


def read_spectra(path):
    """{name: (shape, [singular values over the Frobenius norm, descending])}: one array per recording of a matrix."""
    from safetensors import SafetensorError, safe_open

    found = {}
    for file in files_of(path):
        try:
            with safe_open(file, framework="pt") as tensors:
                for name in tensors.keys():  # noqa: SIM118 (not a dict)
                    tensor = tensors.get_tensor(name)
                    if tensor.ndim < 2 or not tensor.is_floating_point():
                        continue
                    for matrix in tensor.float().numpy().reshape(-1, *tensor.shape[-2:]):
                        add_spectrum(found, name, matrix)
        except SafetensorError as error:
            sys.exit(f"muon-tune: {file}: {error}")
    if not found:
        sys.exit(f"muon-tune: {path}: expected at least one matrix, found none")
    return found


def add_spectrum(found, name, matrix):
    norm = float(np.linalg.norm(matrix.astype(np.float64)))
    if not (np.isfinite(norm) and norm > 0):
        print(f"muon-tune: {name} is left out: its norm is {norm:g}", file=sys.stderr)
        return
    values = np.linalg.svd(matrix.astype(np.float64) / norm, compute_uv=False)
    found.setdefault(name, (matrix.shape, []))[1].append(values)


def floors_of(spectra, quantile):
    """{kind: floor}: the lowest of its matrices' quantiles, rounded down."""
    floors = {}
    for name, (_, values) in spectra.items():
        kind, floor = kind_of(name), float(np.quantile(np.concatenate(values), quantile))
        floors[kind] = min(floor, floors.get(kind, 1.0))
    return {kind: round_down(floor) for kind, floor in floors.items()}


def print_quantiles(spectra, quantile):
    width = max(len(name) for name in spectra)
    heads = "  ".join(f"{f'{q:.0%}':>8}" for q in QUANTILES)
    print(f"Singular values over the Frobenius norm.\n{'matrix'.ljust(width)}  {'shape':>11}  {heads}  {f'floor {quantile:.0%}':>9}")
    for name, (shape, values) in spectra.items():
        values = np.concatenate(values)
        cells = "  ".join(f"{np.quantile(values, q):8.2g}" for q in QUANTILES)
        print(f"{name.ljust(width)}  {f'{shape[0]}x{shape[1]}':>11}  {cells}  {np.quantile(values, quantile):9.2g}")


def tune_recorded(options, database, shapes, band, tune_shape):
    """Tunes every kind of layer at its own floor, and prints the steps each one takes."""
    spectra = read_spectra(options.gradients)
    print_quantiles(spectra, options.quantile)
    kinds = {}
    for name, (shape, values) in spectra.items():
        if not shapes or tuple(shape) in shapes:
            kinds.setdefault((kind_of(name), tuple(shape)), []).extend(values)
    floors, answers = floors_of(spectra, options.quantile), {}
    for (kind, shape), values in kinds.items():
        floor = options.floor if options.floor is not None else floors[kind]
        if (shape, floor) not in answers:
            print(flush=True)
            answers[shape, floor] = tune_shape(options, database, shape, floor, band, values[:SPECTRA])
        kinds[kind, shape] = floor
    print("\nPer kind of layer:")
    for (kind, shape), floor in kinds.items():
        plan = json.loads(answers[shape, floor]["plan"])
        degrees = ",".join(str(2 * len(row) - 1) for row in plan["table"])
        print(f"{kind}  {shape[0]}x{shape[1]}: floor {floor:g}, T = {len(plan['table'])} (degrees {degrees}), {plan['form']}, "
              f"{plan['operands']}; tuned={{\"floor\": {floor:g}}} in its param group")
