#!/usr/bin/env python3
"""Counts of GPU kernels that muon-opt --dump-kernels wrote: resources, and the instructions of a product's main loop.

    block_facts.py DIR/*.cubin            a table, one row per kernel
    block_facts.py --bars DIR/*.cubin     one line per kernel below a bar; exit status 1 if there is one

Columns are per warp and round of the loop. T: cycles the tensor core is held (an HMMA.16816 8 cycles on sm_80, 16 on
sm_86, 89 and 120; 6 on sm_90, as ptxas spaces them); I: instructions issued; S: cycles of shared memory at 32 bytes a
cycle and sub-core, without bank conflicts; L: the sum of the stall counts in the encoding, the least time one warp
needs; alu/64: instructions per 64 HMMA that are neither products, loads, copies, waits nor control. bound = T / max(T,
I, S, L / warps per sub-core): an upper bound on the use of the tensor cores, not a measurement. The loop is the
innermost backward branch around the most HMMA. Needs nvdisasm: on PATH, or PyPI's nvidia-cuda-nvdisasm.
"""

import argparse
import importlib.util
import json
import pathlib
import re
import shutil
import subprocess
import sys

# Per multiprocessor: shared KiB, warps; cycles of an HMMA.16816 per sub-core.
CHIPS = {80: (164, 64, 8), 86: (100, 48, 16), 89: (100, 48, 16), 90: (228, 64, 6), 120: (100, 48, 16)}
REGISTERS, RESERVED = 65536, 1024
INSTRUCTION = re.compile(r"^\s*/\*([0-9a-f]{4,})\*/\s+(.*?);?\s*(?:/\* (0x[0-9a-f]{16}) \*/)?\s*$")
SECOND_WORD = re.compile(r"^\s*/\* (0x[0-9a-f]{16}) \*/\s*$")
WIDTHS = {"128": 512, "64": 256}  # bytes a warp moves
KINDS = [("mma", r"HMMA"), ("ldsm", r"LDSM"), ("copy", r"LDGSTS"), ("barrier", r"BAR"), ("wait", r"LDGDEPBAR|DEPBAR"),
         ("local", r"LDL|STL"), ("memory", r"LDG|STG|LDS|STS|LD\b|ST\b"), ("control", r"BRA|BSSY|BSYNC|NOP|WARPSYNC|@")]  # fmt: skip


def find_disassembler():
    if found := shutil.which("nvdisasm"):
        return found
    wheels = importlib.util.find_spec("nvidia")
    for folder in wheels.submodule_search_locations if wheels else []:
        if found := shutil.which("nvdisasm", path=f"{folder}/cu13/bin"):
            return found
    sys.exit("nvdisasm not found: expected it on PATH, or PyPI's nvidia-cuda-nvdisasm in this Python")


class Instruction:
    def __init__(self, address, text):
        predicated = re.match(r"^(@!?U?P\w+)\s+(.*)$", text)
        self.address, self.stall = address, 1
        self.never = bool(predicated) and predicated[1] == "@!PT"
        self.text = predicated[2] if predicated else text
        self.name = self.text.split()[0]

    def kind(self):
        if self.never:
            return "control"
        for kind, pattern in KINDS:
            if re.match(pattern, self.name):
                return kind
        return "alu"

    def shared_bytes(self):
        if self.never or not re.match(r"LDSM|LDS|STS|LDGSTS", self.name):
            return 0
        if self.name.startswith("LDSM"):
            return {"4": 512, "2": 256}.get(self.name.split(".")[-1], 128)
        width = re.search(r"\.(128|64)\b", self.name)
        return WIDTHS[width[1]] if width else 128


def disassemble(cubin):
    """Instructions of the file's one kernel, and the address each label stands for."""
    text = subprocess.run([find_disassembler(), "-c", "-hex", cubin], capture_output=True, text=True, check=True).stdout
    instructions, labels, pending, inside = [], {}, [], False
    for line in text.splitlines():
        if line.startswith(".text."):
            inside = True
        elif re.match(r"^\s*\.section", line):
            inside = line.strip().startswith(".section\t.text") or ".text." in line
        elif not inside:
            continue
        elif label := re.match(r"^(\.L_?\w+):", line):
            pending.append(label[1])
        elif second := SECOND_WORD.match(line):
            instructions[-1].stall = int(second[1], 16) >> 41 & 15  # bits 105 to 108 of the instruction
        elif found := INSTRUCTION.match(line):
            instructions.append(Instruction(int(found[1], 16), found[2].strip()))
            labels.update((name, instructions[-1].address) for name in pending)
            pending = []
    return instructions, labels


