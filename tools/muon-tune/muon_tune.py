"""muon-tune: the fastest verified table, form, restarts and operand type for a shape on this machine.

muon-tune --shape 1024x4096 --dtype bf16 --floor 1e-2 --like keller
muon-tune --gradients recorded.safetensors
muon-tune plot --shape 1024x4096 --output tuned.svg
muon-tune list | export FILE | import FILE
"""

import argparse
import datetime
import json
import math
import os
import sys
import tempfile

import answer


def parser_of_tuning():
    parser = argparse.ArgumentParser(
        prog="muon-tune", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", action="append", default=[], help="ROWSxCOLUMNS; may be repeated")
    parser.add_argument(
        "--gradients", help="a .safetensors file of recorded momenta, or a folder of them: floors and shapes from them"
    )
    parser.add_argument(
        "--quantile",
        type=float,
        help="with --gradients: the share of singular values below the floor (default 0.1)",
    )
    parser.add_argument(
        "--dtype",
        default="auto",
        choices=("auto", "f32", "bf16", "f16", "tf32"),
        help="operand types a candidate may have (default auto)",
    )
    parser.add_argument(
        "--target",
        default="cpu",
        help="cpu: this machine, timed; sm_80, sm_90 or another processor: ranked by the model, marked `modelled`",
    )
    parser.add_argument(
        "--floor",
        type=float,
        help="smallest singular value served, relative to the Frobenius norm (default 1e-2; f32 1e-3)",
    )
    parser.add_argument("--band", help="LOWER:UPPER, where the singular values have to end")
    parser.add_argument("--like", help="at least as good as this preset: its own band at the floor (default keller)")
    parser.add_argument(
        "--error",
        type=float,
        help="largest relative error to float64 (default: not above the preset's in the same operand type)",
    )
    parser.add_argument(
        "--norms",
        help="normalisers of the candidates, comma-separated, of frobenius, trace, schatten4, aol (default frobenius; "
        "with --gradients schatten4 too, and trace where the recorded norms allow it)",
    )
    parser.add_argument(
        "--model",
        help="with --gradients: the name under which the layers' floors are kept (default: the recordings' own)",
    )
    parser.add_argument(
        "--table",
        action="append",
        default=[],
        help="a further candidate: NAME, NAME:STEPS, or rows as JSON (or a file of them)",
    )
    parser.add_argument(
        "--candidates", type=int, default=10, help="how many are compiled, verified and timed (default 10)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="rounds of timing (default 5)")
    parser.add_argument("--workers", type=int, default=0, help="threads of a step (default: the runtime's)")
    parser.add_argument(
        "--database", help="the tuning database (default: $MUON_TUNING_DB, or tuning.sqlite in the program cache)"
    )
    parser.add_argument("--again", action="store_true", help="tune even where the database has an answer")
    return parser


def fail(line):
    sys.exit(f"muon-tune: {line}")


def checked(parse, text):
    try:
        return parse(text)
    except ValueError as error:
        fail(str(error))


def tables_by_hand(texts):
    """(name, rows) of every --table."""
    from muonc import _tuning as tuning

    tables = []
    for text in texts:
        name, content = "custom", text
        try:
            if os.path.exists(text):
                with open(text) as file:
                    name, content = os.path.basename(text), file.read()
            if content.lstrip().startswith("["):
                tables.append((name, rows_of(content)))
                continue
            published, colon, steps = content.strip().partition(":")
            if colon and not (steps.isascii() and steps.isdigit()):
                raise ValueError("expected NAME, NAME:STEPS, or rows of numbers as JSON")
            tables.append(tuning.published_table(published, int(steps) if colon else None))
        except ValueError as error:
            fail(f"--table {text}: {error}")
    return tables


def rows_of(content):
    """The rows of a table written as JSON; ValueError with one line."""
    try:
        return [[float(value) for value in row] for row in json.loads(content)]
    except (ValueError, TypeError, RecursionError):
        raise ValueError("expected rows of numbers as JSON, as in [[1.5, -0.5], [1.5, -0.5]]") from None


def entry_of(options, shape, outcome, asked, schatten4):
    """What is recorded."""
    from muonc import _tuning as tuning

    winner = outcome["winner"]
    problem = outcome["problem"]
    return {
        **answer.key_of(tuning, shape, options.dtype, options.target),
        "floor": problem.floor,
        "lower": problem.band[0],
        "upper": problem.band[1],
        "schatten4": schatten4,
        "asked": asked,
        "plan": json.dumps(winner.plan()),
        "facts": json.dumps(
            {"baseline": outcome["baseline"].facts(), "candidates": [c.facts() for c in outcome["candidates"]]}
        ),
        "text": outcome["text"],
        "made": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "seconds": winner.seconds,
        "modelled": outcome["modelled"],
    }


def tune_shape(options, database, shape, floor, band, recording=None):
    """The entry, from the database or tuned, recorded and printed. recording: of the layers that are tuned for
    (recorded.py); with one, None where no candidate is verified, which else ends the program.
    """
    from muonc import _tuning as tuning

    like = options.like or "keller"
    schatten4 = recording.schatten4 if recording else 0.0
    asked = answer.words_of(like, band, floor, options.error, options.norms, schatten4, options.workers)
    if not options.again and not options.table:
        entry = database.find_asked(answer.key_of(tuning, shape, options.dtype, options.target), asked)
        if entry is not None:
            answer.print_entry(entry)
            return entry
    import tuner

    try:
        norms = recording.norms if recording else norms_asked(options) or ["frobenius"]
        outcome = tuner.tune(options, shape, like, floor, band, tables_by_hand(options.table), norms, recording)
    except ValueError as error:
        fail(str(error))
    print(outcome["text"])
    if outcome["winner"] is None and recording:
        return None
    if outcome["winner"] is None:
        fail(f"no candidate for {shape[0]}x{shape[1]} is verified; nothing was recorded. {outcome['nearest']}")
    entry = entry_of(options, shape, outcome, asked, schatten4)
    database.record(entry)
    print(f"Recorded in {options.database}.", flush=True)
    return entry


NORMS = ("frobenius", "trace", "schatten4", "aol")


def norms_asked(options):
    """The list of --norms; empty without."""
    asked = options.norms.split(",") if options.norms else []
    unknown = [norm for norm in asked if norm not in NORMS]
    if unknown or len(set(asked)) < len(asked):
        fail(f"expected --norms to be some of {','.join(NORMS)}, got {options.norms}")
    return asked


def check_numbers(options):
    if options.floor is not None and not 0 < options.floor < 1:
        fail(f"expected 0 < --floor < 1, got {options.floor:g}")
    if options.error is not None and not 0 < options.error < math.inf:
        fail(f"expected 0 < --error, got {options.error:g}")
    if not 0 <= options.quantile < 1:
        fail(f"expected 0 <= --quantile < 1, got {options.quantile:g}")
    for name, least in (("candidates", 1), ("rounds", 1), ("workers", 0)):
        if getattr(options, name) < least:
            fail(f"expected {least} or more --{name}, got {getattr(options, name)}")


def run_tuning(words):
    options = parser_of_tuning().parse_args(words)
    if options.band and options.like:
        fail("expected --band or --like, got both")
    if not options.shape and not options.gradients:
        fail("expected --shape or --gradients")
    for name in ("model", "quantile"):
        if getattr(options, name) is not None and not options.gradients:
            fail(f"--{name} needs --gradients")
    if options.quantile is None:
        options.quantile = 0.1
    check_numbers(options)
    if "," in options.target:
        fail(f"expected one --target, got {options.target}")
    norms_asked(options)
    band = checked(answer.parse_band, options.band) if options.band else None
    shapes = [checked(answer.parse_shape, text) for text in options.shape]

    from muonc import _tuning as tuning

    options.database = options.database or tuning.database_path()
    database = tuning.open_database(options.database, create=True)
    # Programs of candidates are of no use to anybody else.
    with tempfile.TemporaryDirectory(prefix="muon-tune-") as cache:
        os.environ["MUON_CACHE_DIR"] = cache
        if options.gradients:
            import recorded

            return recorded.tune_recorded(options, database, shapes, band, norms_asked(options), tune_shape)
        floor = options.floor if options.floor is not None else answer.default_floor(options.dtype)
        for shape in shapes:
            tune_shape(options, database, shape, floor, band)


def run_database(action, words):
    """list, export and import."""
    parser = argparse.ArgumentParser(prog=f"muon-tune {action}")
    parser.add_argument("--database")
    if action != "list":
        parser.add_argument("file", help="JSON")
    options = parser.parse_args(words)
    from muonc import _tuning as tuning

    path = options.database or tuning.database_path()
    if action == "import":
        return import_entries(path, options.file)
    opened = tuning.open_database(path)
    entries, layers = opened.entries(), opened.layers()
    if action == "export":
        with open(options.file, "w") as file:
            json.dump({"application": "muon-tune", "version": 1, "entries": entries, "layers": layers}, file, indent=1)
        print(f"{len(entries)} entries written to {options.file}.")
        return
    for entry in entries:
        plan = json.loads(entry["plan"])
        degrees = ",".join(str(2 * len(row) - 1) for row in plan["table"])
        kind = "modelled" if entry["modelled"] else "measured"
        print(
            f"{entry['rows']}x{entry['columns']}  {entry['asked']}, dtype {entry['dtype']}: degrees {degrees}, "
            f"{plan['form']}, {plan['operands']}, {entry['seconds'] * 1e3:.4g} ms {kind}  "
            f"({entry['device']}, {entry['compiler']}, {entry['made']})"
        )
    for layer in layers:
        schatten4 = f", schatten4 {layer['schatten4']:g}" if layer["schatten4"] else ""
        print(
            f"model {layer['model']}: {layer['layer']}  {layer['rows']}x{layer['columns']}: floor {layer['floor']:g}{schatten4}, "
            f"quantile {layer['quantile']:g} ({layer['made']})"
        )


# What forEachOption in include/muon/Form/Presets.h calls planned.
PLAN = ("table", "steps", "safety", "norm", "operands", "form", "restarts", "tile")
EVERYTHING = "sapphirerapids-amx"  # a processor that multiplies every operand type of processors


def check_entry(entry, where):
    """ValueError with one line if the compiler would not take what an entry says."""
    from muonc import _tuning as tuning
    from muonc import program
    from stepping import request_of

    if not isinstance(entry, dict):
        raise ValueError(f"expected {where} to be an object")
    plan = json.loads(entry["plan"])
    if not isinstance(plan, dict) or not {"table", "form", "operands"} <= plan.keys() <= {*PLAN}:
        raise ValueError(
            f"expected table, form and operands in the plan of {where}, and of {', '.join(PLAN)} no others"
        )
    if not isinstance(plan["table"], list):
        raise ValueError(f"expected the rows of a table in the plan of {where}")
    outside = tuning.check_band(
        plan["table"], entry["lower"], entry["upper"], tuning.floor_under(entry, plan.get("norm", "")), where
    )
    if outside:
        raise ValueError(outside)
    target = entry["device"] if entry["device"].startswith("sm_") else EVERYTHING
    try:
        program.compile_text(request_of((entry["rows"], entry["columns"]), "keller", plan, "auto", target), "header")
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def import_entries(database_path, path):
    """Adds the entries of an export whose tables are in their bands; one that is not ends it, with nothing added."""
    from muonc import _tuning as tuning

    with open(path, "rb") as file:
        text = file.read()
    try:
        content = json.loads(text)
        if content["application"] != "muon-tune" or content["version"] != 1:
            raise ValueError("expected application muon-tune, version 1")
        for index, entry in enumerate(content["entries"]):
            check_entry(entry, f"entry {index + 1}")
        database = tuning.open_database(database_path, create=True)
        database.record_all(content["entries"], content.get("layers", []))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        fail(f"{path} is not an export of muon-tune: {type(error).__name__}: {str(error).splitlines()[0]}")
    print(f"{len(content['entries'])} entries added.")


def run():
    words = sys.argv[1:]
    action = words[0] if words else ""
    if action in ("list", "export", "import"):
        return run_database(action, words[1:])
    if action == "plot":
        import plotting

        return plotting.run(words[1:])
    return run_tuning(words)


def main():
    try:
        run()
    except OSError as error:  # of a file or the database: it says which
        fail(str(error))


if __name__ == "__main__":
    main()
