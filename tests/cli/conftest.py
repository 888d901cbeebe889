"""A reef of six small photographs: sand left, coral right; and an extractor that sees their colours."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from spacer_like.cli import main
from spacer_like.extractors import FeatureExtractor
from spacer_like.registry import register

HEIGHT, WIDTH = 40, 80


@register
class MeanColourExtractor(FeatureExtractor):
    """The mean colour around a point."""

    CROP_SIZE = 8

    @property
    def feature_dim(self) -> int:
        return 3

    def patches_to_features(self, patch_list):
        return [patch.mean(axis=(0, 1)) / 255 for patch in patch_list], False


COLOURS = f"{MeanColourExtractor.__module__}.{MeanColourExtractor.__qualname__}"


@dataclass(frozen=True)
class Said:
    """What a command wrote, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def command(capsys, monkeypatch) -> Callable[..., Said]:
    """Run the command line in this process."""
    # The width of a help page must not depend on who runs the tests.
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def run(*arguments: object) -> Said:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        written = capsys.readouterr()
        return Said(code, written.out, written.err)

    return run


@pytest.fixture
def reef(tmp_path, monkeypatch) -> Path:
    """A working folder with photos/0.jpg … 5.jpg and labels.csv, 16 points in each."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    rng = np.random.default_rng(0)
    lines = ["image,row,col,label"]
    for number in range(6):
        pixels = np.empty((HEIGHT, WIDTH, 3))
        pixels[:, : WIDTH // 2], pixels[:, WIDTH // 2 :] = (220, 200, 150), (120, 60, 90)
        pixels += rng.normal(0, 25, pixels.shape)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(tmp_path / "photos" / f"{number}.jpg")
        for row in (5, 15, 25, 35):
            for col in (8, 28, 52, 72):
                lines.append(f"photos/{number}.jpg,{row},{col},{'sand' if col < WIDTH // 2 else 'coral'}")
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.fixture
def extracted(reef, command) -> Path:
    """The reef with its features under features/."""
    assert command("extract", "--points", "labels.csv", "--out", "features", "--extractor", COLOURS).code == 0
    return reef


TRAINING = ("labels.csv", "--features", "features", "--model", "reef.pkl", "--classifier", "LR", "--reference", 0.3)


@pytest.fixture
def trained(extracted, command) -> Path:
    """The reef with a classifier, reef.pkl."""
    said = command("train", *TRAINING, "--validation", 0.2)
    assert said.code == 0, said.err
    return extracted
