"""``spacer-like chips cut``: chips of rasters, and of trees of satellite tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from spacer_like.cli.engines import EngineName, engine_named
from spacer_like.cli.from_message import Given, from_message
from spacer_like.cli.options import UsageError
from spacer_like.cli.wording import in_options

if TYPE_CHECKING:
    from rich.console import RenderableType

    from spacer_like.chips.messages import ChipsFolderReturnMsg, CutRastersReturnMsg
    from spacer_like.location import DataLocation

_PROCESSES = Annotated[int | None, typer.Option(min=1, help="Rasters at once; without it as many as cores.")]
_ZONES = Annotated[
    str | None, typer.Option(metavar="INT,...", help="Of a tree of tiles: the UTM zones to cut; without it all.")
]
_WAY = Annotated[
    Literal["auto", "passthrough", "blocks", "strips"],
    typer.Option(help="Of a tree of tiles: how chips are made; auto is the fastest that a tile allows."),
]
_WRITE = Annotated[
    bool,
    typer.Option("--write/--no-write", help="Of a tree of tiles: whether chips are written, or manifests alone."),
]
_KIND = Annotated[Literal["visual", "pan"], typer.Option(help="Of a tree of tiles: which of its files are tiles.")]
_OF_TREES: dict[str, tuple[Any, Any]] = {
    "zones": (_ZONES, None),
    "way": (_WAY, "auto"),
    "write": (_WRITE, True),
    "kind": (_KIND, "visual"),
}
_OF_BOTH = ("chips_loc", "zoom", "size", "quality", "wanted")
_ZOOM = (
    "Zoom level of the places of ard, 12 to 26, and xyz, 0 to 26; without it the one whose chips have pixels nearly as "
    "large as the raster's, and 17 of a tree of tiles."
)
_SIZE = "Width and height of chips in pixels; without it 256, and of a tree of tiles as many as their zoom has."


def add_to(chips: typer.Typer) -> None:
    """Add this module's command."""
    from spacer_like.chips.messages import CutRastersMsg

    chips.command("cut", short_help="Cut rasters, or a tree of tiles, into chips.")(
        from_message(
            CutRastersMsg,
            _cut,
            arguments={"raster_locs": "RASTERS..."},
            names={"chips_loc": "out", "value_range": "range"},
            defaults={"chips_loc": "chips", "size": None},
            helps={
                "raster_locs": "Rasters and folders of them, or one tree of tiles "
                "<zone>/<quadkey>/<date>/<acquisition>-visual.tif.",
                "zoom": _ZOOM,
                "size": _SIZE,
            },
            more={"processes": (_PROCESSES, None), "engine": (EngineName, "local"), **_OF_TREES},
        )
    )


def _cut(given: Given) -> int:
    from spacer_like.chips.tree import has_tiles

    raster_locs = given.fields["raster_locs"]
    if len(raster_locs) == 1 and has_tiles(raster_locs[0], given["kind"]):
        return _cut_tree(given, raster_locs[0])
    for name, (_, default) in _OF_TREES.items():
        if given[name] != default:
            raise UsageError(f"The option --{name} is of trees of tiles, and there is none here.")
    return _cut_rasters(given)


def _cut_tree(given: Given, ard_loc: DataLocation) -> int:
    from spacer_like.chips.messages import ChipsFolderMsg, CutRastersMsg
    from spacer_like.cli.chip_rendering import cut_tiles
    from spacer_like.workflows.chips import cut_folder

    for field, value in given.fields.items():
        if field not in (*_OF_BOTH, "raster_locs") and value != CutRastersMsg.model_fields[field].default:
            option = "range" if field == "value_range" else field.replace("_", "-")
            raise UsageError(f"The option --{option} is not of trees of tiles, which have a grid and colours.")
    message = ChipsFolderMsg(
        ard_loc=ard_loc,
        way=given["way"],
        write_chips=given["write"],
        kind=given["kind"],
        zones=_zones(given["zones"]),
        **{field: given.fields[field] for field in _OF_BOTH if field in given.fields},
    )
    report: ChipsFolderReturnMsg = _worked(given, message.chips_loc, lambda engine: cut_folder(message, engine))
    return _ended(given, report, cut_tiles(report, given["out"]))


def _cut_rasters(given: Given) -> int:
    from spacer_like.cli.chip_rendering import cut_rasters
    from spacer_like.workflows.chips import cut_raster_set

    message = given.message()
    report: CutRastersReturnMsg = _worked(given, message.chips_loc, lambda engine: cut_raster_set(message, engine))
    return _ended(given, report, cut_rasters(report, given["out"]))


def _worked(given: Given, chips_loc: DataLocation, work: Any) -> Any:
    from spacer_like.cli.running import DESCRIPTIONS
    from spacer_like.progress import listening

    with (
        given.terminal.progress(DESCRIPTIONS) as listener,
        listening(listener),
        engine_named(given["engine"], given["processes"], chips_loc.below("submissions")) as engine,
    ):
        return work(engine)


def _ended(given: Given, report: Any, shown: list[RenderableType]) -> int:
    from spacer_like.mailman import ExitCode

    terminal = given.terminal
    for failed in report.failed:
        reason = in_options(failed.reason)
        terminal.complain(reason if failed.tile in reason else f"{failed.tile}: {reason}")
    terminal.answer({"ok": not report.failed, **report.serialize()})
    terminal.show(*shown)
    if any(failed.transient for failed in report.failed):
        return ExitCode.TRANSIENT_FAILURE
    return ExitCode.PERMANENT_FAILURE if report.failed else ExitCode.DONE


def _zones(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise UsageError(f"--zones must be whole numbers, separated by commas, and is '{text}'.") from None
