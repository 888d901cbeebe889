"""Extractors without weights: statistics of bands, and random convolutional features.

They take images of any width, number of bands and type of number, and leave out pixels without data. A vector depends
on nothing but its image and the arguments, so that images may be encoded in any company.
"""

from __future__ import annotations

import hashlib
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from typing_extensions import Self

from spacer_like.exceptions import ExtractorMismatchError, MessageError
from spacer_like.extractors.base import MOST_FEATURE_DIM, FeatureExtractor
from spacer_like.extractors.preprocessing import Preprocessing
from spacer_like.location import DataLocation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RANGES = {
    "uint8": (0.0, 255.0),
    "uint16": (0.0, 10_000.0),
    "int16": (0.0, 10_000.0),
    "float32": (0.0, 1.0),
}
"""The types of number that are taken, and the values of each that become 0 and 1 where no range is named: those of
bytes, of reflectances that are stored as ten thousandths, and of reflectances."""
MOST_BANDS = 2048
_MOST_KERNEL = 31
_MOST_SEED = 2**32 - 1


class BandImage(NamedTuple):
    """An image of any number of bands.

    Fields:
        pixels: [height, width, bands], of one of the types `RANGES`.
        valid: bool [height, width], which pixels have data; None: all of them.
    """

    pixels: NDArray[Any]
    valid: NDArray[np.bool_] | None = None


class BandExtractor(FeatureExtractor, ABC):
    """Base class of extractors without weights, that take images of any number of bands.

    Args:
        bands, dtype: how many bands the images have, and of which type of number, a key of `RANGES`; None: those of the
            first image that `taking` is called for, and elsewhere three of bytes.
        value_range: the values that become 0 and 1; None: those of the type in `RANGES`.

    Raises:
        MessageError: an argument that cannot be, or files.
    """

    CROP_SIZE = 64
    PREPROCESSING: ClassVar[str | Preprocessing] = "bands as they are, pixels without data left out"

    def __init__(
        self,
        data_locations: Mapping[str, DataLocation] | None = None,
        data_hashes: Mapping[str, str] | None = None,
        bands: int | None = None,
        dtype: str | None = None,
        value_range: Sequence[float] | None = None,
    ) -> None:
        super().__init__(data_locations, data_hashes)
        if data_locations:
            raise MessageError(f"The extractor {type(self).__name__} has no weights: leave data_locations out.")
        self._bands = None if bands is None else self._whole("bands", bands, 1, MOST_BANDS)
        if dtype is not None and dtype not in RANGES:
            raise MessageError(f"The extractor's dtype must be one of {', '.join(RANGES)}.")
        self._dtype = dtype
        self._range = None if value_range is None else _checked_range(value_range)
        if not 1 <= self.feature_dim <= MOST_FEATURE_DIM:
            raise MessageError(
                f"The extractor {type(self).__name__} would make vectors of {self.feature_dim} numbers of {self.bands} "
                f"bands, and may make {MOST_FEATURE_DIM}."
            )

    @property
    def bands(self) -> int:
        """How many bands its images have."""
        return 3 if self._bands is None else self._bands

    @property
    def dtype(self) -> str:
        """Their type of number."""
        return self._dtype or "uint8"

    @property
    def value_range(self) -> tuple[float, float]:
        """The values that become 0 and 1."""
        return self._range or RANGES[self.dtype]

    @property
    @abstractmethod
    def parameters(self) -> list[Any]:
        """What distinguishes its vectors from those of another one for the same images, as JSON values."""

    @abstractmethod
    def features_of(self, image: BandImage) -> NDArray[np.float32]:
        """The features float32 [feature_dim] of an image that `check` lets pass; zeros where it has no data."""

    def taking(self, image: BandImage) -> Self:
        """This extractor for images like this one; errors as `check`."""
        bands, dtype = image.pixels.shape[2], str(image.pixels.dtype)
        arguments = self.arguments() | {
            "bands": bands if self._bands is None else self._bands,
            "dtype": dtype if self._dtype is None else self._dtype,
        }
        if dtype not in RANGES:
            raise ExtractorMismatchError(
                f"The numbers are {dtype}, and extractors of bands take {', '.join(RANGES)}: cut the chips as one of "
                "these."
            )
        made = self.from_arguments(arguments)
        made.check(image)
        return made

    def check(self, image: BandImage) -> None:
        """Refuse an image with other bands, as an `ExtractorMismatchError`."""
        bands, dtype = image.pixels.shape[2], str(image.pixels.dtype)
        if (bands, dtype) != (self.bands, self.dtype):
            raise ExtractorMismatchError(
                f"It has {_counted(bands)} of {dtype}, and the extractor takes {_counted(self.bands)} of {self.dtype}: "
                "work on images of one kind at a time."
            )

    def patches_to_features(self, patch_list: Sequence[Any]) -> tuple[NDArray[np.float32], bool]:
        """Features float32 [n, feature_dim] of images: `BandImage`, or pixels without a mask; and False.

        Raises:
            ExtractorMismatchError: an image has other bands.
        """
        import numpy as np

        from spacer_like.row_blocks import block_threads, row_blocks

        images = [one if isinstance(one, BandImage) else BandImage(np.asarray(one)) for one in patch_list]
        found = np.empty((len(images), self.feature_dim), np.float32)

        def work(block: slice) -> None:
            for number in range(block.start, block.stop):
                self.check(images[number])
                found[number] = self.features_of(images[number])

        with block_threads() as threads:
            for _ in threads.map(work, row_blocks(len(images), 16)):
                pass
        return found, False

    def arguments(self) -> dict[str, Any]:
        given = {"bands": self._bands, "dtype": self._dtype, "value_range": self._range and list(self._range)}
        # Without files, which it has none of.
        return {name: value for name, value in given.items() if value is not None}

    def _id(self, hashes: Mapping[str, str]) -> str:
        own = json.dumps([super()._id(hashes), self.bands, self.dtype, self.value_range, self.parameters])
        return hashlib.sha256(own.encode()).hexdigest()[:40]

    def _whole(self, name: str, value: object, low: int, high: int) -> int:
        if type(value) is not int or not low <= value <= high:
            raise MessageError(f"The extractor's {name} must be a whole number from {low} to {high}.")
        return value


