"""``spacer-like tiles serve``: a tree of satellite tiles, or rasters, as a map."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spacer_like.cli.options import UsageError, group
from spacer_like.cli.terminal import Terminal
from spacer_like.interruption import Interrupted

if TYPE_CHECKING:
    from spacer_like.chips.messages import CutRastersMsg
    from spacer_like.location import DataLocation
    from spacer_like.tile_server.raster_index import LiveRasters
    from spacer_like.tile_server.tree_index import LiveTree


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    tiles = group("Trees of satellite tiles, and rasters.")
    tiles.command(short_help="Serve a tree of tiles, or rasters, as a map.")(serve)
    app.add_typer(tiles, name="tiles", short_help="A tree of satellite tiles, or rasters, as a map in the browser.")


def serve(
    rasters: Annotated[
        list[str],
        typer.Argument(
            metavar="RASTERS...",
            help="The root of a tree of tiles; or rasters, folders of them and STAC, as chips cut takes them: paths or "
            "URIs.",
        ),
    ],
    host: Annotated[str, typer.Option(help="Where to listen; 0.0.0.0 lets other machines look.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes one that is free.")] = 8080,
    kind: Annotated[str, typer.Option(help="Of a tree: the tiles that are shown: visual, pan, ...")] = "visual",
    zone: Annotated[
        list[int] | None, typer.Option(min=1, max=60, help="Only this UTM zone; may be given more than once.")
    ] = None,
    bands: Annotated[
        str | None,
        typer.Option(metavar="TEXT,...", help="Of rasters: the bands that are shown, one or three, as of chips cut."),
    ] = None,
    range_: Annotated[
        str | None,
        typer.Option("--range", metavar="LOW,HIGH", help="Of rasters: what becomes 0 and 255, as of chips cut."),
    ] = None,
    assets: Annotated[
        str | None, typer.Option(metavar="TEXT,...", help="Of STAC: the assets that are taken of each item.")
    ] = None,
    embeddings: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Vectors of chips (of chips encode), to look for places by example."),
    ] = None,
    chips: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="With --embeddings: the chips, with their manifests.")
    ] = None,
    answers: Annotated[
        str, typer.Option(metavar="FOLDER", help="With --embeddings: where answers and rankings are kept.")
    ] = "places",
    threads: Annotated[int | None, typer.Option(min=1, max=64, help="Tiles made at once.")] = None,
    refresh: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How often a tree is looked through; 0 is never.")
    ] = 300,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="A web page elsewhere that may use the tiles; * for any."),
    ] = None,
    log_requests: Annotated[bool, typer.Option("--log-requests", help="Log every request (with --verbose).")] = False,
) -> int:
    """Serve a tree of tiles, or rasters, as a map in Web Mercator, a tree also in its zones' own grid, until Ctrl-C."""
    from spacer_like.cli.locations import location
    from spacer_like.mailman import ExitCode
    from spacer_like.tile_server.serving import ServerOptions, serve

    terminal = Terminal()
    shown = _shown([location(text) for text in rasters], kind, {"bands": bands, "range": range_, "assets": assets})

    def ready(address: str, live: LiveTree | LiveRasters) -> None:
        index = live.index
        what = f"{index.n_tiles} tiles of {index.n_cells} cells are"
        if not index.zones:
            what = "1 raster is" if index.n_tiles == 1 else f"{index.n_tiles} rasters are"
        for failed in getattr(index, "failed", ()):
            terminal.complain(failed.reason)
        terminal.note(
            f"{what} to be seen at {address} (Ctrl-C ends this; "
            f"{address}list says what there is, and how map programs get it)."
        )

    places = None
    if embeddings:
        if chips is None:
            raise UsageError("With --embeddings the server needs the chips: name their folder with --chips.")
        from spacer_like.tile_server.places import PlacesOptions

        places = PlacesOptions([location(one) for one in embeddings], location(chips), location(answers))
    options = ServerOptions(host, port, kind, zone, threads, refresh, allow_origin or [], log_requests, places)
    try:
        serve(shown, options, ready)
    except (Interrupted, KeyboardInterrupt) as interrupted:
        # Ctrl-C is how it is meant to end.
        if isinstance(interrupted, Interrupted) and interrupted.number != signal.SIGINT:
            raise
    terminal.note("Ended.")
    return ExitCode.DONE


def _shown(
    raster_locs: list[DataLocation], kind: str, of_rasters: Mapping[str, str | None]
) -> DataLocation | CutRastersMsg:
    """The root of a tree, or the rasters, as `serving.serve` takes them."""
    from spacer_like.chips.messages import CutRastersMsg
    from spacer_like.chips.tree import has_tiles
    from spacer_like.location import DataLocation

    if len(raster_locs) == 1 and has_tiles(raster_locs[0], kind):
        if given := [name for name, value in of_rasters.items() if value is not None]:
            raise UsageError(f"The option --{given[0]} is not of trees of tiles, which have colours.")
        return raster_locs[0]
    fields: dict[str, Any] = {
        name: [part.strip() for part in text.split(",") if part.strip()] for name, text in of_rasters.items() if text
    }
    if "range" in fields:
        try:
            fields["value_range"] = [float(part) for part in fields.pop("range")]
        except ValueError:
            raise UsageError(f"--range must be two numbers, LOW,HIGH, and is '{of_rasters['range']}'.") from None
    # Nothing is written.
    return CutRastersMsg(raster_locs=raster_locs, chips_loc=DataLocation("memory", "served"), grid="xyz", **fields)
