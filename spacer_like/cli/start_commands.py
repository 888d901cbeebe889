"""``spacer-like examples`` and ``doctor``: files to try the commands on, and whether everything they need is there."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from spacer_like.cli.options import JsonMode
from spacer_like.cli.terminal import Terminal
from spacer_like.exceptions import MissingExtraError, SpacerInputError


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command(short_help="Write the files that the documentation works on.")(examples)
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


CONTENTS = (
    ("china.jpg, flower.jpg", "two photographs"),
    ("labels.csv", "267 points in them, labelled by hand"),
    ("collections/noto.zip", "a collection of a thousand emoji"),
    ("ard, helsinki.osm.pbf, labels.json", "four satellite tiles drawn from a map, the map, and labels for it"),
    ("ORIGINS.md", "who made them, and under which licences they are"),
)


def examples(
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="Where they go; '.' is the working folder.")],
    json_mode: JsonMode = False,
) -> int:
    """Write photographs and labels, a collection of emoji, and tiles with their map. No file is replaced."""
    from spacer_like.cli.locations import local_folder
    from spacer_like.examples import write_examples

    terminal = Terminal(json_mode=json_mode)
    written = write_examples(local_folder(folder, "FOLDER"))
    if written.missing:
        terminal.note(f"No tiles and no map: {MissingExtraError('Drawing them', 'geo')}")
    terminal.answer({"ok": True, "folder": folder, "files": written.files, "missing": written.missing})
    if not json_mode:
        from spacer_like.cli.rendering import table

        rows = table("file", "", names=2)
        for names, what in CONTENTS:
            if any(file.split("/")[0] == names.split("/")[0].split(",")[0] for file in written.files):
                rows.add_row(names, what)
        terminal.show(rows)
    return 0
