"""``spacer-like chips fetch-labels, label-table, plot-labels``: what maps say about chips."""

from __future__ import annotations

from typing import Annotated

import typer

from spacer_like.cli import options
from spacer_like.cli.chip_requests import Tiles, place, places, run_and_show
from spacer_like.cli.options import UsageError
from spacer_like.exceptions import DataNotFoundError, SpacerInputError


def add_to(chips: typer.Typer) -> None:
    """Add this module's commands."""
    chips.command("fetch-labels", short_help="Fetch the map of cells.")(fetch_labels)
    chips.command("label-table", short_help="Join maps with chips.")(label_table)
    chips.command("plot-labels", short_help="Draw a label table.")(plot_labels)


def fetch_labels(
    cells: Annotated[
        list[str] | None, typer.Argument(metavar="[CELL]...", help="Like Z35-013133103003; else those of --tiles.")
    ] = None,
    tiles: Tiles = "ard",
    extract: Annotated[
        str | None, typer.Option(metavar="FILE.osm.pbf", help="Read this extract instead of asking a server.")
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(metavar="URL", help="Of an Overpass server; without it, overpass-api.de.")
    ] = None,
    keys: Annotated[
        str | None, typer.Option(help="Write elements with any of these keys, separated by commas, once more.")
    ] = None,
    attempts: Annotated[int, typer.Option(min=1, max=100, help="Of asking for a cell.")] = 5,
    timeout: Annotated[int, typer.Option(min=1, max=3600, help="Seconds that the server may take for a cell.")] = 180,
    max_bytes: Annotated[int, typer.Option(min=2**20, max=2**32, help="Memory that the server may use for a cell.")] = 2
    ** 29,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Fetch cells that are there, too.")] = False,
    json_mode: options.JsonMode = False,
) -> int:
    """Fetch what OpenStreetMap knows of cells into osm_data.json beside their tiles. What is there is not fetched."""
    from spacer_like.chips.messages import FetchLabelsMsg
    from spacer_like.chips.messages.labels import OVERPASS
    from spacer_like.cli.chip_rendering import fetched_labels
    from spacer_like.cli.locations import location
    from spacer_like.cli.running import run_for_answers
    from spacer_like.cli.terminal import Terminal
    from spacer_like.messages import JobMsg

    terminal = Terminal(json_mode=json_mode)
    by_zone = _by_zone(cells or [], tiles)
    requests = [
        FetchLabelsMsg(
            zone=zone,
            quadkeys=quadkeys,
            ard_loc=location(tiles),
            endpoint=endpoint or OVERPASS,
            extract_loc=place(extract),
            keys=None if keys is None else [key.strip() for key in keys.split(",") if key.strip()],
            attempts=attempts,
            timeout=timeout,
            max_bytes=max_bytes,
            overwrite=overwrite,
        )
        for zone, quadkeys in by_zone.items()
    ]
    answers = run_for_answers(
        JobMsg(task_name="fetch_labels", tasks=requests), terminal, [f"zone {zone}" for zone in by_zone]
    )
    zones = [
        {"zone": zone, **result.serialize()}
        for zone, result in zip(by_zone, answers.results, strict=True)
        if result is not None
    ]
    refused = [
        {"name": cell["cell"], "class": None, "message": f"{cell['cell']}: {cell['reason']}"}
        for zone in zones
        for cell in zone["failed"]
    ]
    answers = answers.with_failures(refused, terminal)
    terminal.answer({"ok": not answers.failures, "zones": zones, "failures": answers.failures})
    terminal.show(*fetched_labels(zones, tiles))
    return int(answers.exit_code)


def _by_zone(cells: list[str], tiles: str) -> dict[int, list[str]]:
    """The quadkeys to fetch, by zone.

    Raises:
        SpacerInputError: a text that names no cell of zoom 12; no cell at all.
    """
    from spacer_like.chips.grid import Cell
    from spacer_like.chips.tree import find_tiles
    from spacer_like.cli.locations import location

    if cells:
        found = {Cell.parse(cell) for cell in cells}
        if wrong := [cell.name for cell in found if cell.zoom != 12]:
            raise SpacerInputError(f"{wrong[0]} is no cell of zoom 12: its quadkey must have 12 digits.")
    else:
        found = {path.cell for path, _ in find_tiles(location(tiles))}
        if not found:
            raise DataNotFoundError(f"There is no tile in {tiles}: name cells, or another tree with --tiles.")
    by_zone: dict[int, list[str]] = {}
    for cell in sorted(found, key=lambda one: (one.zone, one.quadkey)):
        by_zone.setdefault(cell.zone, []).append(cell.quadkey)
    return by_zone


def label_table(
    index: Annotated[str, typer.Argument(metavar="INDEX.json", help="The three lists of spacer-like chips nodata.")],
    labels: Annotated[str, typer.Argument(metavar="LABELS.json", help="{label: {key: [values]}}; * is any value.")],
    tiles: Tiles = "ard",
    out: Annotated[
        str, typer.Option(metavar="FILES", help="Tables of 0 and 1, .csv or .parquet, separated by commas.")
    ] = "labels.csv",
    dense: Annotated[str | None, typer.Option(metavar="FILES", help="Tables of texts a|b|c.")] = None,
    records: Annotated[str | None, typer.Option(metavar="FILES", help="A row for each chip, element and tag.")] = None,
    partial: Annotated[bool, typer.Option("--partial", help="Chips with some data, too.")] = False,
    json_mode: options.JsonMode = False,
) -> int:
    """Join the map of every cell with its chips: which chip shows what."""
    from spacer_like.chips.messages import BuildLabelTableMsg
    from spacer_like.cli.chip_rendering import label_counts
    from spacer_like.cli.locations import location
    from spacer_like.cli.rendering import written

    message = BuildLabelTableMsg(
        index_loc=location(index),
        ard_loc=location(tiles),
        labels_loc=location(labels),
        sparse_locs=places(out),
        dense_locs=places(dense),
        records_locs=places(records),
        partial_data=partial,
    )
    return run_and_show(
        message,
        index,
        json_mode,
        lambda result: [*label_counts(result, out), *written({"Texts": dense, "Records": records})],
    )


def plot_labels(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="A table of 0 and 1 of spacer-like chips label-table.")],
    distribution: Annotated[str | None, typer.Option(metavar="FILE", help="How many chips bear each label.")] = None,
    correlation: Annotated[str | None, typer.Option(metavar="FILE", help="Which labels go together.")] = None,
    map: Annotated[str | None, typer.Option(metavar="FILE", help="The chips on a map.")] = None,
    label: Annotated[str | None, typer.Option(help="The label that the map shows; else how many.")] = None,
    json_mode: options.JsonMode = False,
) -> int:
    """Draw a label table: its distribution, its correlation and its map."""
    from spacer_like.chips.messages import PlotLabelsMsg
    from spacer_like.cli.chip_rendering import plotted
    from spacer_like.cli.locations import location

    chosen = [name for name in (distribution, correlation, map) if name is not None]
    if not chosen:
        raise UsageError("Say what to draw: --distribution, --correlation or --map, each with a file.")
    message = PlotLabelsMsg(
        table_loc=location(table),
        distribution_loc=place(distribution),
        correlation_loc=place(correlation),
        map_loc=place(map),
        label=label,
    )
    return run_and_show(message, table, json_mode, lambda result: plotted(result, chosen))
