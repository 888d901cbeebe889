"""``spacer-like chips``: from satellite tiles to chips, and from a chip back to its tile."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from spacer_like.cli import chip_labels_command, chip_models_command, options
from spacer_like.cli.chip_requests import Tiles, run_and_show, whole_numbers
from spacer_like.cli.groups import group
from spacer_like.cli.terminal import Terminal


def add_to(app: typer.Typer) -> None:
    """Add this module's commands, and those about labels and models."""
    chips = group("Satellite tiles, chips, labels, models.")
    chips.command(short_help="Cut tiles into chips.")(cut)
    chips.command(short_help="Sort chips by whether they are full of data.")(nodata)
    chips.command(short_help="The tile and the place of a chip.")(locate)
    chip_labels_command.add_to(chips)
    chip_models_command.add_to(chips)
    app.add_typer(chips, name="chips", short_help="Satellite tiles to labelled chips, models and similar places.")


def cut(
    tiles: Annotated[str, typer.Argument(metavar="TILES", help="A tree of tiles (a folder, an S3 prefix), or a tile.")],
    out: Annotated[str, typer.Option(metavar="FOLDER", help="Where chips and manifests go.")] = "chips",
    zoom: Annotated[int, typer.Option(min=12, max=22, help="Of the chips; 17 are 512 pixels wide.")] = 17,
    size: Annotated[int | None, typer.Option(min=8, max=4096, help="Resize chips to this width.")] = None,
    quality: Annotated[int | None, typer.Option(min=1, max=100, help="Of the JPEGs; else as it is, or 75.")] = None,
    way: Annotated[
        Literal["auto", "passthrough", "blocks", "strips"], typer.Option(help="How chips are made; auto: the fastest.")
    ] = "auto",
    wanted: Annotated[
        Literal["all_data", "partial_data", "no_data"],
        typer.Option(help="all_data: only chips full of data; partial_data: with some; no_data: all."),
    ] = "partial_data",
    zones: Annotated[str | None, typer.Option(help="UTM zones, separated by commas; else all.")] = None,
    kind: Annotated[Literal["visual", "pan"], typer.Option(help="Which files of a tree.")] = "visual",
    write: Annotated[
        bool, typer.Option("--write/--no-write", help="Write chips, or only manifests that later steps read from.")
    ] = True,
    processes: Annotated[int | None, typer.Option(min=1, help="Tiles at once; else as many as cores.")] = None,
    json_mode: options.JsonMode = False,
) -> int:
    """Cut every tile into chips Z<zone>-<quadkey>_<acquisition>.jpg. What is done and unchanged is not done again."""
    from spacer_like.chips.messages import ChipsFolderMsg
    from spacer_like.cli.chip_rendering import cut_tiles
    from spacer_like.cli.locations import location
    from spacer_like.cli.running import DESCRIPTIONS
    from spacer_like.engines.processes import Processes
    from spacer_like.mailman import ExitCode
    from spacer_like.progress import listening
    from spacer_like.workflows.chips import cut_folder

    terminal = Terminal(json_mode=json_mode)
    message = ChipsFolderMsg(
        ard_loc=location(tiles),
        chips_loc=location(out),
        zoom=zoom,
        size=size,
        quality=quality,
        way=way,
        wanted=wanted,
        zones=None if zones is None else whole_numbers(zones, "zones"),
        write_chips=write,
        kind=kind,
    )
    with terminal.progress(DESCRIPTIONS) as listener, listening(listener), Processes(processes) as engine:
        report = cut_folder(message, engine)
    for failed in report.failed:
        terminal.complain(f"{failed.tile}: {failed.reason}")
    terminal.answer({"ok": not report.failed, **report.serialize()})
    terminal.show(*cut_tiles(report, out))
    if any(failed.transient for failed in report.failed):
        return ExitCode.TRANSIENT_FAILURE
    return ExitCode.PERMANENT_FAILURE if report.failed else ExitCode.DONE


def nodata(
    chips: Annotated[str, typer.Argument(metavar="CHIPS", help="A folder of chips or manifests, or one manifest.")],
    out: Annotated[str, typer.Option(metavar="FILE.json", help="Where the three lists go.")] = "nodata-index.json",
    threshold: Annotated[
        int, typer.Option(min=0, max=254, help="Without manifests: pixels not above it are without data.")
    ] = 8,
    json_mode: options.JsonMode = False,
) -> int:
    """List the chips that are full of data, that have some, and that have none."""
    from spacer_like.chips.messages import IndexNodataMsg
    from spacer_like.cli.chip_rendering import nodata_classes
    from spacer_like.cli.locations import location

    message = IndexNodataMsg(chips_loc=location(chips), index_loc=location(out), threshold=threshold)
    return run_and_show(message, chips, json_mode, lambda result: nodata_classes(result, out))


def locate(
    chip: Annotated[str, typer.Argument(metavar="CHIP", help="A chip's name or path.")],
    tiles: Tiles = "ard",
    json_mode: options.JsonMode = False,
) -> int:
    """Find the tile that a chip was cut from, the window in it, and where on earth that is."""
    from spacer_like.chips.messages import LocateChipMsg
    from spacer_like.cli.chip_rendering import located
    from spacer_like.cli.locations import location

    return run_and_show(LocateChipMsg(chip=chip, ard_loc=location(tiles)), chip, json_mode, located)
