#!/usr/bin/env python3
"""Which chains of products one thread block computes, by side, operand type and chip: the table of docs/gpu.md.

    chain_sizes.py [--muon-opt PATH] [--check docs/gpu.md]

Plans a step of Keller in gram form with a restart before the fourth row for every side, type and chip (nothing is run),
and prints the bytes of shared memory that the chain of two steps and that of three need, and on which chips muon-opt
takes one block for it. With --check it prints nothing but the rows that the file lacks; exit status 1 if there is one.
"""

import argparse
import pathlib
import re
import subprocess
import sys

CHIPS = ["sm_80", "sm_86", "sm_89", "sm_90", "sm_120"]
TYPES = {"bf16": "bf16, f16", "f32": "f32, tf32"}
SIDES = range(64, 257, 32)
FIELDS = re.compile(r"matrices = (\d+) : i64.*?shared_bytes = (\d+) : i64, side = (\d+) : i64, taken = \"(\w+)\"")


def chains(muon_opt, chip, dtype):
    """Of every side and number of matrices: the bytes, and whether one block takes the chain."""
    shapes = [argument for side in SIDES for argument in ("--shape", f"{side}x{side}")]
    command = [
        muon_opt,
        *shapes,
        "--dtype",
        dtype,
        *"--form gram --restarts 3 --chain block --target".split(),
        chip,
        "--emit",
        "mlir",
    ]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {
        (int(side), int(matrices)): (int(size), taken == "block")
        for matrices, size, side, taken in FIELDS.findall(text)
    }


def fitting(found, key):
    chips = [chip for chip in CHIPS if found[chip][key][1]]
    return "all chips" if chips == CHIPS else ", ".join(chips) or "none"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--muon-opt", default="muon-opt")
    parser.add_argument("--check", type=pathlib.Path, help="the file that should have the table")
    arguments = parser.parse_args()
    rows = [
        "| operands | k | two matrices, bytes | fit on | three matrices, bytes | fit on |",
        "|---|---|---|---|---|---|",
    ]
    for dtype, types in TYPES.items():
        found = {chip: chains(arguments.muon_opt, chip, dtype) for chip in CHIPS}
        for side in SIDES:
            cells = [
                cell
                for matrices in (2, 3)
                for cell in (str(found[CHIPS[0]][side, matrices][0]), fitting(found, (side, matrices)))
            ]
            rows.append(f"| {types} | {side} | " + " | ".join(cells) + " |")
    known = arguments.check.read_text().splitlines() if arguments.check else []
    missing = [row for row in rows if row not in known]
    print("\n".join(missing) if missing else f"{arguments.check} has all {len(rows)} rows")
    return 1 if known and missing else 0


sys.exit(main())
