"""Labels of points, image by image, and what a classifier answered for them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, KeysView, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, cast

from spacer_like.data_classes.base import Annotation, DataClass, FeatureLabelBatch, LabelId, plain
from spacer_like.exceptions import MessageError, MissingFieldError
from spacer_like.location import DataLocation

if TYPE_CHECKING:
    from collections.abc import Container

    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic_core import CoreSchema

    from spacer_like.data_classes.feature_pack import FeaturePack


class ImageLabels(DataClass):
    """Annotations, as (row, column, label), of the points of each image; the image is named by its feature file.

    Keys are locations. The training message of PySpacer up to 0.12 named features by text alone; such keys are kept
    until `relocated` says where they live.
    """

    def __init__(self, data: Mapping[Any, Sequence[Annotation]] | None = None) -> None:
        self._data: dict[Any, list[Annotation]] = {}
        self.label_count_per_class: Counter[LabelId] = Counter()
        self.filesystem_cache: str | Path | None = None
        self.file_versions: Mapping[DataLocation, str] | None = None
        self.pack: FeaturePack | None = None
        for location, points in (data or {}).items():
            self.add_image(location, points)

    @classmethod
    def example(cls) -> ImageLabels:
        return cls(
            {
                DataLocation("filesystem", f"img{number}.features"): [
                    (100, 200, 3),
                    (101, 200, 2 if number == 1 else 3),
                ]
                for number in (1, 2, 3, 4)
            }
        )

    def add_image(self, feature_loc: DataLocation | str, image_annotations: Sequence[Annotation]) -> None:
        """Set the annotations of an image; those that it had before are replaced."""
        if not set(map(type, chain.from_iterable(image_annotations))) <= {int, str}:
            # Rows of a data frame, say, whose numbers JSON does not know.
            image_annotations = [plain(tuple(annotation)) for annotation in image_annotations]
        replaced = Counter(label for _, _, label in self._data.get(feature_loc, ()))
        self.label_count_per_class -= replaced
        self.label_count_per_class.update(label for _, _, label in image_annotations)
        # The list itself: callers change it in place.
        self._data[feature_loc] = cast("list[Annotation]", image_annotations)

    def set_filesystem_cache(
        self, dir_path: str | Path, file_versions: Mapping[DataLocation, str] | None = None
    ) -> None:
        """Keep copies of remote feature files in this folder.

        Args:
            file_versions: of those files; the copies may then serve later trainings. None: they are of this one.
        """
        self.filesystem_cache, self.file_versions = dir_path, file_versions

    def share_sources(self, other: ImageLabels) -> None:
        """Take features from where other labels do: through the same copies, and from the same pack."""
        self.filesystem_cache, self.file_versions, self.pack = other.filesystem_cache, other.file_versions, other.pack

    @property
    def label_count(self) -> int:
        return self.label_count_per_class.total()

    @property
    def classes_set(self) -> set[LabelId]:
        return set(self.label_count_per_class)

    @property
    def has_remote_data(self) -> bool:
        return any(location.is_remote for location in self._data if isinstance(location, DataLocation))

    @property
    def has_text_keys(self) -> bool:
        """Whether features are named as PySpacer up to 0.12 did, by text without a storage."""
        return any(isinstance(location, str) for location in self._data)

    def relocated(self, features_loc: DataLocation) -> ImageLabels:
        """The same labels with text keys turned into locations of the storage and bucket of `features_loc`."""
        return ImageLabels(
            {
                key
                if isinstance(key, DataLocation)
                else DataLocation(features_loc.storage_type, key, features_loc.bucket_name): annotations
                for key, annotations in self._data.items()
            }
        )

    def filter_classes(self, accepted_classes: Container[LabelId]) -> ImageLabels:
        """Only the annotations of accepted classes; an image left without any is left out."""
        kept = {
            location: [annotation for annotation in annotations if annotation[2] in accepted_classes]
            for location, annotations in self._data.items()
        }
        filtered = ImageLabels({location: annotations for location, annotations in kept.items() if annotations})
        filtered.share_sources(self)
        return filtered

    def load_data_in_batches(
        self, batch_size: int | None = 1000, random_seed: int | None = None
    ) -> Iterator[FeatureLabelBatch]:
        """Pairs (feature vectors, labels) of at most `batch_size` points; images in the order that the seed gives."""
        from spacer_like.data_classes.feature_reading import load_data_in_batches

        return load_data_in_batches(self, batch_size, random_seed)

    def load_all_data(self, random_seed: int | None = None) -> FeatureLabelBatch:
        """All feature vectors and labels at once."""
        return next(iter(self.load_data_in_batches(batch_size=None, random_seed=random_seed)))

    def serialize(self) -> dict[str, list[Annotation]]:
        return {
            location.json_text if isinstance(location, DataLocation) else location: annotations
            for location, annotations in self._data.items()
        }

    @classmethod
    def deserialize(cls, data: Any) -> ImageLabels:
        """The labels that `serialize` described.

        Raises:
            MessageError: a key or an annotation is malformed; the sentence names it.
        """
        if not isinstance(data, dict):
            raise MessageError("Labels must be a JSON object: annotations by the location of their feature file.")
        return cls({_location(key): annotations for key, annotations in _validated(data).items()})

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, ImageLabels) else cls.deserialize(value),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda labels: labels.serialize()),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {
            "type": "object",
            "description": "Annotations [row, column, label] by the JSON text of the feature file's location.",
            "additionalProperties": {
                "type": "array",
                "items": {
                    "type": "array",
                    "prefixItems": [{"type": "integer"}, {"type": "integer"}, {"type": ["integer", "string"]}],
                    "minItems": 3,
                    "maxItems": 3,
                },
            },
        }

    def keys(self) -> KeysView[DataLocation]:
        return self._data.keys()

    def __iter__(self) -> Iterator[DataLocation]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, location: DataLocation) -> list[Annotation]:
        return self._data[location]

    def __contains__(self, location: object) -> bool:
        return location in self._data

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ImageLabels) and self._data == other._data

    __hash__ = None

    def __repr__(self) -> str:
        return f"ImageLabels({len(self)} images, {self.label_count} labels, {len(self.classes_set)} classes)"


SetName: TypeAlias = Literal["train", "ref", "val"]
SET_NAMES: tuple[SetName, ...] = ("train", "ref", "val")


@dataclass
class TrainingTaskLabels:
    """The three sets of a training: to learn from, to calibrate on and follow the epochs, and to evaluate."""

    train: ImageLabels
    ref: ImageLabels
    val: ImageLabels

    @classmethod
    def example(cls) -> TrainingTaskLabels:
        return cls(ImageLabels.example(), ImageLabels.example(), ImageLabels.example())

    def __getitem__(self, name: str) -> ImageLabels:
        if name not in SET_NAMES:
            raise KeyError(name)
        labels: ImageLabels = getattr(self, name)
        return labels

    def __setitem__(self, name: str, labels: ImageLabels) -> None:
        if name not in SET_NAMES:
            raise KeyError(name)
        setattr(self, name, labels)

    @property
    def label_count(self) -> int:
        return sum(self[name].label_count for name in SET_NAMES)

    @property
    def has_remote_data(self) -> bool:
        return any(self[name].has_remote_data for name in SET_NAMES)

    def set_filesystem_cache(
        self, dir_path: str | Path, file_versions: Mapping[DataLocation, str] | None = None
    ) -> None:
        for name in SET_NAMES:
            self[name].set_filesystem_cache(dir_path, file_versions)

    def set_pack(self, pack: FeaturePack) -> None:
        """Read the features of files that are in a pack from there."""
        for name in SET_NAMES:
            self[name].pack = pack

    def relocated(self, features_loc: DataLocation) -> TrainingTaskLabels:
        return TrainingTaskLabels(*(self[name].relocated(features_loc) for name in SET_NAMES))

    def copy(self) -> TrainingTaskLabels:
        """New sets over the same annotations, so that a task can filter them and leave its message as it was."""
        return TrainingTaskLabels(*(copy(self[name]) for name in SET_NAMES))

    def serialize(self) -> dict[str, dict[str, list[Annotation]]]:
        return {name: self[name].serialize() for name in SET_NAMES}

    @classmethod
    def deserialize(cls, data: Any) -> TrainingTaskLabels:
        if not isinstance(data, dict) or set(data) - set(SET_NAMES):
            raise MessageError("Training labels consist of train, ref and val.")
        if missing := [name for name in SET_NAMES if name not in data]:
            raise MissingFieldError(f"The training labels lack the set '{missing[0]}'.")
        return cls(*(ImageLabels.deserialize(data[name]) for name in SET_NAMES))


def _location(key: str) -> DataLocation | str:
    if not key.lstrip().startswith("{"):
        return key
    try:
        parsed = json.loads(key)
    except (ValueError, RecursionError):
        return key
    return DataLocation.deserialize(parsed)


def _validated(data: Any) -> dict[str, list[Annotation]]:
    from pydantic import ValidationError

    from spacer_like.message_errors import sentence_of

    try:
        validated: dict[str, list[Annotation]] = _annotations_adapter().validate_python(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = ", ".join(str(part) for part in first["loc"][:3])
        raise MessageError(f"The labels are malformed at [{path}]: {sentence_of(first)}.") from None
    return validated


@cache
def _annotations_adapter() -> Any:
    from pydantic import Field, StrictInt, StrictStr, TypeAdapter

    coordinate = Annotated[StrictInt, Field(ge=-(2**31), lt=2**31)]
    # Classifiers keep labels as int64.
    label = Annotated[StrictInt, Field(ge=-(2**63), lt=2**63)] | StrictStr
    return TypeAdapter(dict[str, list[tuple[coordinate, coordinate, label]]])


class ValResults(DataClass):
    """Evaluation of a classifier, point by point.

    Attributes:
        scores: highest calibrated probability of each point.
        gt: true class of each point, as an index into `classes`.
        est: estimated class of each point, likewise.
        classes: the labels.

    Raises:
        MessageError: lists of unequal length, or an index outside `classes`.
    """

    def __init__(self, scores: list[float], gt: list[int], est: list[int], classes: list[LabelId]) -> None:
        if not len(gt) == len(est) == len(scores):
            raise MessageError(f"There must be as many scores ({len(scores)}) as gt ({len(gt)}) and est ({len(est)}).")
        for name, indices in (("gt", gt), ("est", est)):
            if not indices:
                raise MessageError(f"{name} is empty: there is nothing to evaluate.")
            if min(indices) < 0 or max(indices) >= len(classes):
                raise MessageError(f"{name} points outside the {len(classes)} classes.")
        self.scores = scores
        self.gt = gt
        self.est = est
        self.classes = classes

    @classmethod
    def example(cls) -> ValResults:
        return cls(scores=[0.9, 0.8, 0.7], gt=[0, 1, 0], est=[0, 1, 1], classes=[121, 1222])

    def to_json(self, name: str = "The results") -> bytes:
        # Of any size: a training must not be lost for it.
        return json.dumps(self.serialize()).encode()

    def __repr__(self) -> str:
        return f"ValResults({len(self.gt)} points, {len(self.classes)} classes)"
