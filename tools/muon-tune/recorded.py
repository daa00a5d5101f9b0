"""Floors from recorded momenta: what singular values a model's matrices really have, per matrix and per kind of layer."""

import dataclasses
import datetime
import json
import pathlib
import sys

import numpy as np

from muonc import _tuning as tuning

QUANTILES = (0.01, 0.1, 0.25, 0.5, 0.9)
STEPS = (1.0, 2.0, 5.0)  # floors are rounded down to these times a power of ten, so that layers share an entry
RANGE = (1e-4, 0.2)
SCHATTEN4_RANGE = (1e-4, 0.5)  # of floors under that norm
SPECTRA = 3  # recorded spectra that a candidate is verified on
NORMS = (
    1e-16,
    1e16,
)  # recorded Frobenius norms for which the norm may come from the trace: f32's range with a thousandfold to spare


@dataclasses.dataclass
class Matrix:
    """Every recording of one matrix: singular values over the Frobenius norm, descending, and that norm."""

    shape: tuple
    spectra: list = dataclasses.field(default_factory=list)
    norms: list = dataclasses.field(default_factory=list)

    def quantile(self, share):
        return float(np.quantile(np.concatenate(self.spectra), share))

    def schatten4(self, share):
        """The same quantile of singular values over the Schatten-4 norm."""
        return float(
            np.quantile(np.concatenate([values / np.sum(values**4) ** 0.25 for values in self.spectra]), share)
        )


@dataclasses.dataclass
class Recording:
    """What is known of the layers that a shape is tuned for."""

    spectra: list
    norms: list  # normalisers of the candidates
    schatten4: float  # floor under that norm; 0: not among the norms


def kind_of(name):
    """Layers of one kind differ in their numbers only: h.3.attn.w is h.*.attn.w."""
    return tuning.layer_kind(name)


def round_down(floor, within=RANGE):
    """The largest of 1, 2 and 5 times a power of ten that is not above the floor, in the range."""
    floor = min(max(floor, within[0]), within[1]) * (1 + 1e-9)
    power = 10.0 ** np.floor(np.log10(floor))
    return float(f"{max(step * power for step in STEPS if step * power <= floor):.0e}")


def files_of(path):
    path = pathlib.Path(path)
    files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    if not files or not files[0].exists():
        sys.exit(f"muon-tune: {path}: expected a .safetensors file or a folder of them")
    return files


def read_spectra(path):
    """{name: Matrix}."""
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
    found.setdefault(name, Matrix(matrix.shape))
    found[name].spectra.append(np.linalg.svd(matrix.astype(np.float64) / norm, compute_uv=False))
    found[name].norms.append(norm)


def kinds_of(matrices):
    """{(kind, shape): [Matrix]}."""
    kinds = {}
    for name, matrix in matrices.items():
        kinds.setdefault((kind_of(name), tuple(matrix.shape)), []).append(matrix)
    return kinds


def print_quantiles(matrices, quantile):
    width = max(len(name) for name in matrices)
    heads = "  ".join(f"{f'{q:.0%}':>8}" for q in QUANTILES)
    print(
        f"Singular values over the Frobenius norm; the last column over the Schatten-4 norm.\n{'matrix'.ljust(width)}  {'shape':>11}  {heads}  "
        f"{f'floor {quantile:.0%}':>9}  {'schatten4':>9}"
    )
    for name, matrix in matrices.items():
        cells = "  ".join(f"{matrix.quantile(q):8.2g}" for q in QUANTILES)
        print(
            f"{name.ljust(width)}  {f'{matrix.shape[0]}x{matrix.shape[1]}':>11}  {cells}  {matrix.quantile(quantile):9.2g}  "
            f"{matrix.schatten4(quantile):9.2g}"
        )


def floors_of(matrices, options, asked):
    """(floor, floor under schatten4 or 0) of layers of one kind: the lowest of their quantiles, rounded down."""
    floor = (
        options.floor if options.floor is not None else round_down(min(m.quantile(options.quantile) for m in matrices))
    )
    if asked and "schatten4" not in asked:
        return floor, 0.0
    return floor, max(floor, round_down(min(m.schatten4(options.quantile) for m in matrices), SCHATTEN4_RANGE))


def norms_for(matrices, asked):
    """The normalisers of the candidates: those asked for, or all that gain on these recordings."""
    if asked:
        return asked
    fits = all(NORMS[0] < norm < NORMS[1] for m in matrices for norm in m.norms)
    return ["frobenius", "schatten4", *(["trace"] if fits else [])]


def describe_plan(plan):
    degrees = ",".join(str(2 * len(row) - 1) for row in plan["table"])
    norm = f", norm {plan['norm']}" if "norm" in plan else ""
    return f"T = {len(plan['table'])} (degrees {degrees}), {plan['form']}, {plan['operands']}{norm}"


def tune_recorded(options, database, shapes, band, asked, tune_shape):
    """Tunes every kind of layer at its own floor, keeps the floors, and prints the steps each one takes."""
    matrices = read_spectra(options.gradients)
    print_quantiles(matrices, options.quantile)
    model = options.model or pathlib.Path(options.gradients).stem
    alike = {}
    for (kind, shape), members in kinds_of(matrices).items():
        if not shapes or shape in shapes:
            alike.setdefault((shape, *floors_of(members, options, asked)), {})[kind] = members
    lines = []
    for (shape, floor, schatten4), kinds in alike.items():
        print(flush=True)
        members = [matrix for of_kind in kinds.values() for matrix in of_kind]
        spectra = [values for matrix in members for values in matrix.spectra][:SPECTRA]
        entry = tune_shape(
            options, database, shape, floor, band, Recording(spectra, norms_for(members, asked), schatten4)
        )
        made = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        under = f", schatten4 {schatten4:g}" if schatten4 else ""
        for kind in kinds:
            database.record_layer(
                {
                    "model": model,
                    "layer": kind,
                    "rows": shape[0],
                    "columns": shape[1],
                    "floor": floor,
                    "schatten4": schatten4,
                    "quantile": options.quantile,
                    "made": made,
                }
            )
            found = describe_plan(json.loads(entry["plan"])) if entry else "no candidate is verified: the preset stays"
            lines.append(f"{kind}  {shape[0]}x{shape[1]}: floor {floor:g}{under}, {found}")
    print("\nPer kind of layer:", *lines, sep="\n")
    print(
        f"Kept as model '{model}': muon-opt --shapes-from FILE --tuned --model {model}; "
        f'muonc.torch.Muon(muonc.split_parameters(network, named=True)[0], tuned={{"model": "{model}"}}).'
    )
