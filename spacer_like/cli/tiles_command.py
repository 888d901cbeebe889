"""``spacer-like tiles serve``: a tree of satellite tiles as a map."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Annotated

import typer

from spacer_like.cli.options import group
from spacer_like.cli.terminal import Terminal
from spacer_like.interruption import Interrupted

if TYPE_CHECKING:
    from spacer_like.tile_server.tree_index import LiveTree


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    tiles = group("Trees of satellite tiles.")
    tiles.command(short_help="Serve a tree of tiles as a map.")(serve)
    app.add_typer(tiles, name="tiles", short_help="A tree of satellite tiles as a map in the browser.")


def serve(
    ard_folder: Annotated[
        str, typer.Argument(metavar="ARD_FOLDER", help="The root of the tree, a path or an s3:// URI.")
    ],
    host: Annotated[str, typer.Option(help="Where to listen; 0.0.0.0 lets other machines look.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes one that is free.")] = 8080,
    kind: Annotated[str, typer.Option(help="The tiles that are shown: visual, pan, ...")] = "visual",
    zone: Annotated[
        list[int] | None, typer.Option(min=1, max=60, help="Only this UTM zone; may be given more than once.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, max=64, help="Tiles made at once.")] = None,
    refresh: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How often to look for new tiles; 0 is never.")
    ] = 300,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="A web page elsewhere that may use the tiles; * for any."),
    ] = None,
    log_requests: Annotated[bool, typer.Option("--log-requests", help="Log every request (with --verbose).")] = False,
) -> int:
    """Serve a tree of tiles as a map, in Web Mercator and in its zones' own grid, until Ctrl-C."""
    from spacer_like.cli.locations import location
    from spacer_like.mailman import ExitCode
    from spacer_like.tile_server.serving import ServerOptions, serve

    terminal = Terminal()

    def ready(address: str, tree: LiveTree) -> None:
        index = tree.index
        terminal.note(
            f"{index.n_tiles} tiles of {index.n_cells} cells are to be seen at {address} (Ctrl-C ends this; "
            f"{address}list says what there is, and how map programs get it)."
        )

    options = ServerOptions(host, port, kind, zone, threads, refresh, allow_origin or [], log_requests)
    try:
        serve(location(ard_folder), options, ready)
    except (Interrupted, KeyboardInterrupt) as interrupted:
        # Ctrl-C is how it is meant to end.
        if isinstance(interrupted, Interrupted) and interrupted.number != signal.SIGINT:
            raise
    terminal.note("Ended.")
    return ExitCode.DONE