def main_loop(instructions, labels):
    """The instructions of the innermost loop with the most HMMA; [] if there is none."""
    loops = []
    for last in instructions:
        target = re.search(r"`\((\.L_?\w+)\)", last.text)
        if last.name.startswith("BRA") and target and labels.get(target[1], last.address + 1) < last.address:
            body = [i for i in instructions if labels[target[1]] <= i.address <= last.address]
            if any(i.kind() == "mma" for i in body):
                loops.append(body)
    innermost = [a for a in loops if not any(b is not a and set(b) < set(a) for b in loops)]
    return max(innermost, key=lambda body: sum(i.kind() == "mma" for i in body), default=[])


def facts(cubin):
    side = json.loads(pathlib.Path(f"{cubin}.json").read_text())
    arch = int(side["chip"].removeprefix("sm_"))
    shared, warps, cycles = CHIPS[arch]
    block_warps = side["threads"] // 32
    by_registers = REGISTERS // (-(-side["registers"] * 32 // 256) * 256) // 4 * 4 // block_warps
    by_shared = shared * 1024 // (side["dynamic_shared"] + RESERVED)
    row = {"kernel": side["kernel"], "arch": arch, "tile": "x".join(map(str, side.get("tile", []))) or "-", "registers": side["registers"],
           "stack": side["stack"] + side["spill_bytes"], "shared": side["dynamic_shared"], "static": side["static_shared"],
           "blocks": min(by_registers, by_shared, warps // block_warps), "advisories": len(side["advisories"])}  # fmt: skip
    loop = main_loop(*disassemble(cubin)) if side["kind"] != "sweep" else []
    for kind in [kind for kind, _ in KINDS] + ["alu"]:
        row[kind] = sum(i.kind() == kind for i in loop)
    row["T"], row["I"], row["L"] = row["mma"] * cycles, len(loop), sum(i.stall for i in loop)
    row["S"] = sum(i.shared_bytes() for i in loop) / 32
    if loop:
        sub_core_warps = min(4.0, max(1.0, row["blocks"] * block_warps / 4))
        row["bound"] = row["T"] / max(row["T"], row["I"], row["S"], row["L"] / sub_core_warps)
        row["T/I"], row["S/T"], row["alu/64"] = row["T"] / row["I"], row["S"] / row["T"], row["alu"] * 64 / row["mma"]
    return row


def below_bars(row):
    """What is not as it should be: issue and shared memory leave the tensor cores room, nothing spills."""
    if row["stack"] or row["static"] or row["advisories"] or row["local"]:
        yield f"stack {row['stack']}, static shared {row['static']}, advisories {row['advisories']}, local accesses {row['local']}"
    if row["tile"] == "-":  # a sweep, or a chain: few of its warps share a sub-core
        return
    if not row["mma"]:
        yield "no loop with HMMA"
        return
    bar = (
        0.96 if min(map(int, row["tile"].split("x")[:2])) >= 96 else 0.66
    )  # smaller blocks read too much shared memory for sm_80
    if row["bound"] < bar:
        yield f"bound {row['bound']:.2f}, expected at least {bar}"
    if row["arch"] == 80 and row["tile"].startswith("128x128"):
        ratios = {"T/I": (row["T/I"], 3.5, 1), "S/T": (row["S/T"], 0.75, -1), "ALU per 64 HMMA": (row["alu/64"], 40, -1),
                  "blocks": (row["blocks"], 2, 1)}  # fmt: skip
        for name, (value, bar, sign) in ratios.items():
            if sign * value < sign * bar:
                yield f"{name} {value:.2f}, expected {'at least' if sign > 0 else 'at most'} {bar}"


def print_table(rows):
    names = "kernel arch tile registers stack shared blocks mma ldsm copy barrier alu/64 I T S L T/I S/T bound".split()
    print("| " + " | ".join(names) + " |\n|" + "---|" * len(names))
    for row in rows:
        cells = (row.get(name, "-") for name in names)
        print("| " + " | ".join(f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cubin", nargs="+", help="with its .json beside it")
    parser.add_argument("--bars", action="store_true", help="print only what is below a bar")
    arguments = parser.parse_args()
    rows = [facts(cubin) for cubin in arguments.cubin]
    if not arguments.bars:
        print_table(rows)
        return 0
    missed = [f"{row['kernel']} {row['tile']}: {what}" for row in rows for what in below_bars(row)]
    print("\n".join(missed) if missed else f"{len(rows)} kernels, none below a bar")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
