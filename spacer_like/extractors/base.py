"""Base class of extractors: descriptions of weights and preprocessing that are light to create, compare and send.

Nothing here imports numpy, torch or an image library before an image is worked on.
"""

from __future__ import annotations

import hashlib
import json
import reprlib
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from typing_extensions import Self

from spacer_like import config
from spacer_like.data_classes import DataLocation, ImageFeatures
from spacer_like.exceptions import (
    ConfigError,
    ExtractorMismatchError,
    HashMismatchError,
    MessageError,
    RowColumnInvalidError,
)
from spacer_like.extractors.preprocessing import Preprocessing
from spacer_like.registry import Described
from spacer_like.storage import cached_file, read_bytes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

RowCol = tuple[int, int]
_ID_LENGTH = 40
MOST_FEATURE_DIM = 2**16
"""Numbers of a feature vector, many times those of any network that is used."""


@dataclass(frozen=True)
class ExtractionDetails:
    """How features were extracted: whether the weights were downloaded for it, and the seconds of work."""

    extractor_loaded_remotely: bool
    runtime: float


class Extraction(NamedTuple):
    """The features of an image's points, and how they were extracted."""

    features: ImageFeatures
    details: ExtractionDetails


class FeatureExtractor(Described):
    """Base class of extractors, from square crops to feature vectors. Subclasses override `patches_to_features`.

    Args:
        data_locations: where the files are that the extractor needs, by their keys.
        data_hashes: SHA-256 (hexadecimal) of some or all of these files, which are checked before any use.

    Raises:
        MessageError: a location that the class needs is not given.
    """

    kind = "extractor"
    DATA_LOCATION_KEYS: ClassVar[list[str]] = []
    """Keys that `data_locations` must have."""
    CROP_SIZE = 224
    """Width and height of a crop in pixels."""
    PREPROCESSING: ClassVar[str | Preprocessing] = "RGB"
    """What is done to the pixels, as a value or in words; part of the extractor's id."""

    def __init__(
        self, data_locations: Mapping[str, DataLocation] | None = None, data_hashes: Mapping[str, str] | None = None
    ) -> None:
        self.data_locations = dict(data_locations or {})
        self.data_hashes = dict(data_hashes or {})
        self._seen_hashes: dict[str, str] = {}
        for key in self.DATA_LOCATION_KEYS:
            if key not in self.data_locations:
                raise MessageError(f"{key} must be present in data_locations for {type(self).__name__}.")

    @property
    @abstractmethod
    def feature_dim(self) -> int:
        """The dimension of a feature vector."""

    def patches_to_features(self, patch_list: Sequence[NDArray[np.uint8]]) -> tuple[Any, bool]:
        """Features of crops.

        Args:
            patch_list: uint8 arrays [CROP_SIZE, CROP_SIZE, 3]; a sequence whose items are cut out when asked for.

        Returns:
            One vector for each crop (a list of lists, or an array), and whether weights were fetched from afar.
        """
        raise NotImplementedError

    def begin_patches(self, patch_list: Sequence[NDArray[np.uint8]]) -> Callable[[], tuple[Any, bool]]:
        """Start `patches_to_features` in the background, where that is possible.

        Returns:
            What waits, called once, for its answer.
        """
        return partial(self.patches_to_features, patch_list)

    def prepare(self) -> bool:
        """Load the weights and build the network before the first image. Returns whether weights were downloaded."""
        return False

    def __call__(self, im: Image.Image | NDArray[np.uint8], rowcols: Sequence[RowCol]) -> Extraction:
        """Extract the features around points of one image.

        Args:
            im: an image of any mode, or its pixels as uint8 [height, width, 3].
            rowcols: positions of its stored pixels.

        Raises:
            RowColumnInvalidError: no points, or one outside the image.
            HashMismatchError: a file of the extractor is not the announced one.
            WeightsError: weights of another network.
        """
        return self._begun(im, rowcols)()

    def begin(self, im: Image.Image | NDArray[np.uint8], rowcols: Sequence[RowCol]) -> Callable[[], Extraction]:
        """Start extracting the features of one image in the background, where that is possible.

        Returns:
            What waits, called once, for the answer that calling the extractor gives, and raises what that raises.
        """
        if type(self).__call__ is not FeatureExtractor.__call__:
            # A subclass has its own way.
            return partial(self, im, rowcols)
        return self._begun(im, rowcols)

    def _begun(self, im: Image.Image | NDArray[np.uint8], rowcols: Sequence[RowCol]) -> Callable[[], Extraction]:
        from spacer_like.images.crop import Patches

        start = time.perf_counter()
        if not len(rowcols):
            raise RowColumnInvalidError("There must be at least one point.")
        answer = self.begin_patches(Patches(im, rowcols, self.CROP_SIZE))
        return partial(self._ended, rowcols, answer, time.perf_counter() - start)

    def _ended(
        self, rowcols: Sequence[RowCol], answer: Callable[[], tuple[Any, bool]], seconds_before: float
    ) -> Extraction:
        import numpy as np

        start = time.perf_counter()
        with config.log_entry_and_exit(f"extraction of {len(rowcols)} patches"):
            vectors, loaded_remotely = answer()
        features = ImageFeatures.from_arrays(rowcols, np.asarray(vectors), self.known_id())
        # The time between, in which another image was computed, does not count.
        runtime = seconds_before + time.perf_counter() - start
        return Extraction(features, ExtractionDetails(loaded_remotely, runtime))

    @property
    def extractor_id(self) -> str:
        """The id of comparable features: a hash of the class, the files' hashes and the preprocessing.

        Files whose hash was not announced are read for it.
        """
        for key in self.data_locations:
            if key not in self._hashes():
                self.load_datastream(key)
        return self._id(self._hashes())

    def known_id(self) -> str | None:
        """The id, if it is known without reading a file."""
        hashes = self._hashes()
        return self._id(hashes) if set(self.data_locations) <= set(hashes) else None

    @property
    def preprocessing(self) -> Preprocessing:
        """The preprocessing of a whole image to the square that the extractor takes.

        That of the class, or where that is a text, what networks for ImageNet are evaluated by: the shortest side
        resized bicubically to 8/7 of the square, which is 256 pixels for 224, and the middle cut out.
        """
        if isinstance(self.PREPROCESSING, Preprocessing):
            return self.PREPROCESSING
        return Preprocessing(self.CROP_SIZE, round(self.CROP_SIZE * 8 / 7), input_range=255)

    @property
    def whole_image_id(self) -> str:
        """The id of comparable features of whole images: `extractor_id`, and how images are resized and cropped."""
        if isinstance(self.PREPROCESSING, Preprocessing):
            return self.extractor_id
        return self.preprocessing.digest(self.extractor_id)

    def _id(self, hashes: Mapping[str, str]) -> str:
        own = self.PREPROCESSING
        in_words = own.digest() if isinstance(own, Preprocessing) else own
        what = [type(self).__name__, self.feature_dim, self.CROP_SIZE, in_words, sorted(hashes.items())]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:_ID_LENGTH]

    def _hashes(self) -> dict[str, str]:
        return {**self._seen_hashes, **{key: value.lower() for key, value in self.data_hashes.items()}}

    def arguments(self) -> dict[str, Any]:
        return {
            "data_locations": {key: location.serialize() for key, location in self.data_locations.items()},
            "data_hashes": dict(self.data_hashes),
        }

    @classmethod
    def from_arguments(cls, arguments: dict[str, Any]) -> Self:
        given = dict(arguments)
        locations = given.pop("data_locations", None) or {}
        hashes = given.pop("data_hashes", None) or {}
        if not isinstance(locations, Mapping) or not isinstance(hashes, Mapping):
            raise MessageError("The extractor's data_locations and data_hashes must be objects.")
        if not all(isinstance(value, str) for value in hashes.values()):
            raise MessageError("The extractor's data_hashes must be texts.")
        made = {
            key: location if isinstance(location, DataLocation) else DataLocation.deserialize(location)
            for key, location in locations.items()
        }
        return cls(data_locations=made, data_hashes=dict(hashes), **given)

    def load_datastream(self, key: str) -> tuple[BytesIO, bool]:
        """The bytes of the file `key`, checked, and whether they were fetched from afar.

        Remote files are kept in the folder EXTRACTORS_CACHE_DIR.

        Raises:
            HashMismatchError: the bytes are not the announced ones; a copy that was kept is deleted.
            ConfigError: the file is remote and EXTRACTORS_CACHE_DIR is not set.
        """
        location = self.data_locations[key]
        loaded_remotely = False
        if location.is_remote:
            path, loaded_remotely = self.load_data_into_filesystem(key)
            data = read_bytes(DataLocation("filesystem", path))
        else:
            data = read_bytes(location)
        # What was read, and not what the file held before.
        self._seen_hashes[key] = hashlib.sha256(data).hexdigest()
        if self._seen_hashes[key] != self._hashes()[key]:
            self.decache_remote_loaded_file(key)
            raise self._mismatch(key)
        return BytesIO(data), loaded_remotely

    def load_data_into_filesystem(self, key: str) -> tuple[str, bool]:
        """The path of a file with the contents of `key`, checked, and whether they were fetched; errors as above."""
        from spacer_like.storage.cache import file_hash

        location = self.data_locations[key]
        folder = "" if location.storage_type == "filesystem" else self._cache_folder()
        try:
            path, loaded_remotely = cached_file(location, self.data_hashes.get(key), folder)
        except HashMismatchError as error:
            raise self._mismatch(key) from error
        self._seen_hashes[key] = file_hash(path)
        return str(path), loaded_remotely

    def data_filepath_for_cache(self, key: str) -> Path:
        """The path of the local copy of the file `key`."""
        from spacer_like.storage.cache import cached_path

        return cached_path(self.data_locations[key], self._cache_folder())

    def decache_remote_loaded_file(self, key: str) -> None:
        """Delete the copy of a remote file, if there is one."""
        if self.data_locations[key].is_remote:
            self.data_filepath_for_cache(key).unlink(missing_ok=True)

    def _cache_folder(self) -> str:
        folder = config.settings().extractors_cache_dir
        if not folder:
            raise ConfigError("Must define EXTRACTORS_CACHE_DIR to load extractor files/blobs into the filesystem.")
        return folder

    @staticmethod
    def _mismatch(key: str) -> HashMismatchError:
        return HashMismatchError(f"Hash doesn't match for extractor's '{key}' file/blob.")


