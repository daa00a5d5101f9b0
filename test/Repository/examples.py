"""Checks that the example of every op and attribute is a piece of a test that is parsed, verified and round-tripped.

    examples.py INCLUDE_DIR TEST...

An example is an ```mlir block in a TableGen description; its lines must follow one another in one of the tests, CHECK
lines and indentation apart.
"""

import pathlib
import re
import sys


def source_lines(path):
    lines = (line.strip() for line in pathlib.Path(path).read_text().splitlines())
    return [line for line in lines if not line.startswith("// CHECK")]


def definitions(text):
    """(kind, mnemonic, body) of every op and attribute with parameters."""
    starts = [match.start() for match in re.finditer(r"^def ", text, re.MULTILINE)] + [len(text)]
    for begin, end in zip(starts, starts[1:]):
        head = re.match(r'def \w+ : Muon_(\w*Op|Attr)<"(\w+)"', text[begin:end])
        if head:
            yield head[1], head[2], text[begin:end]


def quoted(example, lines):
    for i in range(len(lines) - len(example) + 1):
        if all(part in line for part, line in zip(example, lines[i:])):
            return True
    return False


def main(include, *tests):
    sources = [source_lines(test) for test in tests]
    count = errors = 0
    for path in sorted(pathlib.Path(include).glob("*.td")):
        for _, name, body in definitions(path.read_text()):
            blocks = re.findall(r"```mlir\n(.*?)```", body, re.DOTALL)
            if not blocks:
                print(f"{path}: {name} has no example")
                errors += 1
            for block in blocks:
                count += 1
                example = [line.strip() for line in block.splitlines() if line.strip()]
                if not any(quoted(example, lines) for lines in sources):
                    print(f"{path}: the example of {name} is in no test")
                    errors += 1
    print(f"{count} examples")
    return 1 if errors or not count else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
