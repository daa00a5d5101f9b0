"""The first thing muon-tune runs: an answer the database already has, without numpy, LLVM, JSON or a parser
of options.

Started as `python -S answer.py ...` by bin/muon-tune, with $MUON_PACKAGE naming the folder of the extensions. Whatever
it does not know at once goes to muon_tune.py, in the same process slot, with the same arguments.
"""

import os
import sys

LARGEST = 2**31  # rows or columns


def plain_options(words):
    """{flag: value} where every word is `--flag value` or `--flag=value`, each flag once; None for anything else."""
    known = {"--shape", "--dtype", "--target", "--floor", "--band", "--like", "--norms", "--database"}
    options, words = {}, list(words)
    while words:
        flag, equals, value = words.pop(0).partition("=")
        if not equals:
            value = words.pop(0) if words else None
        if flag not in known or flag in options or value is None:
            return None
        options[flag] = value
    return options


def default_floor(dtype):
    """What the operands carry: bf16 loses singular values below a hundredth of the norm."""
    return 1e-3 if dtype == "f32" else 1e-2


def words_of(like, band, floor, error=None, norms=None, schatten4=0.0, workers=0):
    """The request in canonical words: what an entry is `asked` for. band: (lower, upper), wins over like."""
    what = f"band {band[0]:g}:{band[1]:g}" if band else f"like {like}"
    said = {"error": error, "norms": norms, "schatten4": schatten4, "workers": workers}
    return f"{what}, floor {floor:g}" + "".join(
        f", {name} {value if name == 'norms' else format(value, 'g')}" for name, value in said.items() if value
    )


def parse_shape(text):
    """(rows, columns) of ROWSxCOLUMNS; ValueError with one line."""
    parts = text.split("x")
    digits = all(part.isascii() and part.isdigit() and len(part) <= len(str(LARGEST)) for part in parts)
    sizes = tuple(int(part) for part in parts) if digits else ()
    if len(sizes) != 2 or not all(0 < size <= LARGEST for size in sizes):
        raise ValueError(f"malformed shape '{text}', expected ROWSxCOLUMNS, sizes up to 2^31")
    return sizes


def parse_band(text):
    """(lower, upper) of LOWER:UPPER; ValueError with one line."""
    try:
        lower, upper = (float(part) for part in text.split(":"))
    except ValueError:
        lower = upper = 0.0
    if not 0 < lower < upper < 2:
        raise ValueError(f"malformed band '{text}', expected LOWER:UPPER with 0 < LOWER < UPPER < 2, as in 0.7:1.3")
    return lower, upper


def key_of(tuning, shape, dtype, target):
    return {
        "device": tuning.device(target),
        "dtype": dtype,
        "rows": shape[0],
        "columns": shape[1],
        "compiler": tuning.compiler(),
    }


def known_answer(words):
    """The entry for a plain command line, or None."""
    options = plain_options(words)
    if not options or "--shape" not in options or ("--band" in options and "--like" in options):
        return None
    sys.path.insert(0, os.environ["MUON_PACKAGE"])
    import _tuning as tuning

    path = options.get("--database") or tuning.database_path()
    try:
        shape = parse_shape(options["--shape"])
        dtype = options.get("--dtype", "auto")
        floor = float(options.get("--floor", default_floor(dtype)))
        band = parse_band(options["--band"]) if "--band" in options else None
        asked = words_of(options.get("--like", "keller"), band, floor, norms=options.get("--norms"))
        if not os.path.exists(path):
            return None
        return tuning.open_database(path).find_asked(
            key_of(tuning, shape, dtype, options.get("--target", "cpu")), asked
        )
    except (ValueError, OSError):
        return None  # muon_tune.py says what is wrong


def print_entry(entry):
    """What the tuner printed when it made the entry."""
    print(entry["text"])
    print(f"From the tuning database ({entry['made']}); --again tunes anew.")


def main():
    entry = known_answer(sys.argv[1:])
    if entry is not None:
        print_entry(entry)
        return
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "muon_tune.py")
    os.execv(sys.executable, [sys.executable, program, *sys.argv[1:]])


if __name__ == "__main__":
    main()
