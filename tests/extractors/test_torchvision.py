"""torchvision can be imported beside any build of torch."""

from __future__ import annotations

import subprocess
import sys


def test_models_and_transforms_work():
    code = """
from spacer_like.extras import import_torchvision
torchvision = import_torchvision()
import torch
from torchvision import models, transforms
assert torchvision is import_torchvision()
network = models.squeezenet1_1().eval()
assert network(transforms.Resize(64)(torch.zeros(1, 3, 80, 80))).shape == (1, 1000)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