class DummyExtractor(FeatureExtractor):
    """An extractor for tests: random vectors that do not depend on the image.

    The same points give the same vectors, uniform in [0, 1).
    """

    PREPROCESSING = "none"

    def __init__(
        self,
        data_locations: Mapping[str, DataLocation] | None = None,
        feature_dim: int = 4096,
        data_hashes: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(data_locations, data_hashes)
        if type(feature_dim) is not int or not 1 <= feature_dim <= MOST_FEATURE_DIM:
            raise MessageError(
                f"The extractor's feature_dim must be an integer from 1 to {MOST_FEATURE_DIM}, and is "
                f"{reprlib.repr(feature_dim)}."
            )
        self._feature_dim = feature_dim

    @property
    def feature_dim(self) -> int:
        return self._feature_dim

    def arguments(self) -> dict[str, Any]:
        return {**super().arguments(), "feature_dim": self.feature_dim}

    def __call__(self, im: Image.Image | NDArray[np.uint8], rowcols: Sequence[RowCol]) -> Extraction:
        import numpy as np

        start = time.perf_counter()
        seed = [int(coordinate) for rowcol in rowcols for coordinate in rowcol]
        vectors = np.random.default_rng(seed).random((len(rowcols), self.feature_dim))
        features = ImageFeatures.from_arrays(rowcols, vectors, self.known_id())
        runtime = time.perf_counter() - start
        return Extraction(features, ExtractionDetails(False, runtime))


def image_features(extractor: FeatureExtractor, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The extractor's features of images uint8 [n, CROP_SIZE, CROP_SIZE, 3], n above 0: float32 [n, m], finite.

    Raises:
        MessageError: the extractor does not look at images.
        ExtractorMismatchError: it made no vector of finite numbers of each image.
        WeightsError, HashMismatchError: its files are not what they should be.
    """
    import numpy as np

    try:
        vectors, _ = extractor.patches_to_features(list(pixels))
    except NotImplementedError:
        raise MessageError(
            f"The extractor {type(extractor).__name__} does not look at images: name one that does."
        ) from None
    features = np.asarray(vectors, np.float32)
    if features.ndim != 2 or len(features) != len(pixels) or not np.isfinite(features).all():
        raise ExtractorMismatchError(
            f"The extractor {type(extractor).__name__} must make a vector of finite numbers of each image, and has "
            f"made {list(features.shape)} of {len(pixels)} images."
        )
    return features


def check_size(extractor: FeatureExtractor, size: int) -> None:
    """Refuse images of another size than the extractor takes, as a `MessageError`."""
    if size != extractor.CROP_SIZE:
        raise MessageError(
            f"The extractor {type(extractor).__name__} takes squares of {extractor.CROP_SIZE} pixels: the message's "
            f"size must be {extractor.CROP_SIZE}, and is {size}."
        )
