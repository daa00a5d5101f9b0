"""Does training notice the table? The demo's GPT with Keller's table and with shorter ones, from the same seeds.

    echo "gen1:1-rev22:21" | bible -f > bible.txt
    python compare_tables.py --text bible.txt --steps 300 --seeds 1,2,3

Every model of a seed starts equal and sees the same batches; only the table of the optimizer for the matrices differs.
Prints the loss on held-out text as markdown.
"""

import argparse
import pathlib
import statistics
import sys

from tqdm import tqdm

import muonc.torch
import train
from muonc import _tuning as tuning

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tools" / "muon-tune"))
import limited

FLOOR = 1e-2


def tables():
    """{label: options of the step function}: Keller's, tables of the kind muon-tune finds at floor 1e-2, half of
    Keller's work.
    """
    keller = tuning.published_table("keller", 5)[1]
    band = tuning.compute_band(keller, FLOOR)

    def options(rows):
        return {"table": rows, "safety": 1.0}

    made = tuning.scale_into_band(limited.limited_table(FLOOR, (5, 5, 7), 100.0), FLOOR, *band)[1]
    return {
        "Keller, five quintics (20 units)": {},
        "tuned: limited(0.01; 5,5,7; 100) in Keller's band (13 units)": options(made),
        "9,9 floor 1e-2 (10 units)": options(tuning.minimax(FLOOR, [9, 9])[1]),
    }


def run_seed(text, seed, steps, dtype):
    """{label: held-out loss} after `steps` steps of each model."""
    train.SEED = seed
    batches = train.Batches(text)
    settings = {"lr": train.RATE, "weight_decay": train.DECAY, "dtype": dtype}
    runs = [
        train.Run(label, batches.characters, lambda p, o=options: muonc.torch.Muon(p, options=o, **settings))
        for label, options in tables().items()
    ]
    for step in tqdm(range(steps), disable=not sys.stderr.isatty(), unit="step"):
        window, targets = batches.take()
        rate = min(1.0, (step + 1) / 10) * (1.0 - 0.9 * step / steps)
        for run in runs:
            run.step(window, targets, rate)
    held_out = [batches.take("held out") for _ in range(16)]
    return {run.name: run.validate(held_out) for run in runs}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", required=True, help="what `bible -f` printed")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--batch", type=int, default=train.BATCH, help=f"windows per step (default {train.BATCH})")
    parser.add_argument("--dtype", default="auto", help="operand type: auto, f32, bf16")
    options = parser.parse_args()
    train.BATCH = options.batch
    text, seeds = train.read_text(options.text), [int(seed) for seed in options.seeds.split(",")]
    losses = {}
    for seed in seeds:
        for label, loss in run_seed(text, seed, options.steps, options.dtype).items():
            losses.setdefault(label, []).append(loss)
        print(f"seed {seed}: " + "; ".join(f"{label} {values[-1]:.4f}" for label, values in losses.items()), flush=True)
    print(f"\n| table | {' | '.join(f'seed {seed}' for seed in seeds)} | mean |\n|---|{'---|' * (len(seeds) + 1)}")
    for label, values in losses.items():
        print(f"| {label} | {' | '.join(f'{value:.4f}' for value in values)} | {statistics.mean(values):.4f} |")


if __name__ == "__main__":
    main()
