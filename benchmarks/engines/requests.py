"""Requests that take little time: the features of an image of 8 x 8 pixels, as an extractor for tests makes them up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from spacer_like.extractors.base import DummyExtractor
from spacer_like.location import DataLocation
from spacer_like.messages import ExtractFeaturesMsg

POINTS = 16
_SIDE = 8


def local(path: Path) -> DataLocation:
    """The location of a file of this machine."""
    return DataLocation("filesystem", str(path))


def points_of(number: int) -> list[tuple[int, int]]:
    """Points that no request of another number has, as far as so small an image allows."""
    return [((number >> 3 * at) % _SIDE, at % _SIDE) for at in range(POINTS)]


def make_requests(folder: Path, count: int, kib: int, first: int = 0) -> Iterator[ExtractFeaturesMsg]:
    """Requests whose results are files of about so many KiB, at least one, in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    image = folder / "image.png"
    if not image.exists():
        Image.new("RGB", (_SIDE, _SIDE), (1, 2, 3)).save(image)
    # Features are written as four bytes each.
    extractor = DummyExtractor(feature_dim=kib * 1024 // 4 // POINTS)
    for number in range(first, first + count):
        yield ExtractFeaturesMsg(
            job_token=str(number),
            extractor=extractor,
            rowcols=points_of(number),
            image_loc=local(image),
            feature_loc=local(folder / f"{number}.npz"),
        )
