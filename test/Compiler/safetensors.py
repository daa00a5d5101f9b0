"""Writes a .safetensors file whose data is a hole: tensors as NAME=DTYPE:2x3, --cut N ends it N bytes into the header."""

import argparse
import json
import math
import re
import struct

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("path")
parser.add_argument("tensors", nargs="*")
parser.add_argument("--cut", type=int, default=0)
parser.add_argument("--header", help="this text instead of the tensors")
parser.add_argument("--length", type=int, help="the length to claim")
arguments = parser.parse_args()

header, end = {"__metadata__": {"format": "pt"}}, 0
for tensor in arguments.tensors:
    name, kind = tensor.split("=")
    dtype, shape = kind.split(":")
    sizes = [int(size) for size in shape.split("x")] if shape else []
    begin, end = end, end + int(re.search(r"\d+", dtype)[0]) // 8 * math.prod(sizes)
    header[name] = {"dtype": dtype, "shape": sizes, "data_offsets": [begin, end]}

text = (json.dumps(header) if arguments.header is None else arguments.header).encode()
length = len(text) if arguments.length is None else arguments.length
with open(arguments.path, "wb") as file:
    file.write(struct.pack("<Q", length) + text[: len(text) - arguments.cut])
    if not arguments.cut and arguments.length is None:
        file.truncate(file.tell() + end)
