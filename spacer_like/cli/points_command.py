"""``spacer-like points``: points to label, set in images or read from annotators' programs."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from spacer_like.cli import options
from spacer_like.cli.terminal import Terminal
from spacer_like.exceptions import SpacerInputError

if TYPE_CHECKING:
    from spacer_like.cli.point_jobs import ImagePoints
    from spacer_like.cli.running import Failure
    from spacer_like.data_classes import DataLocation, LabelId
    from spacer_like.points.set_points import Sampling
    from spacer_like.points.squidle import ImageSize

Notes = dict[tuple[str, int, int], str]
"""Notes of points, by image, row and column."""
HEADINGS = {"plain": ("image", "row", "col", "label"), "coralnet": ("Name", "Row", "Column", "Label")}


def add_to(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command(short_help="Points to label: set in images, or read from annotators' files.")(points)


def points(
    out: Annotated[str, typer.Option(metavar="LOC", help="Where they go: a table, or for cpc a folder.")],
    images: options.Images = None,
    table: Annotated[
        list[str] | None,
        typer.Option("--points", metavar="FILE", help="Take points of a table or .cpc file; once for each."),
    ] = None,
    grid: options.Grid = None,
    random: options.RandomCount = None,
    stratified: options.Stratified = None,
    seed: options.Seed = 0,
    margin: options.Margin = None,
    area: options.Area = None,
    write: Annotated[
        Literal["plain", "coralnet", "cpc"], typer.Option("--format", help="Of what is written.")
    ] = "plain",
    json_mode: options.JsonMode = False,
) -> int:
    """Set points in images, or read them from tables of CoralNet and BIIGLE and files of CPCe, and write a table."""
    terminal = Terminal(json_mode=json_mode)
    options.required(out, "out", "where the points go")
    sampled = options.sampling(grid, random, seed, stratified, margin, area)
    if (sampled is not None) == bool(table):
        raise options.UsageError("Set points with --grid, --random or --stratified, or read them with --points.")
    found, failures, notes = _found(images or [], table or [], sampled, needs_images=write == "cpc", terminal=terminal)
    return _write(found, failures, out, write, table or [], terminal, notes)


def _write(
    found: list[ImagePoints],
    failures: list[Failure],
    out: str,
    write: str,
    tables: list[str],
    terminal: Terminal,
    notes: Notes,
) -> int:
    """Write the points, over nothing that is read, and say so; the exit code."""
    from spacer_like.cli.rendering import written
    from spacer_like.cli.running import Answers
    from spacer_like.mailman import ExitCode
    from spacer_like.overwriting import NamedLocation, check_locations, check_outputs
    from spacer_like.reports.evaluation import count_of
    from spacer_like.storage import write_bytes

    files, unwritten = _files(found, options.required(out, "out", "where the points go"), write, notes)
    outputs = [NamedLocation("--out", location, is_output=True) for location, _ in files]
    sources = [("--points", loc) for table in tables if (loc := options.source(table)) is not None]
    inputs = [*sources, *((one.name, one.image) for one in found)]
    check_locations([*outputs, *(NamedLocation(name, location, is_output=False) for name, location in inputs)])
    check_outputs(outputs)
    for location, data in files:
        write_bytes(location, data)
    answers = Answers([], [], ExitCode.DONE).with_failures([*failures, *unwritten], terminal)
    left_out = {failure["name"] for failure in unwritten}
    kept = [one for one in found if one.name not in left_out]
    counts = {"images": len(kept), "points": sum(len(one.points) for one in kept)}
    names = [location.display_name for location, _ in files]
    terminal.answer({"ok": not answers.failures, **counts, "files": names, "failures": answers.failures})
    if not terminal.json_mode:
        said = f"{count_of(counts['points'], 'point')} of {count_of(counts['images'], 'image')}"
        terminal.show(*written({said: out}))
    return int(answers.exit_code)


def _found(
    images: list[str], tables: list[str], sampled: Sampling | None, *, needs_images: bool, terminal: Terminal
) -> tuple[list[ImagePoints], list[Failure], Notes]:
    """The images with their points, and those that fail; of tables without images, by the names there; and notes."""
    from spacer_like.cli.locations import location
    from spacer_like.cli.point_jobs import ImagePoints, images_with_points

    if sampled is not None:
        return *images_with_points(images, None, None, sampled, terminal, tabled=True), {}
    notes: Notes = {}
    every: list[ImagePoints] = []
    failures: list[Failure] = []
    for source in tables:
        read = options.table(source, terminal, _sizes(images) if images else None)
        notes |= {} if read is None else read.notes
        if images or needs_images:
            some, failed = images_with_points(images, read, source, None, terminal)
            every, failures = every + some, failures + failed
        elif read is not None:
            every += [ImagePoints(name, location("-"), points) for name, points in read.images.items()]
    return _merged(every), failures, notes


def _sizes(arguments: list[str]) -> ImageSize:
    """The photographs that arguments name, found by names as in `ImageNames`, with or without their endings."""
    from spacer_like.cli.locations import images_named
    from spacer_like.images.decode import load_image
    from spacer_like.images.names import ImageNames

    images = dict(images_named(arguments))
    stems = {name.rpartition(".")[0]: name for name in images}
    names, by_stem = ImageNames(images), ImageNames(stems)

    @cache
    def size_of(name: str) -> tuple[str, int, int] | None:
        stem = by_stem.find(name)
        found = names.find(name) or (stems[stem] if stem is not None else None)
        if found is None:
            return None
        width, height = load_image(images[found]).size
        return found, height, width

    return size_of


def _merged(every: list[ImagePoints]) -> list[ImagePoints]:
    """Each image once, with the points that any table has of it.

    Raises:
        SpacerInputError: two tables have different labels for a point.
    """
    from spacer_like.cli.point_jobs import ImagePoints

    images = {one.name: one.image for one in every}
    points: dict[str, dict[tuple[int, int], LabelId | None]] = {name: {} for name in images}
    for one in every:
        labels = points[one.name]
        for row, col, label in one.points:
            before = labels.get((row, col))
            if None not in (before, label) and before != label:
                raise SpacerInputError(
                    f"The point (row {row}, column {col}) of {one.name} has the label '{before}' in one table and "
                    f"'{label}' in another: keep one of the two."
                )
            labels[row, col] = before if label is None else label
    return [
        ImagePoints(name, images[name], [(row, col, label) for (row, col), label in labels.items()])
        for name, labels in points.items()
    ]


def _files(
    found: list[ImagePoints], target: DataLocation, write: str, notes: Notes
) -> tuple[list[tuple[DataLocation, bytes]], list[Failure]]:
    """What is written where, and the images whose points cannot be."""
    from spacer_like.cli.running import failure_of, nothing_done
    from spacer_like.mailman import ExitCode
    from spacer_like.tables.cells import csv_bytes

    if write != "cpc":
        rows = [(one.name, row, col, "" if label is None else label) for one in found for row, col, label in one.points]
        return [(target, csv_bytes(HEADINGS[write], rows))], []
    files: list[tuple[DataLocation, bytes]] = []
    failures: list[Failure] = []
    for one in found:
        try:
            files.append(_cpc(one, target, notes))
        except SpacerInputError as error:
            failures.append(failure_of(one.name, error))
    if not files:
        raise nothing_done(failures, ExitCode.PERMANENT_FAILURE)
    return files, failures


def _cpc(one: ImagePoints, folder: DataLocation, notes: Notes) -> tuple[DataLocation, bytes]:
    """The file of an image, under its name in a folder.

    Raises:
        SpacerInputError: no image, or points outside it.
    """
    from spacer_like.cli.locations import inside, name_inside
    from spacer_like.images.decode import load_image
    from spacer_like.points.cpc import ENDING, CpcFile, CpcPoint, write_cpc

    width, height = load_image(one.image).size
    if outside := [(row, col) for row, col in one.rowcols if not (0 <= row < height and 0 <= col < width)]:
        row, col = outside[0]
        raise SpacerInputError(
            f"{one.name}: the point (row {row}, column {col}) lies outside its {height} x {width} pixels."
        )
    some = [
        CpcPoint(row, col, "" if label is None else str(label), notes.get((one.name, row, col), ""))
        for row, col, label in one.points
    ]
    target = inside(folder, name_inside(one.name).rpartition(".")[0] + ENDING)
    return target, write_cpc(CpcFile(one.name, height, width, some))
