"""Momenta of the demo's GPT, for `muon-tune --gradients`, and its weights, for `muon-opt --shapes-from`.

echo "gen1:1-rev22:21" | bible -f > bible.txt
python record_momenta.py --text bible.txt --steps 60 --output recorded.safetensors
muon-tune --gradients recorded.safetensors --dtype bf16
"""

import argparse
import pathlib
import sys

from safetensors.torch import save_file
from tqdm import tqdm

import muonc.torch
import train


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", required=True, help="what `bible -f` printed")
    parser.add_argument("--steps", type=int, default=60, help="steps before momenta are recorded (default 60)")
    parser.add_argument("--batch", type=int, default=train.BATCH, help=f"windows per step (default {train.BATCH})")
    parser.add_argument(
        "--output",
        default="recorded.safetensors",
        help="where the momenta go; the weights go beside it, to weights.safetensors",
    )
    options = parser.parse_args()
    train.BATCH = options.batch
    batches = train.Batches(train.read_text(options.text))
    run = train.Run(
        "muonc.torch.Muon", batches.characters, lambda p: muonc.torch.Muon(p, lr=train.RATE, weight_decay=train.DECAY)
    )
    for step in tqdm(range(options.steps), disable=not sys.stderr.isatty(), unit="step"):
        run.step(*batches.take(), min(1.0, (step + 1) / 10))
    state = run.matrices.state
    momenta = {name: state[p]["momentum_buffer"] for name, p in run.model.named_parameters() if p in state}
    save_file(momenta, options.output)
    save_file(
        {name: p.detach() for name, p in run.model.named_parameters()},
        pathlib.Path(options.output).with_name("weights.safetensors"),
    )
    print(f"{len(momenta)} momenta after {options.steps} steps in {options.output}.")


if __name__ == "__main__":
    main()
