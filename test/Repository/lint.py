"""The rules of CONTRIBUTING.md that a machine can check. Prints one line per breach; `note:` lines do not fail.

lint.py REPOSITORY
"""

import pathlib
import re
import sys

ROOMS = ["Polynomial", "IR", "Form", "Plan", "CPU", "GPU", "Object", "Compiler", "Emulator"]
FORBIDDEN_NAMES = re.compile(r"utils?|utilit(y|ies)|common|helpers?|misc|base", re.IGNORECASE)
SOURCES = {".cpp", ".h", ".c", ".td", ".py", ".sh", ".txt", ".json", ".toml", ".in", ".mlir", ".test", ".md", ""}
GENERATED = {"docs/reference/dialect.md"}
# Where Debian's LLVM lives is said once per build description.
LLVM_PATH = "/".join(["", "usr", "lib", "llvm-22"])  # in pieces: this file is checked too
LLVM_PATH_FILES = {"CMakePresets.json", "python_bindings/pyproject.toml"}
VERSIONS = {
    "CMakeLists.txt": r"^project\(muon VERSION ([\d.]+)",
    "python_bindings/pyproject.toml": r'^version = "([\d.]+)"',
    "python_bindings/muonc/__init__.py": r'^__version__ = "([\d.]+)"',
}
MACHINE_PATH = re.compile(r"(?<![\w.])/(root|home|work|opt|usr/lib/llvm)\b[-/\w.]*")
MARKER = re.compile(r"\b(TO" "DO|FIX" "ME|XX" "X|DO NOT SUB" r"MIT)\b")
# No address but a citation: installation finds its registries by itself.
ADDRESS = re.compile(r"https?://(?!(github\.com|arxiv\.org)/)")


def files(root):
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root)
        skipped = {".git", "build", "dist", ".venv", "__pycache__", ".pytest_cache", ".ruff_cache"} & set(name.parts)
        if path.is_file() and not path.is_symlink() and not skipped and path.suffix in SOURCES:
            yield name.as_posix(), path


def check_text(name, text):
    """What no file may contain."""
    for number, line in enumerate(text.splitlines(), 1):
        where = f"{name}:{number}:"
        path = MACHINE_PATH.search(line)
        if path and not (path[0].startswith(LLVM_PATH) and name in LLVM_PATH_FILES):
            yield f"{where} machine path {path[0]}"
        if ADDRESS.search(line):
            yield f"{where} address outside the citations"
        if MARKER.search(line):
            yield f"{where} marker {MARKER.search(line)[0]}"
        if line != line.rstrip():
            yield f"{where} space at the end of the line"
    if text and not text.endswith("\n"):
        yield f"{name}: no newline at the end"
    if text.count("\n") > 500:
        yield f"note: {name}: {text.count(chr(10))} lines"


def check_name(name):
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", pathlib.PurePath(name).stem)
    for word in words:
        if FORBIDDEN_NAMES.fullmatch(word):
            yield f"{name}: a file is named after what it computes, not '{word}'"


def check_rooms(name, text):
    """A room includes earlier rooms only; the runtime includes none and no LLVM."""
    parts = name.split("/")
    included = re.findall(r'^\s*#include [<"]([^>"]+)[>"]', text, re.MULTILINE)
    if parts[0] == "runtime":
        for header in included:
            if header.startswith(("muon/", "muon-c/", "llvm/", "mlir/")):
                yield f"{name}: the runtime includes {header}"
    room = parts[1] if parts[0] == "lib" else parts[2] if parts[:2] == ["include", "muon"] and len(parts) > 3 else ""
    if room not in ROOMS:
        return
    for header in included:
        other = header.split("/")[1] if header.startswith("muon/") else ""
        if other in ROOMS and ROOMS.index(other) > ROOMS.index(room):
            yield f"{name}: {room} includes {header} of a later room"
        if room == "Polynomial" and header.startswith(("llvm/", "mlir/")):
            yield f"{name}: Polynomial is plain C++, not {header}"
    if parts[0] == "lib" and "cl::opt" in text:
        yield f"{name}: cl::opt in a library; use pass options"


def anchors(text):
    """What GitHub lets links point to: headings in lower case, spaces as dashes, other signs left out."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def check_links(path, name, text):
    for link, anchor in re.findall(r"\]\(([^)#:\s]*)(?:#([^)\s]+))?\)", text):
        target = path.parent / link if link else path
        if not target.exists():
            yield f"{name}: link to {link}, which does not exist"
        elif anchor and anchor not in anchors(target.read_text()):
            yield f"{name}: link to {link}#{anchor}, a heading that does not exist"


def check_passes(root, name, text):
    """Flag muon-verb-noun = VerbNoun.cpp = verb-noun.mlir, and a description that says what happens to the numbers."""
    room = name.split("/")[2]
    starts = [match.start() for match in re.finditer(r"^def ", text, re.MULTILINE)] + [len(text)]
    for begin, end in zip(starts, starts[1:]):
        head = re.match(r'def (\w+)\s*:\s*\w*Pass\w*<\s*"([^"]+)"', text[begin:end])
        if not head:
            continue
        words = head[2].split("-")
        if words[0] != "muon" or len(words) < 3:
            yield f"{name}: flag {head[2]} is not muon-verb-noun"
            continue
        source = "".join(word[0].upper() + word[1:] for word in words[1:])
        if not any(path.stem.lower() == source.lower() for path in (root / "lib" / room).glob("*.cpp")):
            yield f"{name}: {head[2]} has no lib/{room}/{source}.cpp"
        test = f"test/{room}/{'-'.join(words[1:])}.mlir"
        if not (root / test).exists():
            yield f"{name}: {head[2]} has no {test}"
        if "let description" not in text[begin:end] or "Numerics:" not in text[begin:end]:
            yield f"{name}: {head[2]} has no description with a line 'Numerics:'"


def check_commands(root, name, text):
    """That a command beside a number still runs something: a file of tests, and one whose name has the word after -k."""
    for tests, word in re.findall(r"pytest (\S+\.py) -k (\w+)", text):
        path = root / tests
        if not path.exists():
            yield f"{name}: pytest {tests}, which does not exist"
        elif not re.search(rf"^def test_\w*{word}", path.read_text(), re.MULTILINE):
            yield f"{name}: pytest {tests} -k {word}, which is in the name of no test there"


def check_versions(root):
    """One version, wherever it is written."""
    written = {}
    for name, pattern in VERSIONS.items():
        if (root / name).exists():
            written[name] = re.search(pattern, (root / name).read_text(), re.MULTILINE)[1]
    if len(set(written.values())) > 1:
        yield f"versions differ: {', '.join(f'{version} in {name}' for name, version in written.items())}"


def breaches(root):
    yield from check_versions(root)
    for name, path in files(root):
        text = path.read_text(errors="replace")
        yield from check_name(name)
        yield from check_rooms(name, text)
        if name not in GENERATED:
            yield from check_text(name, text)
        if path.suffix == ".md":
            yield from check_links(path, name, text)
            yield from check_commands(root, name, text)
        if re.fullmatch(r"include/muon/\w+/Passes\.td", name):
            yield from check_passes(root, name, text)


def main(root):
    found = list(breaches(pathlib.Path(root)))
    print("\n".join(found))
    return 1 if any(not line.startswith("note:") for line in found) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
