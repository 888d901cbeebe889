"""The points that a classifier learned from, kept with it as digests, and known again by image and position."""

from __future__ import annotations

import base64
import unicodedata
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spacer_like.data_classes import ImageLabels

FEATURE_ENDINGS = (".features", ".featurevector", ".npz")
LEARNED_POINTS = "learned_points"
"""The key of the digests among a classifier's metrics."""
MOST_POINTS = 250_000
"""Of more points nothing is kept: eight letters for each would outgrow the model."""
_DIGEST_BYTES = 6


def image_name(feature_file: str) -> str:
    """The name of the image that a feature file belongs to.

    >>> image_name("001.jpg.features")
    '001.jpg'
    """
    ending = next((ending for ending in FEATURE_ENDINGS if feature_file.endswith(ending)), "")
    return feature_file.removesuffix(ending)


def learned_points(sets: Iterable[ImageLabels]) -> dict[str, str]:
    """The entry for a classifier's metrics; empty where there are too many points."""
    sets = list(sets)
    if sum(labels.label_count for labels in sets) > MOST_POINTS:
        return {}
    digests = {
        _digest(image_name(loc.filename), row, col) for labels in sets for loc in labels for row, col, _ in labels[loc]
    }
    return {LEARNED_POINTS: base64.b64encode(b"".join(sorted(digests))).decode()}


def count_learned(metrics: Mapping[str, Any], points: Iterable[tuple[str, int, int]]) -> int:
    """How many of points (name of the image's file, row, column) a classifier learned from, as far as it is known."""
    try:
        data = base64.b64decode(metrics.get(LEARNED_POINTS, ""))
    except (TypeError, ValueError):
        return 0
    known = {data[at : at + _DIGEST_BYTES] for at in range(0, len(data), _DIGEST_BYTES)}
    return sum(_digest(name, row, col) in known for name, row, col in points) if known else 0


def _digest(name: str, row: int, col: int) -> bytes:
    text = f"{unicodedata.normalize('NFC', name).casefold()}\n{row}\n{col}"
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest()
