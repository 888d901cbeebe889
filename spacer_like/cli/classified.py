"""Results of each image, written as soon as it is classified: rows, picture, and shares of classes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from spacer_like.exceptions import SpacerError, SpacerInputError
from spacer_like.location import DataLocation
from spacer_like.storage import temporary_file, write_file, writing_for
from spacer_like.storage.ordinary_files import check_replaceable
from spacer_like.tables.cells import csv_lines

if TYPE_CHECKING:
    from spacer_like.cli.point_jobs import ImagePoints
    from spacer_like.cli.running import Failure
    from spacer_like.messages import ClassifyReturnMsg

HEADING = ("image", "row", "col", "label", "score", "decided")
SUGGESTIONS = 5
"""Of a point, in a table of CoralNet, with confidences in whole percent."""
CORALNET_HEADING = (
    "Name", "Row", "Column", "Label",
    *(f"Machine {what} {number}" for number in range(1, SUGGESTIONS + 1) for what in ("suggestion", "confidence")),
)  # fmt: skip
PART_ENDING = ".part"

Image = dict[str, Any]
"""An image's name, its classes, and its points, each with its best class and all scores."""


class GrowingFile:
    """A file that grows piece by piece; a piece whose writing is interrupted is removed."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.size = 0

    def add(self, data: bytes) -> None:
        self._file.write(data)
        self._file.flush()
        self.size += len(data)

    def end(self) -> None:
        self._file.seek(self.size)
        self._file.truncate()


@contextmanager
def growing_output(loc: DataLocation) -> Iterator[GrowingFile]:
    """A file that grows, and is stored at its location in the end unless it is empty.

    On this machine it grows beside its location, under the name with ``.part`` behind it. What it holds when the
    program is killed stays there.

    Raises:
        SpacerError: nothing can be written there.
    """
    if not loc.is_writable:
        raise SpacerInputError(f"{loc.display_name} cannot be written: a URL can only be read.")
    with temporary_file(loc) as path:
        if loc.storage_type == "filesystem":
            path = path.with_name(os.path.basename(os.path.realpath(loc.key)) + PART_ENDING)
            check_replaceable(path)
            path.unlink(missing_ok=True)
        with path.open("xb") as file:
            growing = GrowingFile(file)
            try:
                yield growing
                with writing_for(loc, path):
                    growing.end()
            finally:
                if not growing.size:
                    path.unlink(missing_ok=True)
        if growing.size:
            write_file(loc, path, consume=True)


@dataclass
class Cover:
    """Number of points of each class, and of correct ones among those with a known label."""

    threshold: float
    points: int = 0
    labelled: int = 0
    right: int = 0
    classes: dict[Any, list[int]] = field(default_factory=dict)
    """By label: its points, and those whose score reaches the threshold."""

    def add(self, image: Image) -> None:
        for point in image["points"]:
            counts = self.classes.setdefault(point["label"], [0, 0])
            counts[0] += 1
            counts[1] += point["score"] >= self.threshold
            self.points += 1
            if point.get("truth") is not None:
                self.labelled += 1
                self.right += point["label"] == point["truth"]


class Classified:
    """A consumer of a job's answers, one by one, that keeps none of them.

    Args:
        names: of the images, in the order of the tasks.
        truths: the known labels of each, by position.
        threshold: the score from which a point is decided.
    """

    def __init__(self, names: Sequence[str], truths: Sequence[Mapping[tuple[int, int], Any]], threshold: float) -> None:
        self._names = names
        self._truths = truths
        self.cover = Cover(threshold)
        self._users: list[Callable[[Image], None]] = [self.cover.add]

    def take(self, number: int, result: ClassifyReturnMsg) -> None:
        """Pass an image on; for `run_job`."""
        image = _image(self._names[number], result, self._truths[number])
        for use in self._users:
            use(image)

    def write_csv(self, file: GrowingFile, *, coralnet: bool = False) -> None:
        """Write a row for each point, of this package's own columns or as CoralNet exports them."""
        threshold = self.cover.threshold

        def add(image: Image) -> None:
            if coralnet:
                suggested = [_suggestions(image, point) for point in image["points"]]
                file.add(csv_lines(suggested if file.size else [CORALNET_HEADING, *suggested]))
                return
            rows = [
                (
                    image["image"], point["row"], point["col"], point["label"], f"{point['score']:.4f}",
                    "yes" if point["score"] >= threshold else "no",
                )
                for point in image["points"]
            ]  # fmt: skip
            file.add(csv_lines(rows if file.size else [HEADING, *rows]))

        # A name that no file can hold is better found before the work.
        csv_lines((name,) for name in self._names)
        self._users.append(add)

    def write_json(self, file: GrowingFile, beginning: str = "") -> None:
        """Write a JSON value for each image, with commas between."""

        def add(image: Image) -> None:
            file.add(f"{', ' if file.size else beginning}{json.dumps(image)}".encode())

        self._users.append(add)

    def draw(self, found: Sequence[ImagePoints], pictures: Mapping[str, DataLocation]) -> list[Failure]:
        """Draw each image; those that cannot be drawn are added to the list."""
        from spacer_like.cli.running import failure_of
        from spacer_like.images.decode import load_image
        from spacer_like.reports import annotated_picture

        by_name = {one.name: one for one in found}
        failures: list[Failure] = []

        def draw(image: Image) -> None:
            one, target = by_name[image["image"]], pictures[image["image"]]
            points = [(point["row"], point["col"], point["label"], point["score"]) for point in image["points"]]
            try:
                annotated_picture(
                    load_image(one.image), points, target, truth=one.truth, threshold=self.cover.threshold
                )
            except SpacerError as error:
                failures.append(failure_of(one.name, error))

        self._users.append(draw)
        return failures


@contextmanager
def writing(classified: Classified, out: DataLocation | None, *, coralnet: bool = False) -> Iterator[None]:
    """Write what is classified to a location, .json or else .csv, as it comes."""
    with ExitStack() as stack:
        if out is None:
            yield
            return
        file = stack.enter_context(growing_output(out))
        if out.filename.lower().endswith(".json"):
            classified.write_json(file, '{"images": [')
            yield
            if file.size:
                file.add(b"]}")
        else:
            classified.write_csv(file, coralnet=coralnet)
            yield


def _suggestions(image: Image, point: Mapping[str, Any]) -> tuple[Any, ...]:
    """A row of `CORALNET_HEADING`: the best class as the label, then the best five with their confidences."""
    best = sorted(zip(point["scores"], image["classes"], strict=True), key=lambda one: -one[0])[:SUGGESTIONS]
    cells: list[Any] = [image["image"], point["row"], point["col"], point["label"]]
    for score, label in best:
        cells += [label, round(100 * score)]
    return (*cells, *[""] * (len(CORALNET_HEADING) - len(cells)))


def _image(name: str, result: ClassifyReturnMsg, truth: Mapping[tuple[int, int], Any]) -> Image:
    points = []
    for row, col, scores in result.scores:
        best = max(range(len(scores)), key=scores.__getitem__)
        point = {"row": row, "col": col, "label": result.classes[best], "score": scores[best], "scores": scores}
        if (row, col) in truth:
            point["truth"] = truth[row, col]  # type: ignore[index]
        points.append(point)
    return {"image": name, "classes": result.classes, "points": points}
