"""muon-bench: a whole optimizer step beside the fastest existing Muons, in one run, interleaved.

Every round runs every competitor once, in rotating order; a row's ratio is the median over rounds of the fastest
peer's time by ours, where the fastest is the peer with the lowest median. Prints markdown for docs/benchmarks.md.
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

from measuring import LIMIT, announce, chosen, measure, time_step

GPT2_SMALL = [(2304, 768), (768, 768), (3072, 768), (768, 3072)] * 12
# name, shapes, the ratio to reach where f32 is the fastest operand type, or f16, which no peer multiplies faster; and
# where bf16 is
ROWS = [
    ("768x768", [(768, 768)], 1.7, 1.5),
    ("2048x2048", [(2048, 2048)], 1.7, 1.5),
    ("768x3072", [(768, 3072)], 3.5, 2.0),
    ("1024x4096", [(1024, 4096)], 3.5, 2.0),
    ("64 x 128x512", [(128, 512)] * 64, 3.0, 3.0),
    ("GPT-2 small (48 matrices)", GPT2_SMALL, 2.7, 2.0),
]

# What a mode does not look at.
IGNORED = {
    "compile_time": ("rows", "restarts", "pairs", "no_compiled"),
    "early_stop": ("form", "restarts", "pairs", "no_compiled"),
    "exact": ("dtype", "form", "restarts", "pairs", "no_compiled"),
    "peak": ("rows", "rounds", "dtype", "form", "restarts", "pairs", "no_compiled"),
    "small": ("dtype", "form", "restarts", "pairs", "no_compiled"),
}

PRODUCTS_OF_BF16 = ("amx", "dot")  # of the instruction sets the compiler tells apart


def bound(text):
    """The --early-stop."""
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"expected a number between 0 and 1, got {text}")
    return value


def row_numbers(text):
    """The --restarts or --pairs."""
    rows = [] if text == "none" else text.split(",")
    if not all(row.isascii() and row.isdigit() for row in rows):
        raise argparse.ArgumentTypeError(f"expected row numbers as in 3 or 2,4, or none, got {text}")
    return [int(row) for row in rows]


def arguments():
    parser = argparse.ArgumentParser(prog="muon-bench", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default="", help="only rows whose name contains one of these, comma-separated")
    parser.add_argument("--rounds", type=int, default=9, help="rounds per row (default 9)")
    parser.add_argument("--threads", type=int, default=0, help="processors to use (default: all allowed)")
    parser.add_argument(
        "--isa",
        choices=("avx2", "avx512"),
        help="as on a processor that has only this (avx512: neither bf16 nor AMX): muon-limit-isa, for everybody in the process",
    )
    parser.add_argument(
        "--dtype", default="auto", choices=("auto", "f32", "bf16", "f16"), help="our operand type (default auto)"
    )
    parser.add_argument("--form", default="auto", choices=("auto", "standard", "gram"), help="our form (default auto)")
    parser.add_argument(
        "--restarts",
        type=row_numbers,
        metavar="STEPS",
        help="with --form gram: where R is rebuilt, comma-separated, or none (default: chosen by error)",
    )
    parser.add_argument(
        "--pairs",
        type=row_numbers,
        metavar="ROWS",
        help="with a form: rows evaluated as one with the next, comma-separated, or none (default: chosen)",
    )
    parser.add_argument("--no-compiled", action="store_true", help="leave torch.compile out")
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("--compile-time", action="store_true", help="cold, warm and disk-cache compile times instead")
    modes.add_argument("--early-stop", type=bound, metavar="BOUND", help="with and without an early stop instead")
    modes.add_argument(
        "--exact", action="store_true", help="the preset exact beside the singular value decomposition instead"
    )
    modes.add_argument("--peak", action="store_true", help="peaks and the efficiency of the GEMM stages instead")
    modes.add_argument("--small", action="store_true", help="small matrices by operand type instead")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error(f"argument --rounds: expected 1 or more, got {options.rounds}")
    if options.threads < 0:
        parser.error(f"argument --threads: expected 1 or more, or 0 for all, got {options.threads}")
    for mode, ignored in IGNORED.items():
        for name in ignored:
            if getattr(options, mode) and getattr(options, name) != parser.get_default(name):
                parser.error(f"argument --{name}: not allowed with argument --{mode}".replace("_", "-"))
    return options


def limit_isa(isa):
    """Starts this program again with cpuid answered as by a processor that has this instruction set and no later one."""
    tool = pathlib.Path(os.environ["MUON_BIN"]) / "muon-limit-isa"
    if not tool.exists():
        sys.exit(f"muon-bench: {tool} is not there; --isa needs Linux on x86-64")
    # torch.compile keeps what it compiled for the processor it saw.
    own = {"TORCHINDUCTOR_CACHE_DIR": os.path.join(tempfile.gettempdir(), f"muon-bench-inductor-{isa}")}
    os.execve(tool, [str(tool), isa, sys.executable, *sys.argv], {**os.environ, **own})


def product_rates():
    """Whether the limit is obeyed: nobody's product of 1024x1024 may outrun multiply-adds of that width in registers."""
    import torch

    side, threads = 1024, len(os.sched_getaffinity(0))
    x = torch.randn(side, side)
    calls = {"torch": lambda: x @ x}
    try:
        import jax

        y, product = jax.numpy.array(x.numpy()), jax.jit(lambda y: y @ y)
        calls["jax"] = lambda: product(y).block_until_ready()
    except ImportError:
        pass
    rates = {"registers only": threads * ask(kernel_bench(), "registers f32")[0]}
    for who, call in calls.items():
        call()
        rates[who] = 2e-9 * side**3 / min(time_step(call) for _ in range(9))
    return ", ".join(f"{who} {rate:.0f}" for who, rate in rates.items())


