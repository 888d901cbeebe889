"""Extractors by their names on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spacer_like.cli.locations import location
from spacer_like.cli.options import UsageError
from spacer_like.exceptions import DataNotFoundError, SpacerInputError
from spacer_like.extractors.named import described_extractor
from spacer_like.location import DataLocation

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from spacer_like.cli.point_jobs import ImagePoints
    from spacer_like.extractors.base import FeatureExtractor
    from spacer_like.extractors.precision import PrecisionExtractor

_CALIBRATION_IMAGES, _CALIBRATION_CROPS = 16, 128


def extractor_described(kind: str, weights: str | None, definition: str | None) -> dict[str, Any]:
    """The extractor as a message carries it.

    Args:
        kind: a name of `spacer_like.extractors.named`.
        weights, definition: paths or URIs of its files, where it needs any.

    Raises:
        SpacerInputError: an unknown name, or a file that is lacking or not asked for.
    """
    given = {
        name: location(text) for name, text in (("weights", weights), ("definition", definition)) if text is not None
    }
    return described_extractor(kind, given)


def calibration_location(precision: str, calibration: str | None, default: DataLocation | None) -> DataLocation | None:
    """The calibration that the options --precision and --calibration mean; None: none is used.

    Raises:
        UsageError: one of them lacks the other.
    """
    if precision == "fp32":
        if calibration is not None:
            raise UsageError("The option --calibration belongs to --precision int8.")
        return None
    if calibration is None and default is None:
        raise UsageError("--precision int8 needs --calibration, the file that extract wrote beside the features.")
    return default if calibration is None else location(calibration)


def prepared_extractor(
    kind: str, weights: str | None, definition: str | None, calibration: DataLocation | None = None
) -> FeatureExtractor:
    """The extractor, ready for the first image: its files are there and are those of its network.

    Args:
        kind, weights, definition: as of `extractor_described`.
        calibration: the extractor is to compute in eight bits, by this file.

    Raises:
        SpacerError: as `extractor_described`; a file that is not there, or not of this network; a missing extra.
    """
    from spacer_like.extractors import FeatureExtractor
    from spacer_like.storage import storage_factory

    extractor = FeatureExtractor.deserialize(extractor_described(kind, weights, definition))
    if calibration is not None:
        extractor = _of_precisions(kind, extractor).at_int8(calibration)
    for loc in extractor.data_locations.values():
        if loc.storage_type == "filesystem":
            try:
                storage_factory("filesystem").size(loc.key)
            except DataNotFoundError:
                raise DataNotFoundError(
                    f"There is no file '{loc.display_name}', which the extractor {kind} needs."
                ) from None
    extractor.prepare()
    return extractor


def calibrate(
    kind: str, weights: str | None, definition: str | None, calibration: DataLocation, images: Sequence[ImagePoints]
) -> None:
    """Write the calibration of an extractor, by crops of the first images, unless it is there.

    Of two runs at once that make one, the later takes that of the earlier.

    Args:
        kind, weights, definition: as of `extractor_described`.
        images: one or more; those that cannot be read are left out.

    Raises:
        SpacerError: as `extractor_described`; an extractor of one precision; none of the images can be read.
    """
    from spacer_like.extractors import FeatureExtractor
    from spacer_like.storage import exists, write_bytes

    if exists(calibration):
        return
    extractor = _of_precisions(kind, FeatureExtractor.deserialize(extractor_described(kind, weights, definition)))
    made = extractor.calibration_of(_first_crops(images, extractor.CROP_SIZE))
    # That takes seconds, in which another run may have written its own, and begun to extract by it.
    if not exists(calibration):
        write_bytes(calibration, made)


def _first_crops(images: Sequence[ImagePoints], size: int) -> list[NDArray[np.uint8]]:
    """Crops of the first images, as many of each as of the others and of points all over it."""
    from spacer_like.images.crop import Patches
    from spacer_like.images.decode import load_image

    each = _CALIBRATION_CROPS // min(len(images), _CALIBRATION_IMAGES)
    crops: list[NDArray[np.uint8]] = []
    unread: SpacerInputError | None = None
    read = 0
    for one in images:
        try:
            patches = Patches(load_image(one.image), one.rowcols[:: -(-len(one.rowcols) // each)], size)
        # The extraction reports it.
        except SpacerInputError as error:
            unread = error
            continue
        # A view would keep the whole image.
        crops += [patch.copy() for patch in patches]
        read += 1
        if read == _CALIBRATION_IMAGES:
            break
    if unread is not None and not crops:
        raise unread
    return crops


def _of_precisions(kind: str, extractor: FeatureExtractor) -> PrecisionExtractor:
    from spacer_like.extractors.precision import INT8, PrecisionExtractor

    if not isinstance(extractor, PrecisionExtractor) or INT8 not in extractor.PRECISIONS:
        raise SpacerInputError(f"The extractor {kind} has no precision {INT8}: lite0 and lite2 have it.")
    return extractor
