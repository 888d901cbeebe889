"""Job messages of the points family from arguments of the command line."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacer_like.cli.locations import images_named, inside, is_relative, location, name_inside
from spacer_like.cli.options import UsageError
from spacer_like.cli.running import Failure, failure_of, nothing_done
from spacer_like.data_classes import DataLocation, ImageLabels, LabelId
from spacer_like.exceptions import DataNotFoundError, SpacerInputError
from spacer_like.images.names import FolderNames, ImageNames, is_same_path
from spacer_like.learning.labels_split import FEATURE_ENDINGS, image_name
from spacer_like.mailman import ExitCode
from spacer_like.messages import ClassifyFeaturesMsg, ClassifyImageMsg, ExtractFeaturesMsg, JobMsg
from spacer_like.points.feature_folder import by_image, feature_files
from spacer_like.points.point_table import Point, PointTable
from spacer_like.points.set_points import Sampling

if TYPE_CHECKING:
    from spacer_like.cli.terminal import Terminal
    from spacer_like.extractors.base import FeatureExtractor

FEATURE_ENDING, PACK_ENDING = ".features", ".safetensors"


@dataclass(frozen=True)
class ImagePoints:
    """An image, its name in the table, and its points, with labels where they are known."""

    name: str
    image: DataLocation
    points: list[Point]

    @property
    def rowcols(self) -> list[tuple[int, int]]:
        return [(row, col) for row, col, _ in self.points]

    @property
    def truth(self) -> dict[tuple[int, int], Any]:
        return {(row, col): label for row, col, label in self.points if label is not None}


def images_with_points(
    arguments: list[str],
    table: PointTable | None,
    table_source: str | None,
    sampling: Sampling | None,
    terminal: Terminal | None = None,
    tabled: bool = False,
) -> tuple[list[ImagePoints], list[Failure]]:
    """Images with their points, from the table or by sampling; and the images that cannot be sampled.

    Without arguments, the table's images: relative names are looked for beside the table, then in the working folder.
    Names that differ from those of files in case, Unicode form, slashes or leading folders are taken for the same where
    only one can be meant, which the terminal notes.

    Args:
        tabled: the images' names will be written into a table, and an image whose name cannot be fails.

    Raises:
        SpacerInputError: neither a table nor a sampling, or both; an image without points; two of one name.
        JobFailedError: none of the images can be sampled, or is there.
    """
    failures: list[Failure] = []
    if table is not None and sampling is not None:
        raise UsageError("Choose between --points and --grid, --random or --stratified.")
    if sampling is not None:
        if not arguments:
            raise UsageError("Name at least one image or folder of images.")
        sampling.check()
        found = []
        for name, image in images_named(arguments):
            try:
                if tabled:
                    _check_name(name)
                found.append(ImagePoints(name, image, sampling.points(name, image)))
            except SpacerInputError as error:
                failures.append(failure_of(name, error))
        if not found:
            raise nothing_done(failures, ExitCode.PERMANENT_FAILURE)
    elif table is not None and arguments:
        found = [_with_table_points(name, image, argument, table) for argument, name, image in _named(arguments)]
        _note_other_names(((one.name, one.image.key) for one in found), table, terminal)
    elif table is not None:
        found, failures = _images_of(table, table_source, terminal)
    else:
        raise UsageError(
            "Say where the points are: --points FILE.csv, or set them with --grid, --random or --stratified."
        )
    if twice := [name for name, count in Counter(one.name for one in found).items() if count > 1]:
        raise SpacerInputError(f"Two images are named '{twice[0]}': name their folder instead of the images.")
    return found, failures


def _check_name(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise SpacerInputError("The name of the file is no text in UTF-8: give it another one.") from None


def _named(arguments: list[str]) -> list[tuple[str, str, DataLocation]]:
    return [(argument, name, image) for argument in arguments for name, image in images_named([argument])]


def _with_table_points(name: str, image: DataLocation, argument: str, table: PointTable) -> ImagePoints:
    """The table's entry for an image: by what was typed, its path in its folder, or else as much of its path as is."""
    for candidate in (argument, name):
        if candidate in table.images:
            return ImagePoints(candidate, image, table.images[candidate])
    if (same := table.names.find(image.key)) is not None:
        return ImagePoints(same, image, table.images[same])
    raise SpacerInputError(
        f"The points of {image.display_name} are not known: {table.name} names no such image, or several"
        f"{table.names.nearest(name)}."
    )


def _note_other_names(pairs: Iterable[tuple[str, str]], table: PointTable, terminal: Terminal | None) -> None:
    """Note which names of the table were matched to files of other names, as `pairs`."""
    others = [(name, file) for name, file in pairs if not is_same_path(name, file)]
    if others and terminal is not None:
        name, file = others[0]
        more = f", and {len(others) - 1} more" if len(others) > 1 else ""
        terminal.note(f"Names in {table.name} that differ from those of files: '{name}' is taken for {file}{more}.")


