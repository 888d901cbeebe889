"""Extractors for tests: a quick one, and one that misbehaves, for tests of engines."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spacer_like.extractors.base import DummyExtractor, FeatureExtractor
from spacer_like.location import DataLocation

_SECONDS_TO_WAIT = 30.0


class Unruly(DummyExtractor):
    """A `DummyExtractor` that misbehaves before it answers.

    Args:
        does: ``die``: kill its process; ``die twice``, ``die thrice``: the first times; ``wait``: write a file named
            by its process's id in `folder`, and wait for ``go``; ``wait once``: the first time; ``print``: on standard
            output; else nothing.
    """

    def __init__(
        self,
        data_locations: Mapping[str, DataLocation] | None = None,
        does: str = "",
        folder: str = "",
        data_hashes: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(data_locations, 2, data_hashes)
        self.does, self.folder = does, folder

    def arguments(self) -> dict[str, Any]:
        kept = {name: value for name, value in super().arguments().items() if name != "feature_dim"}
        return {**kept, "does": self.does, "folder": self.folder}

    def __call__(self, im: Any, rowcols: Any) -> Any:
        folder = Path(self.folder)
        lives = {"die twice": 2, "die thrice": 3}.get(self.does)
        if lives and len(list(folder.glob("died-*"))) == lives:
            return super().__call__(im, rowcols)
        if self.does.startswith("die"):
            (folder / f"died-{os.getpid()}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if self.does == "print":
            print("this is no answer")
            sys.stdout.flush()
            os.write(1, b"nor is this")
        if self.does == "wait" or (self.does == "wait once" and not list(folder.glob("waiting-*"))):
            (folder / f"waiting-{os.getpid()}").touch()
            last = time.monotonic() + _SECONDS_TO_WAIT
            while not (folder / "go").exists() and time.monotonic() < last:
                time.sleep(0.01)
        return super().__call__(im, rowcols)


class MeanColour(FeatureExtractor):
    """An instant extractor: mean and deviation of each channel of a crop, 6 numbers."""

    CROP_SIZE = 32

    @property
    def feature_dim(self) -> int:
        return 6

    def patches_to_features(self, patch_list: Sequence[Any]) -> tuple[Any, bool]:
        import numpy as np

        pixels = np.stack(patch_list) / np.float32(255)
        return np.concatenate([pixels.mean((1, 2)), pixels.std((1, 2))], 1), False
