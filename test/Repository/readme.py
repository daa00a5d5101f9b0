"""Runs the command of README.md's console block and compares what it prints with what the block says.

readme.py README.md
"""

import pathlib
import re
import shlex
import subprocess
import sys

block = re.search(r"```console\n\$ (.*)\n((?:.*\n)*?)```", pathlib.Path(sys.argv[1]).read_text())
printed = subprocess.run(shlex.split(block[1]), capture_output=True, text=True, check=True).stdout
if printed != block[2]:
    print(f"{block[1]} prints\n{printed}")
    sys.exit(1)
