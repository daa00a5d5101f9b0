#!/usr/bin/env python3
"""Modelled times of a symmetric product (the Gram matrix of an m x n matrix, or of many), ours beside flash-muon's.
Nothing is measured.

    product_times.py [--muon-opt PATH] [--shape 1024x1024 ...]

Ours is what muon-opt --emit report says of the step's first product on A100, with the block the compiler chooses.
flash-muon's is the best of the configurations it compiles, by the same formula (lib/Plan/GpuTiles.cpp) from what its
machine code counts: block, share of the tensor cores' rate its loop can have, blocks per multiprocessor
(docs/benchmarks.md). A batch is taken as one launch of its kernel, which it does not have. Efficiency 0.68 and 4 us per
launch are fitted to the vendor's library
on that product,
not to these kernels.
"""

import argparse
import json
import math
import subprocess

SHAPES = ["1024x1024", "2048x2048", "4096x4096", "8192x8192", "768x3072*24", "256x8192", "256x8192*24", "128x4096"]
# A100: multiprocessors, multiply-adds per cycle, GHz, memory and L2 GB/s, L2 bytes.
MULTIPROCESSORS, FMA, CLOCK, MEMORY_RATE, L2_RATE, L2 = 108, 1024, 1.41, 2039, 6000, 40 << 20
EFFICIENCY, LAUNCH, FILL, STORE = 0.68, 4.0, 1100, 32
# Rows and columns of the block, bound of the loop, blocks per multiprocessor.
FLASH_MUON = {"128x128x32-4-4": (128, 1.00, 2), "128x128x64-3-8": (128, 1.00, 1), "128x128x64-3-4": (128, 1.00, 2),
              "64x64x32-5-4": (64, 2 / 3, 4), "32x32x64-4-4": (32, 1 / 3, 6)}  # fmt: skip


def symmetric_time(m, k, batch, side, bound, resident):
    """Microseconds of `batch` symmetric products of side m and depth k in blocks of side x side."""
    down = -(-m // side)
    blocks = down * (down + 1) // 2 * batch
    rounds = -(-blocks // MULTIPROCESSORS)
    outside = FILL + side * side * 2 * 2 / STORE
    cycles = rounds * side * side * k / (FMA * bound) + (1 if min(resident, rounds) >= 2 else rounds) * outside
    wave = MULTIPROCESSORS * resident
    once, again = m * k * 2 * batch, -(-blocks // wave) * math.sqrt(wave) * 2 * side * k * 2
    moved = (once if once < 0.7 * L2 else max(once, again)) + m * m * 2 * batch
    return LAUNCH + max(
        cycles / CLOCK / 1e3 / EFFICIENCY, blocks * 2 * side * k * 2 / L2_RATE / 1e3, moved / MEMORY_RATE / 1e3
    )


def of_compiler(muon_opt, shape):
    """Block and parts of the step's first product, and its modelled microseconds: with their sum, and without parts."""
    command = [muon_opt, "--shape", shape, "--dtype", "bf16", "--target", "sm_80", "--emit", "report"]
    report = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    launch = next(launch for stage in report["stages"] for launch in stage if launch["flops_per_matrix"])
    tile = next(kernel["tile"] for kernel in report["resources"] if kernel["kernel"] == launch["kernel"])
    parts = launch.get("parts", 1)
    with_sum = launch.get("modelled_us_with_sum", launch["modelled_us"])
    return (
        f"{tile[0]}x{tile[1]}" + (f" in {parts} parts" if parts > 1 else ""),
        with_sum,
        launch.get("modelled_us_whole", with_sum),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--muon-opt", default="muon-opt")
    parser.add_argument("--shape", action="append", help="MxN or MxN*COUNT; default: those of docs/benchmarks.md")
    arguments = parser.parse_args()
    print(
        "| matrices | block chosen | ours, us | in one part | flash-muon's best, us | its block |\n|---|---|---|---|---|---|"
    )
    above = False
    for shape in arguments.shape or SHAPES:
        matrix, _, count = shape.partition("*")
        m, k = sorted(map(int, matrix.split("x")))
        theirs, name = min((symmetric_time(m, k, int(count or 1), *facts), name) for name, facts in FLASH_MUON.items())
        block, ours, whole = of_compiler(arguments.muon_opt, shape)
        above |= ours > theirs + 0.05  # as printed
        print(
            f"| {f'{count} x {matrix}' if count else matrix} | {block} | {ours:.1f} | {whole:.1f} | {theirs:.1f} | {name} |"
        )
    print("a modelled time is above flash-muon's" if above else "none above flash-muon's")
    raise SystemExit(above)


if __name__ == "__main__":
    main()
