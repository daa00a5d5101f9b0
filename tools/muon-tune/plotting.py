"""muon-tune plot: what each candidate does to singular values, and time against band."""

import argparse
import json
import sys

import answer
from muonc import _tuning as tuning

CURVES = 6  # beside the preset's


def find_entry(options):
    """The newest entry of the shape that fits what was given."""
    path = options.database or tuning.database_path()
    try:
        shape = answer.parse_shape(options.shape)
        entries = tuning.open_database(path).entries()
    except (OSError, ValueError) as error:
        sys.exit(f"muon-tune: {error}")
    fitting = [
        entry
        for entry in entries
        if (entry["rows"], entry["columns"]) == shape
        and options.dtype in (None, entry["dtype"])
        and (options.floor is None or abs(entry["floor"] - options.floor) <= 1e-9)
        and tuning.device(options.target) == entry["device"]
    ]
    if not fitting:
        sys.exit(
            f"muon-tune: '{path}' has no entry for {options.shape} with these options; "
            f"expected after muon-tune --shape {options.shape}"
        )
    return max(fitting, key=lambda entry: entry["made"])


def pareto(points):
    """Those of (time, ratio) that no other is better than in both, by time."""
    front, least = [], float("inf")
    for time, ratio in sorted(points):
        if ratio < least:
            front.append((time, ratio))
            least = ratio
    return front


def one_per_table(candidates):
    """The first of each table and norm: forms and blocks have one curve."""
    first = {}
    for candidate in candidates:
        first.setdefault((json.dumps(candidate["rows"]), candidate["norm"]), candidate)
    return list(first.values())


def draw_curves(axes, entry, candidates):
    import numpy as np

    from spectra import evaluate

    sigma = np.geomspace(entry["floor"], 1.0, 2000)
    axes.axhspan(
        entry["lower"],
        entry["upper"],
        color="0.9",
        label=f"band asked for, {entry['lower']:.3f} to {entry['upper']:.3f}",
    )
    for candidate in candidates:
        low, high = candidate["predicted"]
        dashed = candidate["name"].startswith("preset")
        norm = "" if candidate["norm"] == "frobenius" else f", over its {candidate['norm']} norm"
        axes.plot(
            sigma,
            evaluate(candidate["rows"], sigma),
            "--" if dashed else "-",
            linewidth=1.2,
            label=f"{candidate['name']}: {low:.3f} to {high:.3f}{norm}",
        )
    axes.set(
        xscale="log",
        xlabel="singular value / Frobenius norm",
        ylabel="singular value of the result",
        title=f"{entry['rows']}x{entry['columns']}: [{entry['floor']:g}, 1] under each table",
    )
    axes.legend(fontsize=6)


def draw_front(axes, entry, candidates):
    points = []
    for candidate in candidates:
        low, high = candidate["predicted"]
        point = candidate["seconds"] * 1e3, high / low
        good = candidate["verdict"] in ("verified", "modelled")
        points += [point] if good else []
        axes.plot(*point, "o" if good else "x", color="C0" if good else "C3")
        axes.annotate(
            f"{','.join(map(str, candidate['degrees']))} {candidate['form']}",
            point,
            fontsize=6,
            textcoords="offset points",
            xytext=(4, 3),
        )
    front = pareto(points)
    axes.plot(
        [time for time, _ in front],
        [ratio for _, ratio in front],
        "-",
        color="C0",
        linewidth=1,
        label="not bettered in both",
    )
    kind = "model" if entry["modelled"] else "measured"
    axes.set(xlabel=f"milliseconds per step ({kind})", ylabel="band: upper over lower end", title="Time against band")
    axes.legend(fontsize=7)


def run(words):
    parser = argparse.ArgumentParser(prog="muon-tune plot", description=__doc__)
    parser.add_argument("--shape", required=True, help="ROWSxCOLUMNS")
    parser.add_argument("--dtype", choices=("auto", "f32", "bf16", "f16", "tf32"))
    parser.add_argument("--floor", type=float)
    parser.add_argument("--target", default="cpu")
    parser.add_argument("--database")
    parser.add_argument("--output", default="muon-tune.svg", help=".svg or .png (default muon-tune.svg)")
    options = parser.parse_args(words)
    if not options.output.endswith((".svg", ".png")):
        sys.exit(f"muon-tune: expected --output FILE.svg or FILE.png, got {options.output}")
    entry = find_entry(options)
    timed = [c for c in json.loads(entry["facts"])["candidates"] if "seconds" in c]
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    presets = [c for c in timed if c["name"].startswith("preset")]
    others = [c for c in timed if c["verdict"] in ("verified", "modelled") and c not in presets]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(13, 5))
    draw_curves(left, entry, one_per_table(others)[:CURVES] + presets[:1])
    draw_front(right, entry, timed)
    figure.tight_layout()
    figure.savefig(options.output, dpi=120)
    print(f"{entry['rows']}x{entry['columns']}, {entry['asked']}: {len(timed)} candidates drawn in {options.output}.")