class Ours:
    """muonc.torch.Muon on copies of the same matrices."""

    def __init__(self, weights, gradients, options):
        import muonc.torch
        import peers

        chosen = {"dtype": options.dtype, "form": options.form}
        for name, rows in (("restarts", options.restarts), ("pairs", options.pairs)):
            if rows is not None:
                chosen[name] = rows
        self.peer = peers.TorchPeer(muonc.torch.Muon, weights, gradients, **chosen)
        self.step = self.peer.step

    def report(self):
        return self.peer.optimizer.report()


def problem(shapes):
    """The same weights and gradients for everybody."""
    import torch

    generator = torch.Generator().manual_seed(0)
    weights = [0.02 * torch.randn(shape, generator=generator) for shape in shapes]
    return weights, [1e-3 * torch.randn(shape, generator=generator) for shape in shapes]


def competitors(shapes, options):
    """(name -> step, our object, notes on who is left out)."""
    import peers

    weights, gradients = problem(shapes)
    try:
        ours = Ours(weights, gradients, options)
        ours.step()  # compiles
    except ValueError as error:  # what was asked cannot be
        sys.exit(f"muon-bench: {error}")
    steps, notes = {"ours": ours.step}, []
    for name, make, left_out in peers.peers():
        if left_out is None and options.no_compiled and "compiled" in name:
            left_out = "left out by --no-compiled"
        if left_out is None:
            try:
                steps[name] = make(weights, gradients).step
                steps[name]()
                continue
            except Exception as error:  # a peer that cannot run is reported, not fatal
                steps.pop(name, None)
                left_out = f"failed: {(str(error).splitlines() or [type(error).__name__])[0]}"
        notes.append(f"{name}: {left_out}")
    for _ in range(2):
        ours.step()
    return steps, ours, notes


def run_row(name, shapes, goals, options):
    """Prints one row and returns the notes on peers left out."""
    steps, ours, notes = competitors(shapes, options)
    times = measure(steps, options.rounds)
    medians = {who: statistics.median(values) for who, values in times.items()}
    rivals = {who: value for who, value in medians.items() if who != "ours"}
    fastest = min(rivals, key=rivals.get)
    ratios = [theirs / mine for theirs, mine in zip(times[fastest], times["ours"])]
    import peers

    goal = goals[1] if ours.report()["program"]["target"]["isa"] in PRODUCTS_OF_BF16 else goals[0]
    cells = [name, f"{medians['ours'] * 1e3:.2f}"]
    for who, _, _ in peers.peers():
        cells.append(f"{medians[who] * 1e3:.2f}" if who in medians else "-")
    spread = f"{min(ratios):.2f}-{max(ratios):.2f}"
    cells += [fastest, f"**{statistics.median(ratios):.2f}x** ({spread})", f"{goal}x"]
    print("| " + " | ".join(cells) + " |", flush=True)
    return notes, ours.report()


