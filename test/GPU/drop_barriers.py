"""Runs a dumped kernel on the emulator once for each of its barriers, without that one: every run must report a race.

    drop_barriers.py DIR KERNEL

DIR is what muon-opt --dump-kernels wrote. Prints the kernel as it is, then how many of the mutants were found.
"""

import pathlib
import re
import subprocess
import sys

BARRIER = re.compile(r"call void @llvm\.nvvm\.(barrier|bar\.warp\.sync)[^(]*\(")


def emulate(bitcode, description):
    run = subprocess.run(
        ["muon-emulate", bitcode, "--description", description, "--seeds=0"], capture_output=True, text=True
    )
    return run.stdout + run.stderr


def main():
    directory, kernel = pathlib.Path(sys.argv[1]), sys.argv[2]
    description = directory / f"{kernel}.cubin.json"
    print("as it is:", emulate(directory / f"{kernel}.bc", description).strip())
    text = subprocess.run(
        ["llvm-dis", directory / f"{kernel}.bc", "-o", "-"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    barriers = [i for i, line in enumerate(text) if BARRIER.search(line)]
    found = 0
    for dropped in barriers:
        mutant = directory / f"{kernel}.mutant.bc"
        lines = "\n".join(line for i, line in enumerate(text) if i != dropped)
        subprocess.run(["llvm-as", "-", "-o", mutant], input=lines, text=True, check=True)
        report = emulate(mutant, description)
        if "races" in report:
            found += 1
        else:
            print("not found without barrier", barriers.index(dropped), report.strip()[:300])
    print(f"{found} of {len(barriers)} mutants found")


main()
