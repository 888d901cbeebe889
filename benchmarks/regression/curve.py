"""What all who train are asked for: images for each second of the processor, and the loss. Imports nothing of ours."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean

LAST = 4
"""The loss is the mean over the last fourth of the steps."""


@dataclass
class Clock:
    """Processor time at the begin of each step, and at the end, and the images of each."""

    times: list[float] = field(default_factory=list)
    images: list[int] = field(default_factory=list)

    def note(self) -> None:
        self.times.append(time.process_time())

    def answer(self, losses: Sequence[float]) -> dict[str, float]:
        """Seconds an image, images a second of the processor, without the first step, and the last losses' mean."""
        seconds, images = self.times[-1] - self.times[1], sum(self.images[1:])
        last = losses[-max(1, len(losses) // LAST) :]
        return {
            "cpu_seconds_each": seconds / images,
            "images_per_cpu_second": images / seconds,
            "images": images,
            "loss": fmean(last),
        }
