"""Train model4 on batches of galaxies as one writes it down in torch: eager, float32, channels before rows.

usage: python -m benchmarks.regression.train_plainly BATCHES PASSES

All batches lie in memory as float32 before it begins. Layers, first weights, order of batches, loss and optimizer are
those of `train_ours`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from torch import nn

from benchmarks.regression.curve import Clock
from benchmarks.regression.made import locations
from benchmarks.regression.train_ours import MINIBATCH, NETWORK, RATE
from spacer_like.regression.architectures import N_CHANNELS, architecture_of
from spacer_like.regression.dataset import open_pool
from spacer_like.regression.networks import network
from spacer_like.regression.training_data import batch_order, examples_of


def plain(size: int) -> nn.Sequential:
    """The network in torch's own layers."""
    architecture = architecture_of(NETWORK, size)
    layers: list[nn.Module] = []
    channels = N_CHANNELS
    for block in architecture.blocks:
        for made in block.channels:
            layers += [nn.Conv2d(channels, made, 3), nn.ReLU()]
            channels = made
        if block.has_norm:
            layers.append(nn.BatchNorm2d(channels, 1e-3, architecture.momentum))
        layers += [nn.MaxPool2d(block.pool), nn.Dropout(block.dropout)]
    layers.append(nn.Flatten())
    numbers = architecture.n_features(size)
    for units in architecture.units:
        layers += [nn.Linear(numbers, units), nn.ReLU()]
        numbers = units
    module = nn.Sequential(*layers, nn.Linear(numbers, 1), nn.Tanh())
    first = network(NETWORK, size, None, 0)
    with torch.no_grad():
        for own, other in zip(module.parameters(), first.parameters(), strict=True):
            own.copy_(other)
    return module


def main(folder: Path, passes: int) -> None:
    batches = []
    for loc in locations(folder):
        examples = examples_of(open_pool(loc), None)
        pixels = torch.from_numpy(examples.inputs.transpose(0, 3, 1, 2).copy()).float() / 255
        batches.append((pixels, torch.from_numpy(examples.targets)))
    module = plain(batches[0][0].shape[2])
    optimizer = torch.optim.Adam(module.parameters(), lr=RATE)
    clock, losses = Clock(), []
    for number in batch_order(len(batches), passes, 0):
        pixels, targets = batches[number]
        clock.note()
        clock.images.append(len(pixels))
        total = 0.0
        for rows in torch.randperm(len(pixels)).split(MINIBATCH):
            loss = nn.functional.mse_loss(module(pixels[rows])[:, 0], targets[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.item() * len(rows)
        losses.append(total / len(pixels))
    clock.note()
    print(json.dumps(clock.answer(losses)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
