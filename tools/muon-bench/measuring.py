"""What the modes of muon-bench share: which machine, which rows, and steps timed by turns."""

import importlib.metadata
import os
import pathlib
import sys
import time

LIMIT = "MUON_LIMIT_ISA"  # the instruction set that muon-limit-isa was asked for, to the programs it runs


def machine():
    """One line about the processor, its width and what is installed."""
    facts = {}
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        facts.setdefault(key.strip(), value.strip())
    flags = facts.get("flags", "").split()
    units = " ".join(flag for flag in ("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16") if flag in flags)
    limit = os.environ.get(LIMIT)
    if limit:
        units = f"limited to {limit} by muon-limit-isa"
    versions = []
    for package in ("torch", "jax", "optax"):
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return (
        f"{facts.get('model name', 'unknown processor')} (family {facts.get('cpu family')}, model "
        f"{facts.get('model')}), {len(os.sched_getaffinity(0))} threads, {units}; {', '.join(versions)}"
    )


def announce(conditions):
    """The lines above a table: the machine, the command, and how it was measured."""
    print(f"Machine: {machine()}.  \nCommand: `muon-bench {' '.join(sys.argv[1:])}`{conditions}\n", flush=True)


def chosen(rows, name_of, asked):
    """The rows whose name contains one of the words asked for, all without any; ends the program where there is none."""
    words = [word for word in asked.split(",") if word]
    found = [row for row in rows if not words or any(word in name_of(row) for word in words)]
    if not found:
        sys.exit(f"muon-bench: no row matches '{asked}'; rows are: {'; '.join(map(name_of, rows))}")
    return found


def time_step(step, at_least=0.03):
    """Seconds of one step: the mean over as many as fill `at_least`.

    The pause lets the previous competitor's threads stop spinning; one step that is not counted fills the caches,
    where steps are short enough for that to matter.
    """
    time.sleep(0.02)
    start = time.perf_counter()
    step()
    spent = time.perf_counter() - start
    if spent > 0.5:
        return spent
    count, start = 0, time.perf_counter()
    while True:
        step()
        count += 1
        spent = time.perf_counter() - start
        if spent >= at_least:
            return spent / count


def measure(steps, rounds, leave_alone=True):
    """Seconds of every competitor in every round, in rotating order.

    With leave_alone, after two rounds a peer twice as slow as the fastest one is left alone: it cannot win the row.
    """
    names, times = list(steps), {name: [] for name in steps}
    for index in range(rounds):
        shift = index % len(names)
        for name in names[shift:] + names[:shift]:
            times[name].append(time_step(steps[name]))
        if index == 1 and leave_alone:
            best = {name: min(times[name]) for name in names if name != "ours"}
            names = [name for name in names if best.get(name, 0.0) <= 2 * min(best.values(), default=0.0)]
    return times