class BandStatisticsExtractor(BandExtractor):
    """Features of an image by what its bands hold: mean, deviation and quantiles of each.

    Args:
        quantiles: shares from 0 to 1, ascending; the one of a share s is the value at index s (n - 1) of all n sorted
            values, rounded half up.
        bands, dtype, value_range: see `BandExtractor`.
    """

    def __init__(
        self,
        data_locations: Mapping[str, DataLocation] | None = None,
        data_hashes: Mapping[str, str] | None = None,
        bands: int | None = None,
        dtype: str | None = None,
        value_range: Sequence[float] | None = None,
        quantiles: Sequence[float] = (0.05, 0.25, 0.5, 0.75, 0.95),
    ) -> None:
        fits = isinstance(quantiles, Sequence) and len(quantiles) <= 100 and all(_is_number(one) for one in quantiles)
        if not fits or list(quantiles) != sorted(quantiles) or any(not 0 <= one <= 1 for one in quantiles):
            raise MessageError("The extractor's quantiles must be at most 100 shares from 0 to 1, ascending.")
        self.quantiles = tuple(float(one) for one in quantiles)
        super().__init__(data_locations, data_hashes, bands, dtype, value_range)

    @property
    def feature_dim(self) -> int:
        return self.bands * (2 + len(self.quantiles))

    @property
    def parameters(self) -> list[Any]:
        return [list(self.quantiles)]

    def arguments(self) -> dict[str, Any]:
        return {**super().arguments(), "quantiles": list(self.quantiles)}

    def features_of(self, image: BandImage) -> NDArray[np.float32]:
        from spacer_like.extractors.band_features import band_statistics

        return band_statistics(image.pixels, image.valid, self.quantiles, self.value_range)


class RandomFeaturesExtractor(BandExtractor):
    """Features of an image by filters drawn at random: how strongly they and their negatives answer on average.

    See `spacer_like.extractors.band_features.random_features`.

    Args:
        n_features: how long a vector is; even, for each filter gives two.
        kernel: width of a filter in pixels.
        stride: pixels from one position of a filter to the next.
        bias: what is added to a filter's answer before it is cut off below 0.
        seed: of the filters.
        bands, dtype, value_range: see `BandExtractor`.
    """

    def __init__(
        self,
        data_locations: Mapping[str, DataLocation] | None = None,
        data_hashes: Mapping[str, str] | None = None,
        bands: int | None = None,
        dtype: str | None = None,
        value_range: Sequence[float] | None = None,
        n_features: int = 256,
        kernel: int = 3,
        stride: int = 2,
        bias: float = -1.0,
        seed: int = 0,
    ) -> None:
        self.n_features = self._whole("n_features", n_features, 2, MOST_FEATURE_DIM)
        if n_features % 2:
            raise MessageError("The extractor's n_features must be even: each filter gives two.")
        self.kernel = self._whole("kernel", kernel, 1, _MOST_KERNEL)
        self.stride = self._whole("stride", stride, 1, _MOST_KERNEL)
        if not _is_number(bias) or abs(bias) > 1e6:
            raise MessageError("The extractor's bias must be a number from -1e6 to 1e6.")
        self.bias = float(bias)
        self.seed = self._whole("seed", seed, 0, _MOST_SEED)
        super().__init__(data_locations, data_hashes, bands, dtype, value_range)

    @property
    def feature_dim(self) -> int:
        return self.n_features

    @property
    def parameters(self) -> list[Any]:
        return [self.kernel, self.stride, self.bias, self.seed]

    def arguments(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in ("n_features", "kernel", "stride", "bias", "seed")}
        return {**super().arguments(), **own}

    def check(self, image: BandImage) -> None:
        super().check(image)
        if (shortest := min(image.pixels.shape[:2])) < self.kernel:
            raise ExtractorMismatchError(
                f"It is {shortest} pixels wide or high, and the extractor's filters are {self.kernel}."
            )

    def features_of(self, image: BandImage) -> NDArray[np.float32]:
        from spacer_like.extractors.band_features import random_features, random_filters

        filters = random_filters(self.kernel, self.bands, self.n_features // 2, self.seed)
        return random_features(image.pixels, image.valid, filters, self.stride, self.bias, self.value_range)


def _checked_range(value_range: object) -> tuple[float, float]:
    if not isinstance(value_range, Sequence) or len(value_range) != 2 or not all(map(_is_number, value_range)):
        raise MessageError("The extractor's value_range must be two numbers, the values that become 0 and 1.")
    low, high = (float(one) for one in value_range)
    if not 1e-30 < high - low < 1e30:
        raise MessageError("The extractor's value_range must be two numbers, the lower one first.")
    return low, high


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _counted(bands: int) -> str:
    return "1 band" if bands == 1 else f"{bands} bands"
