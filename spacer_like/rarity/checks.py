"""Whether the images of a collection differ, or are one placeholder for all its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DIGEST_BYTES = 16


@dataclass(frozen=True)
class Distinctness:
    """How many images are alike, by their pixels.

    Fields:
        n_images: images; of a sample, one that was drawn twice counts twice.
        n_tokens: tokens among them.
        n_distinct: different images.
        largest_share: the share of the most frequent one; 0 without images.
        placeholder_token: the first token that shows the most frequent image, where two or more show it; of equally
            frequent images the one that comes first.
    """

    n_images: int
    n_tokens: int
    n_distinct: int
    largest_share: float
    placeholder_token: str | None

    def is_pre_reveal(self, threshold: float) -> bool:
        """Whether there are two tokens or more, and the most frequent image's share reaches `threshold`."""
        return self.n_tokens >= 2 and self.largest_share >= threshold


@dataclass
class _Image:
    first_token: str
    n_images: int = 0
    n_tokens: int = 0


class ImageComparison:
    """Compares images by digests of their pixels (BLAKE2b, 128 bits), of which it keeps one for each different image.

    Args:
        weights: how many times each token's image counts; None: once.
    """

    def __init__(self, weights: dict[str, int] | None = None) -> None:
        self._weights = weights
        self._images: dict[bytes, _Image] = {}

    def add(self, tokens: Sequence[str], pixels: NDArray[np.uint8]) -> None:
        """Count images, uint8 [n, size, size, 3]."""
        for token, image in zip(tokens, pixels, strict=True):
            digest = blake2b(np.ascontiguousarray(image).data, digest_size=_DIGEST_BYTES).digest()
            entry = self._images.setdefault(digest, _Image(token))
            entry.n_tokens += 1
            entry.n_images += 1 if self._weights is None else self._weights[token]

    def result(self) -> Distinctness:
        """What was counted so far."""
        n_images = sum(image.n_images for image in self._images.values())
        largest = max(self._images.values(), key=lambda image: image.n_images, default=None)
        is_shared = largest is not None and largest.n_tokens >= 2
        return Distinctness(
            n_images=n_images,
            n_tokens=sum(image.n_tokens for image in self._images.values()),
            n_distinct=len(self._images),
            largest_share=0.0 if largest is None else largest.n_images / n_images,
            placeholder_token=largest.first_token if largest is not None and is_shared else None,
        )


def drawn_indices(count: int, sample_size: int, seed: int) -> dict[int, int]:
    """Indices below `count` drawn uniformly with replacement, ascending: index -> how many times."""
    if not count:
        return {}
    drawn = np.random.default_rng(seed).integers(0, count, sample_size)
    indices, times = np.unique(drawn, return_counts=True)
    return dict(zip(indices.tolist(), times.tolist(), strict=True))
