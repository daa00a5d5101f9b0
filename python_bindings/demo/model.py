"""A character-level GPT, small enough to train in minutes on two cores."""

import torch
from torch import nn
from torch.nn import functional

CONTEXT = 128
WIDTH, LAYERS, HEADS = 256, 4, 4


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attend = nn.Linear(width, 3 * width, bias=False)
        self.project = nn.Linear(width, width, bias=False)
        self.expand = nn.Linear(width, 4 * width, bias=False)
        self.contract = nn.Linear(4 * width, width, bias=False)

    def forward(self, x):
        """x: [batch, time, width] -> the same."""
        batch, time, width = x.shape
        parts = self.attend(self.norm_1(x)).view(batch, time, 3, self.heads, width // self.heads)
        mixed = functional.scaled_dot_product_attention(*parts.permute(2, 0, 3, 1, 4), is_causal=True)
        x = x + self.project(mixed.transpose(1, 2).reshape(batch, time, width))
        return x + self.contract(functional.gelu(self.expand(self.norm_2(x))))


class GPT(nn.Module):
    def __init__(self, characters, width=WIDTH, layers=LAYERS, heads=HEADS):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(characters, width), nn.Embedding(CONTEXT, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.lm_head = nn.Linear(width, characters, bias=False)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                nn.init.normal_(parameter, std=0.02 if "wte" in name or "wpe" in name else width**-0.5)

    def forward(self, text, targets):
        """text, targets: [batch, time] of character numbers -> mean loss in nats per character."""
        x = self.wte(text) + self.wpe(torch.arange(text.shape[1]))
        scores = self.lm_head(self.norm(self.blocks(x)))
        return functional.cross_entropy(scores.flatten(0, 1), targets.flatten())
