"""Compares the chips of tools/block_facts.py with what muon-opt plans for. One line per difference, then how many agree.

compare_chips.py TOOLS TARGET...
"""

import re
import subprocess
import sys


def main(tools, targets):
    sys.path.insert(0, tools)
    from block_facts import CHIPS

    agree = 0
    for target in targets:
        command = ["muon-opt", "--shape", "64x64", "--dtype", "bf16", "--target", target, "--emit", "mlir"]
        planned = re.search(r"chip = <([^>]*)>", subprocess.run(command, capture_output=True, text=True).stdout)[1]
        limits = {name: int(value) for name, value in re.findall(r"(\w+) = (\d+)", planned)}
        expected = (limits["shared"] // 1024, limits["warps"])
        if CHIPS[int(target.removeprefix("sm_"))][:2] == expected:
            agree += 1
        else:
            print(f"{target}: expected KiB of shared memory and warps {expected}, got {CHIPS[int(target[3:])][:2]}")
    known = len(CHIPS)
    print(f"{agree} chips agree" if agree == known else f"{agree} of {known} chips agree")


main(sys.argv[1], sys.argv[2:])
