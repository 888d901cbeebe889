"""Messages about packs of feature files."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from typing_extensions import Self

from spacer_like.location import DataLocation
from spacer_like.message_base import Answered, Folder, Location, Message, ReturnMessage, Runtime, WritableLocation


class PackFeaturesMsg(Message, Answered["PackFeaturesReturnMsg"]):
    """Pack the feature files of a folder into one, which trainings map into memory instead of reading the many.

    Fields:
        features_loc: the folder of feature files, at any depth.
        pack_loc: where the pack goes; its name ends with ``.safetensors``. A file lies in it, as in a folder, under its
            path in its own folder.
        dtype: of the vectors: ``float32``, from which a training gives what it does from float32 files, or
            ``float16``, in half the space.
    """

    task: ClassVar[str] = "pack_features"

    features_loc: Annotated[Location, Folder(r"(?i).*\.(features|featurevector|npz)$")]
    pack_loc: WritableLocation
    dtype: Literal["float32", "float16"] = "float32"

    @classmethod
    def example(cls) -> Self:
        return cls(
            features_loc=DataLocation("memory", "features"), pack_loc=DataLocation("memory", "features.safetensors")
        )


class PackFeaturesReturnMsg(ReturnMessage):
    """What was packed.

    Fields:
        n_files: feature files.
        n_points: their points.
        dimension: numbers in each vector.
        extractor_id: of what made the features; None: the files do not say.
    """

    n_files: int
    n_points: int
    dimension: int
    extractor_id: str | None
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        return cls(n_files=20_000, n_points=1_000_000, dimension=1280, extractor_id="ab" * 20, runtime=60.0)
