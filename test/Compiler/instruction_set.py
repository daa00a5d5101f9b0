"""Prints what a report says of instructions: the target's set, the products' set, and their multiply-add."""

import json
import sys

with open(sys.argv[1]) as file:
    report = json.load(file)
products = {kernel["instruction_set"] for kernel in report["kernels"] if kernel["kind"] == "product"}
counted = {loop["instruction"] for loop in report.get("hot_loops_per_step_of_k", [])} or {"not counted"}
print(f"{report['target']['instruction_set']}, products {' '.join(products)}, {' '.join(counted)}")
