"""``spacer-like chips fetch-labels, label-table, plot-labels``: labels of chips from maps."""

from __future__ import annotations

from typing import Annotated

import typer

from spacer_like.cli.from_message import Given, from_message, run_and_show
from spacer_like.cli.options import UsageError
from spacer_like.exceptions import DataNotFoundError, SpacerInputError

TILES, LABELS = "ard", "labels.csv"
PARTIAL = "Include chips with some data, too."

_CELLS = Annotated[
    list[str] | None,
    typer.Argument(metavar="[CELL]...", help="Grid squares, like Z35-013133103003; without any, those of --tiles."),
]


def add_to(chips: typer.Typer) -> None:
    """Add this module's commands."""
    from spacer_like.chips.messages import (
        BuildLabelTableMsg,
        ExportCocoMsg,
        FetchLabelsMsg,
        LabelFromFeaturesMsg,
        LabelFromMaskMsg,
        PlotLabelsMsg,
        VisualizeChipMsg,
    )

    chips.command("fetch-labels", short_help="Fetch the map of grid squares.")(
        from_message(
            FetchLabelsMsg,
            _fetch_labels,
            names={"ard_loc": "tiles"},
            defaults={"ard_loc": TILES},
            helps={"overwrite": "Fetch grid squares that are there, too."},
            left_out=("zone", "quadkeys"),
            more={"cells": (_CELLS, None)},
        )
    )
    chips.command("label-table", short_help="Join maps with chips.")(
        from_message(
            BuildLabelTableMsg,
            _label_table,
            arguments={"index_loc": "INDEX.json", "labels_loc": "LABELS.json"},
            names={"ard_loc": "tiles", "sparse_locs": "out", "partial_data": "partial"},
            defaults={"ard_loc": TILES, "sparse_locs": LABELS},
            helps={"partial_data": PARTIAL},
        )
    )
    chips.command("label-features", short_help="Label chips by the features of a file.")(
        from_message(
            LabelFromFeaturesMsg,
            _label_features,
            arguments={"features_loc": "FEATURES", "chips_loc": "CHIPS"},
            names={"sparse_locs": "out", "partial_data": "partial"},
            defaults={"sparse_locs": LABELS},
            helps={"partial_data": PARTIAL},
        )
    )
    chips.command("label-mask", short_help="Label chips by a raster of classes.")(
        from_message(
            LabelFromMaskMsg,
            _label_mask,
            arguments={"mask_loc": "MASK", "chips_loc": "CHIPS"},
            names={"sparse_locs": "out", "partial_data": "partial"},
            defaults={"sparse_locs": LABELS},
            helps={"partial_data": PARTIAL},
        )
    )
    chips.command("coco", short_help="Write chips and labels in COCO's format.")(
        from_message(
            ExportCocoMsg,
            _coco,
            arguments={"table_loc": "TABLE", "chips_loc": "CHIPS"},
            names={"coco_loc": "out"},
            defaults={"coco_loc": "coco.json"},
        )
    )
    chips.command("show", short_help="Draw a chip with its labels.")(
        from_message(
            VisualizeChipMsg,
            _show,
            arguments={"chip": "CHIP", "chips_loc": "CHIPS"},
            names={"picture_loc": "out"},
            defaults={"picture_loc": "chip.png"},
        )
    )
    chips.command("plot-labels", short_help="Draw a label table.")(
        from_message(PlotLabelsMsg, _plot_labels, arguments={"table_loc": "TABLE"})
    )


def _fetch_labels(given: Given) -> int:
    from spacer_like.cli.chip_rendering import fetched_labels
    from spacer_like.cli.running import run_for_answers
    from spacer_like.messages import JobMsg

    terminal = given.terminal
    by_zone = _by_zone(given["cells"] or [], given["tiles"])
    requests = [given.message_class(zone=zone, quadkeys=quadkeys, **given.fields) for zone, quadkeys in by_zone.items()]
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
    terminal.show(*fetched_labels(zones, given["tiles"]))
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


def _label_table(given: Given) -> int:
    from spacer_like.cli.chip_rendering import label_counts
    from spacer_like.cli.rendering import written

    files = {"Texts": given["dense"], "Records": given["records"]}
    return run_and_show(given, given["index"], lambda result: [*label_counts(result, given["out"]), *written(files)])


def _label_features(given: Given) -> int:
    from spacer_like.cli.chip_rendering import feature_labels
    from spacer_like.cli.rendering import written

    files = {"Texts": given["dense"], "Shares": given["shares"], "Outlines": given["outlines"]}
    return run_and_show(
        given, given["features"], lambda result: [*feature_labels(result, given["out"]), *written(files)]
    )


def _label_mask(given: Given) -> int:
    from spacer_like.cli.chip_rendering import mask_labels
    from spacer_like.cli.rendering import written

    files = {"Texts": given["dense"], "Shares": given["shares"]}
    return run_and_show(given, given["mask"], lambda result: [*mask_labels(result, given["out"]), *written(files)])


def _coco(given: Given) -> int:
    from spacer_like.cli.chip_rendering import coco_counts

    return run_and_show(given, given["table"], lambda result: coco_counts(result, given["out"]))


def _show(given: Given) -> int:
    from spacer_like.cli.chip_rendering import shown_chip

    return run_and_show(given, given["chip"], lambda result: shown_chip(result, given["out"]))


def _plot_labels(given: Given) -> int:
    from spacer_like.cli.chip_rendering import plotted

    chosen = [path for path in (given["distribution"], given["correlation"], given["map"]) if path is not None]
    if not chosen:
        raise UsageError("Say what to draw: --distribution, --correlation or --map, each with a file.")
    return run_and_show(given, given["table"], lambda result: plotted(result, chosen))
