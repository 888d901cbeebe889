"""``spacer-like chips``: from satellite tiles to chips, and from a chip back to its tile."""

from __future__ import annotations

from typing import Annotated

import typer

from spacer_like.cli import chip_labels_command, chip_models_command
from spacer_like.cli.engines import EngineName, engine_named
from spacer_like.cli.from_message import Given, from_message, run_and_show
from spacer_like.cli.options import group_on_demand
from spacer_like.cli.wording import in_options

TILES = "ard"

_PROCESSES = Annotated[int | None, typer.Option(min=1, help="Tiles at once; without it as many as cores.")]


def add_to(app: typer.Typer) -> None:
    """Add this module's commands, and those about labels and models."""
    chips = group_on_demand("Satellite tiles, chips, labels, models.", _add_commands)
    app.add_typer(chips, name="chips", short_help="Satellite tiles to labelled chips, models and similar chips.")


def _add_commands(chips: typer.Typer) -> None:
    from spacer_like.chips.messages import ChipsFolderMsg, IndexNodataMsg, LocateChipMsg

    chips.command("cut", short_help="Cut tiles into chips.")(
        from_message(
            ChipsFolderMsg,
            _cut,
            arguments={"ard_loc": "TILES"},
            names={"chips_loc": "out", "write_chips": "write"},
            defaults={"chips_loc": "chips"},
            more={"processes": (_PROCESSES, None), "engine": (EngineName, "local")},
        )
    )
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
    chip_labels_command.add_to(chips)
    chip_models_command.add_to(chips)


def _cut(given: Given) -> int:
    from spacer_like.cli.chip_rendering import cut_tiles
    from spacer_like.cli.running import DESCRIPTIONS
    from spacer_like.mailman import ExitCode
    from spacer_like.progress import listening
    from spacer_like.workflows.chips import cut_folder

    message, terminal = given.message(), given.terminal
    with (
        terminal.progress(DESCRIPTIONS) as listener,
        listening(listener),
        engine_named(given["engine"], given["processes"], message.chips_loc.below("submissions")) as engine,
    ):
        report = cut_folder(message, engine)
    for failed in report.failed:
        reason = in_options(failed.reason)
        terminal.complain(reason if failed.tile in reason else f"{failed.tile}: {reason}")
    terminal.answer({"ok": not report.failed, **report.serialize()})
    terminal.show(*cut_tiles(report, given["out"]))
    if any(failed.transient for failed in report.failed):
        return ExitCode.TRANSIENT_FAILURE
    return ExitCode.PERMANENT_FAILURE if report.failed else ExitCode.DONE


def _nodata(given: Given) -> int:
    from spacer_like.cli.chip_rendering import nodata_classes

    return run_and_show(given, given["chips"], lambda result: nodata_classes(result, given["out"]))


def _locate(given: Given) -> int:
    from spacer_like.cli.chip_rendering import located

    return run_and_show(given, given["chip"], located)