def describe(report):
    """The path that ran, from the program's own report."""
    program, forms = report["program"], []
    for group in program["groups"]:
        for choice in group.get("choice", []):
            restarts = f" restarted before {choice['restarts']}" if choice.get("restarts") else ""
            pairs = f" in pairs {choice['pairs']}" if choice.get("pairs") else ""
            forms.append(f"{group.get('function', '?')} {choice.get('form', '?')}{restarts}{pairs}")
    paths = dict.fromkeys(kernel["path"] for kernel in program["kernels"] if "path" in kernel)
    counts = f"{report['workers']} workers, {report['stages']} stages, {report['launches']} launches"
    workspace = f"workspace {report['workspace_bytes'] / 1e6:.0f} of {program['workspace_bytes'] / 1e6:.0f} MB"
    return f"{report['target']}, {counts}, {workspace}; {', '.join(forms)}; {', '.join(paths)}"


def run_rows(options):
    import peers

    rows = chosen(ROWS, lambda row: row[0], options.rows)
    announce(f", {options.rounds} rounds; milliseconds per step, medians.")
    if options.isa:
        print(f"Products of 1024x1024 in f32, GF, all threads: {product_rates()}.\n", flush=True)
    heads = ["matrices", "ours", *(who for who, _, _ in peers.peers()), "fastest peer", "ratio (range)", "goal"]
    print("| " + " | ".join(heads) + " |")
    print("|" + "---|" * len(heads))
    notes, paths = {}, []
    for name, shapes, f32_goal, bf16_goal in rows:
        left_out, report = run_row(name, shapes, (f32_goal, bf16_goal), options)
        notes.update(dict.fromkeys(left_out))
        paths.append(f"- {name}: {describe(report)}")
    print("\nLeft out: " + ("; ".join(notes) if notes else "nobody") + ".\n\nPaths that ran:\n" + "\n".join(paths))


_COMPILE = """
import json, sys, time
start = time.perf_counter()
import muonc
from muonc import program
imported = time.perf_counter()
made = program.compile_program(json.loads(sys.argv[1]))
print(imported - start, time.perf_counter() - imported, made.origin.replace(" ", "_"))
"""