def _images_of(
    table: PointTable, table_source: str | None, terminal: Terminal | None
) -> tuple[list[ImagePoints], list[Failure]]:
    """The images of a table that are found, and the failures of the others."""
    folders = [FolderNames(folder) for folder in _local_folders(table_source)]
    found: list[ImagePoints] = []
    failures: list[Failure] = []
    for name, points in table.images.items():
        image = _beside(name, table_source)
        if image.storage_type == "filesystem" and not os.path.lexists(image.key):
            path = next(filter(None, (folder.find(name) for folder in folders)), None)
            if path is None:
                near = folders[0].nearest(name)
                missing = DataNotFoundError(f"There is no file '{image.key}'{near}.")
                failures.append(failure_of(name, missing, table.row_of))
                continue
            image = DataLocation.local(str(path))
        found.append(ImagePoints(name, image, points))
    if not found:
        raise nothing_done(failures, ExitCode.PERMANENT_FAILURE)
    of_file: dict[DataLocation, str] = {}
    for one in found:
        if (first := of_file.setdefault(one.image, one.name)) != one.name:
            raise SpacerInputError(
                f"{table.name} calls the image {one.image.display_name} both '{first}' and '{one.name}': "
                "give it one name."
            )
    _note_other_names(((one.name, one.image.key) for one in found if "://" not in one.name), table, terminal)
    return found, failures


def _local_folders(table_source: str | None) -> list[Path]:
    """The local folders in which a table's images are searched for."""
    if table_source in (None, "-"):
        return [Path.cwd()]
    table = location(str(table_source))
    beside = [Path(table.key).parent] if table.storage_type == "filesystem" else []
    return [*beside, Path.cwd()]


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


def extract_job(images: Sequence[ImagePoints], extractor: FeatureExtractor, folder: DataLocation) -> JobMsg:
    """One job with a task for each image."""
    tasks = [
        ExtractFeaturesMsg(
            job_token=one.name,
            extractor=extractor,
            rowcols=one.rowcols,
            image_loc=one.image,
            feature_loc=inside(folder, feature_key(one.name)),
        )
        for one in images
    ]
    if twice := [loc for loc, count in Counter(task.feature_loc for task in tasks).items() if count > 1]:
        raise SpacerInputError(f"The features of two images would both be written to {twice[0].display_name}.")
    return JobMsg(task_name="extract_features", tasks=tasks)


def classify_job(images: Sequence[ImagePoints], extractor: FeatureExtractor, model: DataLocation) -> JobMsg:
    """One job with a task for each image."""
    tasks = [
        ClassifyImageMsg(
            job_token=one.name, extractor=extractor, rowcols=one.rowcols, image_loc=one.image, classifier_loc=model
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


def is_feature_file(text: str) -> bool:
    return text.lower().endswith(FEATURE_ENDINGS)


def truth_of(name: str, table: PointTable | None) -> dict[tuple[int, int], LabelId]:
    """The labels of an image's points in a table."""
    if table is None or (same := table.names.find(name)) is None:
        return {}
    return {(row, col): label for row, col, label in table.images[same] if label is not None}


def is_pack(loc: DataLocation) -> bool:
    """Whether a location's name is that of a pack of feature files, and not of their folder."""
    return loc.filename.lower().endswith(PACK_ENDING)


def labelled_features(table: PointTable, folder: DataLocation, terminal: Terminal | None = None) -> ImageLabels:
    """The table's labels, each image named by its feature file in the folder or pack; names are matched as for images.

    Raises:
        DataNotFoundError: images without a feature file.
        SpacerInputError: two images that share one.
    """
    files = _packed_files(folder) if is_pack(folder) else feature_files(folder)
    names = ImageNames(files)
    labelled = {
        image: kept
        for image, points in table.images.items()
        if (kept := [(row, col, label) for row, col, label in points if label is not None])
    }
    found: dict[str, str] = {}
    for image in labelled:
        inner = name_inside(image)
        if (same := inner if inner in files else names.find(image)) is not None:
            found[image] = same
    if missing := [image for image in labelled if image not in found]:
        raise DataNotFoundError(
            f"{len(missing)} of the {len(labelled)} images of {table.name} have no feature file in "
            f"{folder.display_name} (the first is {missing[0]}, line {table.lines[missing[0]][0]}): "
            f"run spacer-like extract first{names.nearest(missing[0])}."
        )
    _check_shared(table, {image: files[name] for image, name in found.items()})
    _note_other_names(((image, name) for image, name in found.items() if name != name_inside(image)), table, terminal)
    return ImageLabels({inside(folder, files[found[image]]): points for image, points in labelled.items()})


def _packed_files(pack: DataLocation) -> dict[str, str]:
    from spacer_like.data_classes.feature_pack import feature_pack

    return by_image(feature_pack(pack).names)


def row_of_label(table: PointTable, labels: ImageLabels, sentence: str) -> str:
    """The table's file and line that an error about a feature file concerns; empty where the sentence names none.

    Args:
        table: the table.
        labels: its labels as `labelled_features` makes them.
        sentence: the error, which begins with the feature file's key.
    """
    images = [image for image, points in table.images.items() if any(label is not None for *_, label in points)]
    named = [
        image
        for loc, image in zip(labels, images, strict=True)
        if f"{loc.key}: " in sentence or f"{loc.display_name}: " in sentence
    ]
    return table.row_of(named[0], sentence) if named else ""


def _check_shared(table: PointTable, found: dict[str, str]) -> None:
    if twice := [key for key, count in Counter(found.values()).items() if count > 1]:
        both = [image for image, key in found.items() if key == twice[0]]
        raise SpacerInputError(f"The images {both[0]} and {both[1]} of {table.name} share the feature file {twice[0]}.")
