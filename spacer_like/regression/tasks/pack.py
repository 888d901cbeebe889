"""The task that packs prepared images into one file."""

from __future__ import annotations

import time

from spacer_like.config import settings
from spacer_like.cores import thread_count
from spacer_like.exceptions import SpacerError, TrainingLabelsError
from spacer_like.images.files import Files, open_files
from spacer_like.overwriting import task
from spacer_like.progress import report
from spacer_like.regression.dataset import write_packed
from spacer_like.regression.labels import StampName, counted_labels
from spacer_like.regression.messages import PackDatasetMsg, PackDatasetReturnMsg
from spacer_like.regression.packing import PackedImages, pack_images
from spacer_like.regression.stamps import FORMATS, read_stamp
from spacer_like.storage.base import outcomes

_ENDINGS = tuple(f".{ending}" for ending in FORMATS)


@task
def pack_dataset(msg: PackDatasetMsg) -> PackDatasetReturnMsg:
    """Pack prepared images of one band and size into one file, sorted by id.

    Raises:
        TrainingLabelsError: a file whose name is no label's, no image at all, images of several bands or sizes, or a
            galaxy with two.
        ImageError: a damaged image.
        DataNotFoundError: there is no folder.
    """
    start = time.perf_counter()
    with open_files(msg.images_loc) as files:
        names = sorted(name for name in files.names if name.lower().endswith(_ENDINGS))
        stamps = [StampName.parse(name) for name in names]
        _check(msg, stamps)
        packed = _packed(files, names)
    first = stamps[0]
    file = f"{first.size}x{first.size}_{first.band}.{msg.layout}"
    write_packed(msg.out_loc.below(file), packed, first.band)
    return PackDatasetReturnMsg(
        file=file,
        n_images=len(packed.ids),
        labels=counted_labels(packed.codes.tolist()),
        n_others=len(files.names) - len(names),
        runtime=time.perf_counter() - start,
    )


def _check(msg: PackDatasetMsg, stamps: list[StampName]) -> None:
    if not stamps:
        raise TrainingLabelsError(f"There is no prepared image in '{msg.images_loc.display_name}'.")
    for stamp in stamps:
        if msg.size not in (None, stamp.size):
            raise TrainingLabelsError(
                f"The image '{stamp}' is {stamp.size} pixels wide, and {msg.size} are asked for: give the folder "
                "of that size."
            )


def _packed(files: Files, names: list[str]) -> PackedImages:
    """The images of files, decoded in threads."""
    concurrency = settings().storage_concurrency if files.is_far else thread_count()
    found = []
    for _, outcome in outcomes(lambda name: read_stamp(files.read(name), name), names, concurrency):
        if isinstance(outcome, SpacerError):
            raise outcome
        found.append(outcome)
        report("images packed", len(found), len(names))
    # In an order of their own, which errors about two of them depend on.
    return pack_images(sorted(found, key=lambda stamp: stamp[0]))
