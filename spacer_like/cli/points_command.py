"""``spacer-like points``: points to label, set in images or read from annotators' programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from spacer_like.cli import options
from spacer_like.cli.terminal import Terminal

if TYPE_CHECKING:
    from spacer_like.cli.point_jobs import ImagePoints
    from spacer_like.location import DataLocation

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
    stratified: Annotated[
        str | None, typer.Option(metavar="N|RxC", help="Divide images in fields; --random N sets N in each, else one.")
    ] = None,
    seed: options.Seed = 0,
    margin: Annotated[
        str | None, typer.Option(metavar="N|N%", help="Set no points so near to the sides, in pixels or percent.")
    ] = None,
    area: Annotated[
        str | None, typer.Option(metavar="TOP,LEFT,BOTTOM,RIGHT", help="Set points in this part, in pixels or percent.")
    ] = None,
    write: Annotated[
        Literal["plain", "coralnet", "cpc"], typer.Option("--format", help="Of what is written.")
    ] = "plain",
    json_mode: options.JsonMode = False,
) -> int:
    """Set points in images, or read them from tables of CoralNet and BIIGLE and files of CPCe, and write a table."""
    from spacer_like.cli.rendering import written
    from spacer_like.points.set_points import Sampling

    terminal = Terminal(json_mode=json_mode)
    target = options.required(out, "out", "where the points go")
    if grid is not None and (random is not None or stratified is not None):
        raise options.UsageError("Choose between --grid and --random or --stratified.")
    is_set = grid is not None or random is not None or stratified is not None
    if is_set == bool(table):
        raise options.UsageError("Set points with --grid, --random or --stratified, or read them with --points.")
    sampled = Sampling(grid, random, seed, stratified, margin, area) if is_set else None
    found = _found(images or [], table or [], sampled, needs_images=write == "cpc", terminal=terminal)
    files = _write(found, target, write)
    counts = {"images": len(found), "points": sum(len(one.points) for one in found)}
    terminal.answer({"ok": True, **counts, "files": files})
    if not json_mode:
        terminal.show(*written({f"{counts['points']:,} points of {counts['images']:,} images": out}))
    return 0


def _found(
    images: list[str], tables: list[str], sampled: object, *, needs_images: bool, terminal: Terminal
) -> list[ImagePoints]:
    """The images with their points; of tables without images, by the names there."""
    from spacer_like.cli.locations import location
    from spacer_like.cli.point_jobs import ImagePoints, images_with_points

    if sampled is not None:
        found, failures = images_with_points(images, None, None, sampled, terminal, tabled=True)  # type: ignore[arg-type]
        for failure in failures:
            terminal.complain(failure["message"])
        return found
    every: list[ImagePoints] = []
    for source in tables:
        read = options.table(source, terminal)
        if images or needs_images:
            every += images_with_points(images, read, source, None, terminal)[0]
        elif read is not None:
            every += [ImagePoints(name, location("-"), points) for name, points in read.images.items()]
    return every


def _write(found: list[ImagePoints], target: DataLocation, write: str) -> list[str]:
    from spacer_like.storage import write_bytes
    from spacer_like.tables.cells import csv_bytes

    if write == "cpc":
        return _write_cpc(found, target)
    rows = [(one.name, row, col, "" if label is None else label) for one in found for row, col, label in one.points]
    write_bytes(target, csv_bytes(HEADINGS[write], rows))
    return [target.display_name]


def _write_cpc(found: list[ImagePoints], folder: DataLocation) -> list[str]:
    """A file for each image, under its name, in a folder."""
    from spacer_like.cli.locations import inside, name_inside
    from spacer_like.images.decode import load_image
    from spacer_like.points.cpc import ENDING, CpcFile, CpcPoint, write_cpc
    from spacer_like.storage import write_bytes

    files = []
    for one in found:
        width, height = load_image(one.image).size
        some = [CpcPoint(row, col, "" if label is None else str(label)) for row, col, label in one.points]
        target = inside(folder, name_inside(one.name).rpartition(".")[0] + ENDING)
        write_bytes(target, write_cpc(CpcFile(one.name, height, width, some)))
        files.append(target.display_name)
    return files
