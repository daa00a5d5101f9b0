"""Trains a small GPT three times at once from one seed: our optimizer, the fastest existing Muon here, AdamW.

The three take turns step by step, so that each sees the same batches and the same machine.
"""

import argparse
import collections
import pathlib
import re
import statistics
import sys
import time

import torch
from tqdm import tqdm

import muonc
import muonc.torch
from model import CONTEXT, GPT

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools" / "muon-bench"))
import peers  # noqa: E402

BATCH = 16
SEED = 1234
RATE, DECAY = 0.02, 0.1
SAME = 0.01  # nats per character between runs of one update in different roundings; 0.001 was seen after 274 steps


class Run:
    """One model with its optimizer for the matrices (timed) and AdamW for the rest."""

    def __init__(self, name, characters, make):
        torch.manual_seed(SEED)
        self.name, self.model = name, GPT(characters)
        matrices, others = muonc.split_parameters(self.model)
        self.matrices = make(matrices)
        self.others = torch.optim.AdamW(others, lr=3e-3, betas=(0.9, 0.95), weight_decay=0.0)
        self.losses, self.milliseconds = [], []

    def step(self, text, targets, rate):
        """One step at `rate` of the full learning rate."""
        loss = self.model(text, targets)
        loss.backward()
        for optimizer in (self.matrices, self.others):
            for group in optimizer.param_groups:
                group["lr"] = group.setdefault("full_lr", group["lr"]) * rate
        start = time.perf_counter()
        self.matrices.step()
        self.milliseconds.append((time.perf_counter() - start) * 1e3)
        self.others.step()
        self.model.zero_grad(set_to_none=True)
        self.losses.append(loss.item())

    def recent(self):
        return statistics.mean(self.losses[-20:])

    def speed(self):
        """Median milliseconds of the optimizer for the matrices; the first step, which may compile, left out."""
        return statistics.median(self.milliseconds[1:] or self.milliseconds)

    @torch.no_grad()
    def validate(self, batches):
        return statistics.mean(self.model(*batch).item() for batch in batches)


def verses(path):
    """The text that `bible -f` printed, without its banner and prompts."""
    text = pathlib.Path(path).read_text(errors="replace")
    marker = text.find("> gen1:1-rev22:21")
    body = text[marker:] if marker >= 0 else text
    return "\n".join(line for line in body.splitlines() if re.match(r"\w+\d+:\d+ ", line))


def read_text(path):
    """The verses of a file; ends the program with one line where they cannot be trained on."""
    try:
        text = verses(path)
    except OSError as error:
        sys.exit(f"--text {path}: {error.strerror}")
    held_out = len(text) - trained_on(len(text))
    if held_out <= CONTEXT + 1:
        sys.exit(
            f"--text {path}: expected verses as `bible -f` prints them, the last twentieth longer than "
            f"{CONTEXT + 1} characters, got {held_out}"
        )
    return text


def trained_on(length):
    """How many characters of a text are not held out."""
    return length * 19 // 20


class Batches:
    """Random windows of a text as numbers; the last twentieth is held out."""

    def __init__(self, text):
        alphabet = sorted(set(text))
        number = {character: index for index, character in enumerate(alphabet)}
        data = torch.tensor([number[character] for character in text])
        self.characters = len(alphabet)
        self.parts = dict(zip(("train", "held out"), data.tensor_split([trained_on(len(data))])))
        self.generator = torch.Generator().manual_seed(SEED)

    def take(self, part="train"):
        data = self.parts[part]
        starts = torch.randint(len(data) - CONTEXT - 1, (BATCH,), generator=self.generator).tolist()
        windows = torch.stack([data[start : start + CONTEXT + 1] for start in starts])
        return windows[:, :-1], windows[:, 1:]


def make_runs(characters):
    """Ours, the fastest existing Muon here, AdamW."""
    settings = {"lr": RATE, "weight_decay": DECAY}
    fastest = ("torch.optim.Muon", torch.optim.Muon)
    if not peers.has_bf16_products():
        fastest = ("Keller's Muon in torch, f32 operands", peers.KellerF32)
    return [
        Run("muonc.torch.Muon", characters, lambda p: muonc.torch.Muon(p, **settings)),
        Run(fastest[0], characters, lambda p: fastest[1](p, **settings)),
        Run("AdamW", characters, lambda p: torch.optim.AdamW(p, lr=2e-3, betas=(0.9, 0.95), weight_decay=DECAY)),
    ]


