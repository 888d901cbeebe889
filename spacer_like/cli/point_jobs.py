"""Job messages of the points family out of what people type."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from spacer_like.cli.locations import images_named, inside, is_relative, location, name_inside
from spacer_like.cli.point_files import Point, PointTable
from spacer_like.cli.running import Failure, failure_of, nothing_done
from spacer_like.cli.sampling import grid_points, parse_grid, random_points
from spacer_like.data_classes import DataLocation, ImageLabels, LabelId
from spacer_like.exceptions import DataNotFoundError, SpacerInputError
from spacer_like.mailman import ExitCode
from spacer_like.messages import ClassifyFeaturesMsg, ClassifyImageMsg, ExtractFeaturesMsg, JobMsg

FEATURE_ENDING = ".features"
FEATURE_ENDINGS = (FEATURE_ENDING, ".featurevector", ".npz")


@dataclass(frozen=True)
class ImagePoints:
    """An image, what the table calls it, and the points to look at; their labels where somebody knows them."""

    name: str
    image: DataLocation
    points: list[Point]

    @property
    def rowcols(self) -> list[tuple[int, int]]:
        return [(row, col) for row, col, _ in self.points]

    @property
    def truth(self) -> dict[tuple[int, int], Any]:
        return {(row, col): label for row, col, label in self.points if label is not None}


@dataclass(frozen=True)
class Sampling:
    """How to set points in images: a grid, or at random; exactly one of the two."""

    grid: str | None = None
    random: int | None = None
    seed: int = 0

    def check(self) -> None:
        """Refuse, before any image is opened, what fits none."""
        if self.grid is not None:
            parse_grid(self.grid)

    def points(self, name: str, image: DataLocation) -> list[Point]:
        from spacer_like.images.decode import load_image

        width, height = load_image(image).size
        if self.grid is not None:
            positions = grid_points(height, width, *parse_grid(self.grid))
        else:
            # Each image its own points, whatever other images are asked for beside it.
            positions = random_points(height, width, self.random or 0, f"{self.seed} {name}")
        return [(row, col, None) for row, col in positions]


def images_with_points(
    arguments: list[str], table: PointTable | None, table_source: str | None, sampling: Sampling | None
) -> tuple[list[ImagePoints], list[Failure]]:
    """The images to work on, each with its points, from the table or by sampling; and those that cannot be sampled.

    Without arguments, the table's images: relative names are looked for beside the table, then in the working folder.

    Raises:
        SpacerInputError: neither a table nor a sampling, or both; an image without points; two of one name.
        JobFailedError: none of the images can be sampled.
    """
    failures: list[Failure] = []
    if table is not None and sampling is not None:
        raise SpacerInputError("Choose between --points and --grid or --random.")
    if sampling is not None:
        if not arguments:
            raise SpacerInputError("Name at least one image or folder of images.")
        sampling.check()
        found = []
        for name, image in images_named(arguments):
            try:
                found.append(ImagePoints(name, image, sampling.points(name, image)))
            except SpacerInputError as error:
                failures.append(failure_of(name, error))
        if not found:
            raise nothing_done(failures, ExitCode.PERMANENT_FAILURE)
    elif table is not None and arguments:
        found = [_with_table_points(name, image, argument, table) for argument, name, image in _named(arguments)]
    elif table is not None:
        found = [ImagePoints(name, _beside(name, table_source), points) for name, points in table.images.items()]
    else:
        raise SpacerInputError("Say where the points are: --points FILE.csv, or set them with --grid or --random.")
    if twice := [name for name, count in Counter(one.name for one in found).items() if count > 1]:
        raise SpacerInputError(f"Two images are named '{twice[0]}': name their folder instead of the images.")
    return found, failures


def _named(arguments: list[str]) -> list[tuple[str, str, DataLocation]]:
    return [(argument, name, image) for argument in arguments for name, image in images_named([argument])]


def _with_table_points(name: str, image: DataLocation, argument: str, table: PointTable) -> ImagePoints:
    """The table's entry for an image: by what was typed, its path in its folder, or a file name that is unique."""
    for candidate in (argument, name):
        if candidate in table.images:
            return ImagePoints(candidate, image, table.images[candidate])
    same = [key for key in table.images if PurePosixPath(key).name == image.filename]
    if len(same) == 1:
        return ImagePoints(same[0], image, table.images[same[0]])
    reason = "names none" if not same else f"names {len(same)} images of that file name"
    raise SpacerInputError(f"The points of {argument} are not known: {table.name} {reason}.")


def _beside(name: str, table_source: str | None) -> DataLocation:
    if not is_relative(name) or table_source in (None, "-"):
        return location(name)
    table = location(str(table_source))
    parent = table.key.rpartition("/")[0] or ("/" if table.key.startswith("/") else "")
    folder = DataLocation(table.storage_type, parent, table.bucket_name)
    if folder.storage_type != "filesystem":
        return inside(folder, name)
    beside = DataLocation.local(f"{parent}/{name}")
    return location(name) if not Path(beside.key).exists() and Path(name).exists() else beside


