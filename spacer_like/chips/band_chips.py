"""Chips as they are, of any number of bands: what extractors of bands take."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from spacer_like.chips.chip_source import ARRAY_ENDINGS, ChipSource
from spacer_like.chips.messages.tiles import UnreadableChip
from spacer_like.config import settings
from spacer_like.cores import thread_count
from spacer_like.exceptions import CollectionError, DataLimitError, ImageError, SpacerInputError, damage_as
from spacer_like.extractors.band_extractors import MOST_BANDS, RANGES, BandExtractor, BandImage
from spacer_like.images.square import decoded, identified
from spacer_like.message_base import none_of
from spacer_like.npy_header import read_npy_header
from spacer_like.progress import report

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacer_like.extractors.base import FeatureExtractor

_BATCH_BYTES = 2**25
_MOST_IN_BATCH = 1024
_MOST_SAMPLED = 16


def band_image(data: bytes, name: str, nodata: float | None = None) -> BandImage:
    """The pixels of a chip's file, and which of them have data.

    Data are where a GeoTIFF's mask, alpha band or value without data says so for every band, where a picture is not
    transparent, or an array is not `nodata`; numbers that are not finite are none. Where nothing says it, whole numbers
    that are 0 in every band are none, which is what cutting leaves there. Numbers of types that extractors of bands do
    not take become float32.

    Args:
        data: GeoTIFF, ``.npy`` of [height, width] or [height, width, bands], or a picture.
        name: what errors call it, with the ending that says of which kind it is.
        nodata: the value of pixels without data, of an array.

    Raises:
        ImageError, TileError: damaged, or none of these.
        DataLimitError: more pixels than the setting MAX_IMAGE_PIXELS.
        MissingExtraError: rasterio is not installed, for GeoTIFF.
    """
    ending = name.lower()
    valid: NDArray[np.bool_] | None = None
    if ending.endswith(".npy"):
        pixels = _array(data, name)
        if nodata is not None:
            valid = (pixels != nodata).all(axis=2)
    elif ending.endswith(ARRAY_ENDINGS):
        pixels, valid = _geotiff(data, name)
    else:
        pixels, valid = _picture(data, name)
    if str(pixels.dtype) not in RANGES:
        with np.errstate(over="ignore"):
            pixels = pixels.astype(np.float32)
    if pixels.dtype.kind == "f":
        finite = np.isfinite(pixels).all(axis=2)
        valid = finite if valid is None else valid & finite
    elif valid is None:
        valid = np.asarray(pixels.any(axis=2))
    return BandImage(pixels, None if valid is None or valid.all() else valid)


def images_for(
    chips: ChipSource, names: Sequence[str], size: int, extractor: FeatureExtractor | None
) -> Iterator[tuple[list[str], Any]]:
    """Names [n] and images [n] of chips, as an extractor or a network takes them, in the order of `names`.

    For an extractor of bands they are a list of `BandImage`; a chip that it does not take is unreadable. Else they are
    squares: see `ChipSource.pixels`.

    Args:
        extractor: made by `extractor_for`, or None: a network.
    """
    if not isinstance(extractor, BandExtractor):
        yield from chips.pixels(names, size)
        return
    read = chips.reader(names)
    decode = partial(_image_or_reason, read, chips.nodata_of, extractor)
    workers = max(thread_count(), settings().storage_concurrency if chips.is_far else 1)
    length = 1
    with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        begin, coming = 0, pool.map(decode, names[:1])
        while begin < len(names):
            some, found = names[begin : begin + length], list(coming)
            begin += len(some)
            largest = max((one.pixels.nbytes for one in found if isinstance(one, BandImage)), default=_BATCH_BYTES)
            length = min(max(_BATCH_BYTES // max(largest, 1), 1), _MOST_IN_BATCH)
            coming = pool.map(decode, names[begin : begin + length])
            for name, one in zip(some, found, strict=True):
                if isinstance(one, str):
                    chips.add_unreadable(UnreadableChip.of(name, one))
            kept = [(name, one) for name, one in zip(some, found, strict=True) if isinstance(one, BandImage)]
            if kept:
                yield [name for name, _ in kept], [one for _, one in kept]
            report(f"images of {chips.name}", begin, len(names))


def takes_arrays(extractor: FeatureExtractor | None) -> bool:
    """Whether an extractor takes chips as they are, of any number of bands."""
    return isinstance(extractor, BandExtractor)


def extractor_for(chips: ChipSource, extractor: FeatureExtractor | None) -> FeatureExtractor | None:
    """The extractor for the bands of chips: those of most of them, by some that lie evenly among all by name; one of
    squares as it is.

    Raises:
        CollectionError: no chip can be read.
        ExtractorMismatchError: the extractor was made for other bands.
    """
    if not isinstance(extractor, BandExtractor):
        return extractor
    step = -(-len(chips) // _MOST_SAMPLED) or 1
    failed: list[UnreadableChip] = []
    counts: Counter[tuple[int, str]] = Counter()
    images: dict[tuple[int, str], BandImage] = {}
    for number in sorted(range(len(chips)), key=lambda number: (number % step, number)):
        if counts and number % step:
            break
        name = chips.names[number]
        try:
            image = band_image(chips.read(name), name, chips.nodata_of(name))
        except SpacerInputError as error:
            failed.append(UnreadableChip.of(name, str(error)))
            continue
        kind = image.pixels.shape[2], str(image.pixels.dtype)
        counts[kind] += 1
        images.setdefault(kind, image)
    if not counts and not failed:
        raise CollectionError(f"There is no chip in '{chips.name}'.")
    if not counts:
        raise CollectionError(none_of(failed, f"chip of '{chips.name}'", "be decoded"))
    return extractor.taking(images[counts.most_common(1)[0][0]])


def images_taken_by(extractor: FeatureExtractor | None) -> dict[str, Any] | None:
    """What embeddings say of the images of an extractor of bands: bands, dtype, range."""
    if not isinstance(extractor, BandExtractor):
        return None
    return {"bands": extractor.bands, "dtype": extractor.dtype, "range": list(extractor.value_range)}


def _image_or_reason(
    read: Callable[[str], bytes], nodata_of: Callable[[str], float | None], extractor: BandExtractor, name: str
) -> BandImage | str:
    try:
        image = band_image(read(name), name, nodata_of(name))
        extractor.check(image)
        return image
    except SpacerInputError as error:
        return str(error)


def _array(data: bytes, name: str) -> NDArray[Any]:
    file = BytesIO(data)
    with damage_as(ImageError, name, f"The array '{name}' cannot be read"):
        shape, in_columns, dtype = read_npy_header(file)
        if dtype.kind not in "uif" or len(shape) not in (2, 3) or in_columns:
            raise ValueError(f"it must be numbers [height, width, bands], and is {dtype} {list(shape)}")
        _check_size(shape, name)
        if math.prod(shape) * dtype.itemsize != len(data) - file.tell():
            raise ValueError("it does not take the bytes that its shape says")
        pixels = np.frombuffer(data, dtype, offset=file.tell()).reshape(*shape[:2], -1)
        return np.asarray(pixels, dtype.newbyteorder("="))


def _geotiff(data: bytes, name: str) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    from spacer_like.chips.cutting.gdal_reading import opened

    with damage_as(ImageError, name, f"The chip '{name}' cannot be read"), opened(BytesIO(data), name) as dataset:
        _check_size((dataset.height, dataset.width, dataset.count), name)
        bands = [
            index for index, kind in zip(dataset.indexes, dataset.colorinterp, strict=True) if kind.name != "alpha"
        ]
        if not bands or len({dataset.dtypes[band - 1] for band in bands}) > 1:
            raise ValueError("it must have bands of one type of number")
        pixels = dataset.read(bands)
        says = any(kind.name != "all_valid" for flags in dataset.mask_flag_enums for kind in flags)
        valid = dataset.read_masks(bands).all(axis=0) if says else None
    return np.ascontiguousarray(np.moveaxis(pixels, 0, -1)), valid


def _picture(data: bytes, name: str) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    if data[:2] == b"\xff\xd8":
        return decoded(data, name), None
    image = identified(data, name, settings().max_image_pixels)
    with damage_as(ImageError, name, f"The image '{name}' cannot be decoded"):
        if image.mode == "L" or image.mode.startswith("I;16"):
            return np.asarray(image, np.uint8 if image.mode == "L" else np.uint16)[:, :, None], None
        if not image.has_transparency_data:
            return decoded(data, name), None
        pixels = np.asarray(image.convert("RGBA"))
        return np.ascontiguousarray(pixels[:, :, :3]), pixels[:, :, 3] > 0


def _check_size(shape: Sequence[int], name: str) -> None:
    n_pixels, bands = math.prod(shape[:2]), math.prod(shape[2:])
    limit = settings().max_image_pixels
    if not n_pixels or not 1 <= bands <= MOST_BANDS:
        raise ImageError(f"The chip '{name}' has no pixels, or no bands, or more than {MOST_BANDS}.")
    if n_pixels * bands > 3 * limit:
        raise DataLimitError(
            f"The chip '{name}' has {n_pixels} pixels of {bands} bands, more than the {limit} of three that the "
            "setting MAX_IMAGE_PIXELS allows."
        )
