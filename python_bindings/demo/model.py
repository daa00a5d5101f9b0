"""A character-level GPT, small enough to train in minutes on two cores."""

import torch
from torch import nn
from torch.nn import functional

CONTEXT = 128
WIDTH, LAYERS, HEADS = 256, 4, 4


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attend = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.project = nn.Linear(WIDTH, WIDTH, bias=False)
        self.expand = nn.Linear(WIDTH, 4 * WIDTH, bias=False)
        self.contract = nn.Linear(4 * WIDTH, WIDTH, bias=False)

    def forward(self, x):
        """x: [batch, time, width] -> the same."""
        batch, time, _ = x.shape
        heads = self.attend(self.norm_1(x)).view(batch, time, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(*heads, is_causal=True)
        x = x + self.project(mixed.transpose(1, 2).reshape(batch, time, WIDTH))
        return x + self.contract(functional.gelu(self.expand(self.norm_2(x))))


class GPT(nn.Module):
    def __init__(self, characters):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(characters, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(WIDTH)
        self.lm_head = nn.Linear(WIDTH, characters, bias=False)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                nn.init.normal_(parameter, std=0.02 if "wte" in name or "wpe" in name else WIDTH**-0.5)

    def forward(self, text, targets):
        """text, targets: [batch, time] of character numbers -> mean loss in nats per character."""
        x = self.wte(text) + self.wpe(torch.arange(text.shape[1]))
        scores = self.lm_head(self.norm(self.blocks(x)))
        return functional.cross_entropy(scores.flatten(0, 1), targets.flatten())
