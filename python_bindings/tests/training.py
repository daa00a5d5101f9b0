"""Gradients of a real training run: the demo's GPT, made small, on text of the kind that the demo trains on."""

import functools
import pathlib
import sys

import torch

import muonc

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "demo"))
STEPS, BATCH = 20, 8


@functools.cache
def recorded():
    """(the matrices before the first step, per step their gradients), of 20 consecutive steps with AdamW.

    Deterministic but for the roundings of torch on another processor: none of our code has a part in it.
    """
    import model

    text = (HERE / "genesis.txt").read_text()
    number = {character: index for index, character in enumerate(sorted(set(text)))}
    data = torch.tensor([number[character] for character in text])
    with torch.random.fork_rng():
        torch.manual_seed(1234)
        gpt = model.GPT(len(number), width=64, layers=2, heads=2)
    matrices, _ = muonc.split_parameters(gpt)
    starts = [matrix.detach().clone() for matrix in matrices]
    optimizer = torch.optim.AdamW(gpt.parameters(), lr=3e-3, betas=(0.9, 0.95))
    generator, gradients = torch.Generator().manual_seed(1234), []
    for _ in range(STEPS):
        begins = torch.randint(len(data) - model.CONTEXT - 1, (BATCH,), generator=generator).tolist()
        windows = torch.stack([data[begin : begin + model.CONTEXT + 1] for begin in begins])
        optimizer.zero_grad()
        gpt(windows[:, :-1], windows[:, 1:]).backward()
        gradients.append([matrix.grad.clone() for matrix in matrices])
        optimizer.step()
    return starts, gradients
