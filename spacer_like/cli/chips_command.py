"""``spacer-like chips``: from satellite tiles to chips, and from a chip back to its tile."""

from __future__ import annotations

import typer

from spacer_like.cli import chip_labels_command, chip_models_command, chips_cut_command
from spacer_like.cli.from_message import Given, from_message, run_and_show
from spacer_like.cli.options import group_on_demand

TILES = "ard"


def add_to(app: typer.Typer) -> None:
    """Add this module's commands, and those about labels and models."""
    chips = group_on_demand("Satellite tiles, chips, labels, models.", _add_commands)
    app.add_typer(chips, name="chips", short_help="Satellite tiles to labelled chips, models and similar chips.")


def _add_commands(chips: typer.Typer) -> None:
    from spacer_like.chips.messages import IndexNodataMsg, LocateChipMsg, MapScoresMsg

    chips_cut_command.add_to(chips)
    chips.command("nodata", short_help="Sort chips by whether they are full of data.")(
        from_message(
            IndexNodataMsg,
            _nodata,
            arguments={"chips_loc": "CHIPS"},
            names={"index_loc": "out"},
            defaults={"index_loc": "nodata-index.json"},
        )
    )
    chips.command("locate", short_help="The tile and the location of a chip.")(
        from_message(
            LocateChipMsg,
            _locate,
            arguments={"chip": "CHIP"},
            names={"ard_loc": "tiles"},
            defaults={"ard_loc": TILES},
        )
    )
    chips.command("map", short_help="Draw labels or probabilities of chips as GeoTIFF.")(
        from_message(
            MapScoresMsg,
            _map,
            arguments={"table_loc": "TABLE", "chips_loc": "CHIPS"},
            names={"maps_loc": "out"},
            defaults={"maps_loc": "maps"},
        )
    )
    chip_labels_command.add_to(chips)
    chip_models_command.add_to(chips)


def _nodata(given: Given) -> int:
    from spacer_like.cli.chip_rendering import nodata_classes

    return run_and_show(given, given["chips"], lambda result: nodata_classes(result, given["out"]))


def _locate(given: Given) -> int:
    from spacer_like.cli.chip_rendering import located

    return run_and_show(given, given["chip"], located)


def _map(given: Given) -> int:
    from spacer_like.cli.chip_rendering import score_maps

    return run_and_show(given, given["table"], lambda result: score_maps(result, given["out"]))
