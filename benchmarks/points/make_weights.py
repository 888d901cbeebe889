"""Draw weights of EfficientNet-B0 at random, with batch-norm statistics of patches of a photograph.

Weights as they are drawn let the signal die away from layer to layer: every feature would be nothing but rounding, and
agreement of two networks would prove nothing.

usage: python -m benchmarks.points.make_weights PHOTOGRAPH WEIGHTS
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from efficientnet_pytorch import EfficientNet
from PIL import Image

CLASSES = 1275
CROP = 224
BATCHES = 4
BATCH = 8


def main(photograph: Path, weights: Path) -> None:
    torch.manual_seed(1)
    random = np.random.default_rng(1)
    pixels = np.asarray(Image.open(photograph))
    network = EfficientNet.from_name("efficientnet-b0", num_classes=CLASSES)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            # No momentum: the statistics become the plain mean over all batches.
            module.momentum = None
            module.reset_running_stats()
    network.train()
    with torch.no_grad():
        for _ in range(BATCHES):
            network.extract_features(_patches(pixels, random))
    torch.save({"net": network.state_dict()}, weights)
    print(json.dumps({"patches": BATCHES * BATCH}))


def _patches(pixels: np.ndarray, random: np.random.Generator) -> torch.Tensor:
    height, width = pixels.shape[:2]
    corners = random.integers(0, (height - CROP, width - CROP), (BATCH, 2))
    patches = np.stack([pixels[row : row + CROP, col : col + CROP] for row, col in corners])
    return torch.from_numpy(patches.transpose(0, 3, 1, 2).copy()).float() / 255


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