def feature_key(name: str) -> str:
    """Where the features of an image lie in their folder: under its name, folders included unless they lead elsewhere.

    >>> feature_key("site1/001.jpg"), feature_key("s3://photos/001.jpg")
    ('site1/001.jpg.features', '001.jpg.features')
    """
    return name_inside(name) + FEATURE_ENDING


def extract_job(images: Sequence[ImagePoints], extractor: dict[str, Any], folder: DataLocation) -> JobMsg:
    """One job with a task for each image."""
    from spacer_like.extractors import FeatureExtractor

    shared = FeatureExtractor.deserialize(extractor)
    tasks = [
        ExtractFeaturesMsg(
            job_token=one.name,
            extractor=shared,
            rowcols=one.rowcols,
            image_loc=one.image,
            feature_loc=inside(folder, feature_key(one.name)),
        )
        for one in images
    ]
    if twice := [loc for loc, count in Counter(task.feature_loc for task in tasks).items() if count > 1]:
        raise SpacerInputError(f"The features of two images would both be written to {twice[0].display_name}.")
    return JobMsg(task_name="extract_features", tasks=tasks)


def classify_job(images: Sequence[ImagePoints], extractor: dict[str, Any], model: DataLocation) -> JobMsg:
    """One job with a task for each image."""
    from spacer_like.extractors import FeatureExtractor

    shared = FeatureExtractor.deserialize(extractor)
    tasks = [
        ClassifyImageMsg(
            job_token=one.name, extractor=shared, rowcols=one.rowcols, image_loc=one.image, classifier_loc=model
        )
        for one in images
    ]
    return JobMsg(task_name="classify_image", tasks=tasks)


def classify_features_job(files: Sequence[DataLocation], model: DataLocation) -> JobMsg:
    """One job with a task for each feature file."""
    tasks = [
        ClassifyFeaturesMsg(job_token=image_name(loc.filename), feature_loc=loc, classifier_loc=model) for loc in files
    ]
    return JobMsg(task_name="classify_features", tasks=tasks)


def image_name(feature_file: str) -> str:
    """
    >>> image_name("001.jpg.features")
    '001.jpg'
    """
    ending = next((ending for ending in FEATURE_ENDINGS if feature_file.endswith(ending)), "")
    return feature_file.removesuffix(ending)


def is_feature_file(text: str) -> bool:
    return text.lower().endswith(FEATURE_ENDINGS)


def truth_of(name: str, table: PointTable | None) -> dict[tuple[int, int], LabelId]:
    """The labels that a table knows of an image's points."""
    points = table.images.get(name, []) if table else []
    return {(row, col): label for row, col, label in points if label is not None}


def labelled_features(table: PointTable, folder: DataLocation) -> ImageLabels:
    """The table's labels, each image named by its feature file in the folder.

    Raises:
        DataNotFoundError: images without a feature file.
        SpacerInputError: two images that share one.
    """
    there = _feature_files(folder)
    by_name: dict[str, list[str]] = {}
    for key in there:
        by_name.setdefault(image_name(PurePosixPath(key).name), []).append(key)
    found: dict[str, str] = {}
    for image in table.images:
        wanted = [image_name(feature_key(image)) + ending for ending in FEATURE_ENDINGS]
        same_name = by_name.get(PurePosixPath(image).name, [])
        candidates = [key for key in wanted if key in there] or (same_name if len(same_name) == 1 else [])
        if candidates:
            found[image] = candidates[0]
    _check_found(table, found, folder)
    return ImageLabels(
        {
            inside(folder, found[image]): [(row, col, label) for row, col, label in points if label is not None]
            for image, points in table.images.items()
        }
    )


def _feature_files(folder: DataLocation) -> set[str]:
    """The feature files below a folder, by their paths in it."""
    from spacer_like.storage import storage_factory

    prefix = folder.key.rstrip("/") + "/" if folder.key else ""
    keys = storage_factory(folder.storage_type, folder.bucket_name).list(prefix)
    found = (key.removeprefix(prefix) for key in keys)
    return {key for key in found if key.endswith(FEATURE_ENDINGS)}


def _check_found(table: PointTable, found: dict[str, str], folder: DataLocation) -> None:
    if missing := [image for image in table.images if image not in found]:
        raise DataNotFoundError(
            f"{len(missing)} of the {len(table.images)} images of {table.name} have no feature file in "
            f"{folder.display_name} (the first is {missing[0]}): run spacer-like extract first."
        )
    if twice := [key for key, count in Counter(found.values()).items() if count > 1]:
        both = [image for image, key in found.items() if key == twice[0]]
        raise SpacerInputError(f"The images {both[0]} and {both[1]} of {table.name} share the feature file {twice[0]}.")
