"""``spacer-like doctor``: what is installed, which settings come from where, and which storages answer."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from spacer_like.cli.options import JsonMode
from spacer_like.cli.terminal import Terminal
from spacer_like.exceptions import SpacerInputError


def add_to(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command(short_help="What is installed, set and reachable.")(doctor)


def doctor(
    folders: Annotated[
        list[str] | None, typer.Argument(metavar="[FOLDER]...", help="With --clean: folders to look through as well.")
    ] = None,
    bucket: Annotated[
        str | None, typer.Option(metavar="NAME", help="Also write, read and delete an object in this S3 bucket.")
    ] = None,
    url: Annotated[str | None, typer.Option(metavar="URL", help="Also see whether this URL answers.")] = None,
    clean: Annotated[
        bool,
        typer.Option(
            "--clean",
            help="Remove the unfinished files, older than a day, that killed processes left in the folder for "
            "temporary files, in the caches, and in each FOLDER and below.",
        ),
    ] = False,
    json_mode: JsonMode = False,
) -> int:
    """Show what is installed, which settings come from where, and which storages answer.

    Ends with 1 if something that should work does not.
    """
    from spacer_like.cli.diagnosis import examine
    from spacer_like.cli.locations import local_folder

    if folders and not clean:
        raise SpacerInputError("Folders are looked through with --clean only.")
    cleaned = [local_folder(folder, "What is cleaned") for folder in folders or []] if clean else None
    terminal = Terminal(json_mode=json_mode)
    with terminal.progress({}) as listener:
        findings = [finding._asdict() for finding in examine(bucket, url, partial(listener, "Examining"), cleaned)]
    healthy = all(finding["state"] != "failed" for finding in findings)
    terminal.answer({"ok": healthy, "findings": findings})
    if not json_mode:
        from rich.text import Text

        from spacer_like.cli import rendering

        verdict = Text("All is well.", style="green") if healthy else Text("Something failed: see ✗.", style="red")
        terminal.show(*rendering.findings(findings), Text(""), verdict)
    return 0 if healthy else 1