def compile_times(options):
    """Time to get a program in a new process: with an empty cache, and from the disk cache."""
    announce("; seconds in a new process.")
    print("| program | empty cache | goal | disk cache | goal |\n|---|---|---|---|---|")
    for name, shapes, goal in (("768x3072", [(768, 3072)], 1.5), ("GPT-2 small (48 matrices)", GPT2_SMALL, 3.0)):
        groups = {}
        for index, shape in enumerate(shapes):
            groups.setdefault(shape, []).append(f"p{index}")
        request = {
            "name": "timed",
            "dtype": options.dtype,
            "form": options.form,
            "groups": [
                {"shape": list(shape), "parameters": names, "set": "all", "preset": "torch"}
                for shape, names in groups.items()
            ],
        }
        compiled, cached = [], []
        for _ in range(max(3, options.rounds // 3)):
            with tempfile.TemporaryDirectory() as directory:
                for seconds in (compiled, cached):
                    output = subprocess.run(
                        [sys.executable, "-c", _COMPILE, json.dumps(request)],
                        check=True,
                        text=True,
                        stdout=subprocess.PIPE,
                        env={**os.environ, "MUON_CACHE_DIR": directory},
                    ).stdout
                    seconds.append(float(output.split()[1]))
        print(
            f"| {name} | {statistics.median(compiled):.2f} s | {goal} s | {statistics.median(cached) * 1e3:.1f} ms "
            f"| 50 ms |",
            flush=True,
        )


# A shape, and m, n, k of one of its products, which is symmetric or not: gram and apply stages of square and wide
# matrices
STAGES = [
    ("128x128", 128, 128, 128, 1),
    ("128x512", 128, 512, 128, 0),
    ("512x512", 512, 512, 512, 1),
    ("768x768", 768, 768, 768, 1),
    ("768x3072", 768, 768, 3072, 1),
    ("768x3072", 768, 3072, 768, 0),
]
REFERENCE = "128 128 512 64 64 512 -"  # the register tiles alone: operands in the second-level cache, nothing written
LETTERS = {"plain": "p", "columns": "c", "rows": "r", "row_tiles": "t"}


def ask(tool, question):
    done = subprocess.run([str(tool)], input=question + "\n", text=True, stdout=subprocess.PIPE, check=True)
    return [float(word) for word in done.stdout.split()]


def compiled_stage(dtype, shape, m, n, k, symmetric):
    """Blocks, chunk and outputs of the product as the compiler plans it, as muon-kernel-bench is asked for them."""
    request = f"--shape {shape} --dtype {dtype} --preset keller --target cpu --emit mlir -o -".split()
    compiler = pathlib.Path(os.environ["MUON_BIN"]) / "muon-opt"
    plan = subprocess.run([compiler, *request], text=True, stdout=subprocess.PIPE, check=True).stdout
    kernels = {
        name: (bool(mirrored), operands)
        for name, mirrored, operands in re.findall(
            r"muon\.kernel @(\w+) product (symmetric )?(?:square )?of \w+ operands \[(.*?)\] scalars", plan
        )
    }
    for name, sizes in re.findall(r"muon\.launch @(\w+) .*? sizes \[([\d, ]+)\]", plan):
        sizes = sizes.split(", ")
        if name in kernels and kernels[name][0] == bool(symmetric) and sizes[:3] == [str(m), str(n), str(k)]:
            outputs = "".join(
                LETTERS[layout] for layout in re.findall(r"operand<out, element, (\w+)", kernels[name][1])
            )
            return f"native {dtype} {symmetric} {' '.join(sizes)} {outputs}"
    sys.exit(f"muon-bench: the program of {shape} has no product of {m} x {n}, k = {k}")


def own_isa():
    """How products are computed on this machine, as the compiler sees it."""
    report = subprocess.run(
        [pathlib.Path(os.environ["MUON_BIN"]) / "muon-opt", "--shape", "8x8", "--emit", "report", "-o", "-"],
        text=True,
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    return json.loads(report)["target"]["isa"]


def kernel_bench():
    tool = pathlib.Path(os.environ.get("MUON_BIN", ".")) / "muon-kernel-bench"
    if not tool.exists():
        sys.exit(f"muon-bench: {tool} is not there; expected after `ninja -C build/release muon-kernel-bench`")
    return tool


def peak(options):
    """Product stages as the compiler plans them, with their packed outputs, in turns with the same register tiles
    writing nothing.
    """
    tool = kernel_bench()
    announce(", one thread, GF.")
    print("| product | operands | stage | register tiles alone | ratio | registers only |\n|---|---|---|---|---|---|")
    halves = {"fma": [], "half": ["f16"]}.get(own_isa(), ["bf16"])  # what is not widened to f32 anyway
    for dtype in ["f32", *halves]:
        registers = ask(tool, f"registers {dtype}")[0]
        for shape, m, n, k, symmetric in STAGES:
            stage = compiled_stage(dtype, shape, m, n, k, symmetric)
            got, tiles, ratio = ask(tool, f"{stage} native {dtype} 0 {REFERENCE} 500")
            what = f"{m}x{n}, k = {k}{', symmetric: mirror included' if symmetric else ''}"
            print(f"| {what} | {dtype} | {got:.0f} | {tiles:.0f} | {ratio:.0%} | {registers:.0f} |", flush=True)


def main():
    options = arguments()
    if options.isa and os.environ.get(LIMIT) != options.isa:
        limit_isa(options.isa)
    if options.threads:
        allowed = sorted(os.sched_getaffinity(0))
        if options.threads > len(allowed):
            sys.exit(f"muon-bench: {options.threads} threads were asked for; {len(allowed)} processors are allowed")
        os.sched_setaffinity(0, allowed[: options.threads])  # before torch and jax count them
    if options.peak:
        return peak(options)
    if options.compile_time:
        return compile_times(options)
    if options.early_stop:
        import early_stop

        return early_stop.run(options)
    if options.exact:
        import exact

        return exact.run(options)
    if options.small:
        import small

        return small.run(options)
    return run_rows(options)


if __name__ == "__main__":
    main()