def train(runs, batches, seconds):
    """Trains all runs for about `seconds` in total, 30 to 600 steps; prints as it goes."""
    warm, total, step, start = 3, None, 0, time.perf_counter()
    bar = tqdm(total=None, disable=not sys.stderr.isatty(), unit="step")
    while total is None or step < total:
        text, targets = batches.take()
        # The rate rises for ten steps and falls to a tenth at the end.
        rate = min(1.0, (step + 1) / 10) * (1.0 if total is None else 1.0 - 0.9 * step / total)
        for run in runs:
            run.step(text, targets, rate)
        step += 1
        if step == 1:
            start = time.perf_counter()  # the first step compiles
        elif step == warm + 1:
            total = max(30, min(600, int(seconds / (time.perf_counter() - start) * warm)))
            bar.total = total
            print(f"Training three models for {total} steps each.", flush=True)
        bar.update()
        if total is not None and (step % max(1, total // 12) == 0 or step == total):
            parts = [f"{run.name}: loss {run.recent():.3f}, {run.speed():.2f} ms" for run in runs]
            tqdm.write(f"step {step:4d}  " + "  |  ".join(parts))
            sys.stdout.flush()
    bar.close()


def plot(runs, path):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4), width_ratios=(2, 1))
    # Solid under dashed: the two Muons nearly coincide.
    for run, style, width in zip(runs, ("-", "--", "-"), (3.0, 1.5, 1.5)):
        smooth = [statistics.mean(run.losses[max(0, i - 9) : i + 1]) for i in range(len(run.losses))]
        left.plot(range(1, len(smooth) + 1), smooth, style, linewidth=width, label=run.name)
    left.set(xlabel="step", ylabel="loss, nats per character (mean of 10)", title="Same seed, same batches")
    left.legend()
    bars = right.bar(range(len(runs)), [run.speed() for run in runs], color=["C0", "C1", "C2"])
    right.bar_label(bars, fmt="%.2f")
    right.set_xticks(range(len(runs)), ["ours", "existing\nMuon", "AdamW"])
    right.margins(y=0.12)
    right.set(ylabel="ms per step (median)", title="Optimizer, matrices only")
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def time_torch_once():
    """Milliseconds of one torch.optim.Muon step on one 256x256 matrix."""
    parameter = torch.nn.Parameter(torch.randn(256, 256))
    parameter.grad = torch.randn(256, 256)
    optimizer = torch.optim.Muon([parameter])
    optimizer.step()
    start = time.perf_counter()
    optimizer.step()
    return (time.perf_counter() - start) * 1e3


def conclude(runs, batches, path):
    """The last lines, in plain words."""
    ours, peer, adam = runs
    held_out = [batches.take("held out") for _ in range(8)]
    losses = [run.validate(held_out) for run in runs]
    report = ours.matrices.report()
    shapes = collections.Counter(tuple(p.shape) for p in ours.matrices.param_groups[0]["params"])
    listed = ", ".join(f"{count} of {rows}x{columns}" for (rows, columns), count in shapes.items())
    made = "compiled" if report["origin"] != "disk cache" else "taken from the disk cache"
    print()
    if not peers.has_bf16_products():
        print(
            f"torch.optim.Muon itself rounds to bf16, which this processor does not multiply: one 256x256 step takes "
            f"it {time_torch_once():.1f} ms."
        )
    print(
        f"Compiled: the whole step of {sum(shapes.values())} matrices ({listed}) as one program, {made} in "
        f"{report['seconds']:.2f} s."
    )
    print(
        f"Path that ran: target {report['target']}, {report['workers']} worker threads, {report['stages']} stages, "
        f"{report['launches']} launches{describe_choice(report['program'])}."
    )
    print(
        f"Optimizer time per step: ours {ours.speed():.2f} ms, {peer.name} {peer.speed():.2f} ms "
        f"({peer.speed() / ours.speed():.1f} times ours), AdamW {adam.speed():.2f} ms."
    )
    print(
        f"Loss on held-out text after {len(ours.losses)} steps: ours {losses[0]:.3f}, {peer.name} {losses[1]:.3f}, "
        f"AdamW {losses[2]:.3f} nats per character."
    )
    print(compare_muons(ours, peer, *losses[:2]))
    print(f"Plot: {path}")


def compare_muons(ours, peer, our_loss, peer_loss):
    """Whether two Muons have computed the same update, by their losses on held-out text."""
    difference = abs(our_loss - peer_loss)
    if difference <= SAME:
        return (
            f"The two Muons compute the same update: their losses differ by {difference:.3f}, no more than the {SAME} "
            "that different rounding may make."
        )
    pairs = enumerate(zip(ours.losses, peer.losses), 1)
    parted = next((f"first at step {step}" for step, (left, right) in pairs if not abs(left - right) <= SAME), "never")
    return (
        f"The two Muons part: their losses differ by {difference:.3f}, more than the {SAME} that different rounding may "
        f"make; those of training did so {parted}."
    )


def describe_choice(program):
    """The form of each group and how its products are computed, as the report names them."""
    choices = [choice for group in program.get("groups", []) for choice in group.get("choice", [])]
    words = [f"{choice['form']} form" for choice in choices if "form" in choice]
    words += [kernel["path"] for kernel in program.get("kernels", []) if "path" in kernel]
    return f"; {', '.join(dict.fromkeys(words))}" if words else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", action="store_true", help="print the matrices as arguments of muon-opt, and stop")
    parser.add_argument("--text", help="what `bible -f` printed")
    parser.add_argument("--plot", default="demo.png", help="where the plot goes")
    parser.add_argument("--seconds", type=float, default=200.0, help="about how long to train (default 200)")
    options = parser.parse_args()
    if options.shapes:
        shapes = collections.Counter(tuple(p.shape) for p in muonc.split_parameters(GPT(100))[0])
        print(" ".join(f"--shape {rows}x{columns}*{count}" for (rows, columns), count in shapes.items()))
        return
    if options.text is None:
        parser.error("expected --text or --shapes")
    text = read_text(options.text)
    print(f"Text: {text.count(chr(10)) + 1} verses, {len(text)} characters.")
    batches = Batches(text)
    runs = make_runs(batches.characters)
    train(runs, batches, options.seconds)
    plot(runs, options.plot)
    conclude(runs, batches, options.plot)


if __name__ == "__main__":
    main()
