"""``spacer-like examples``: the files that the documentation works on."""

from __future__ import annotations

from typing import Annotated

import typer

from spacer_like.cli import options
from spacer_like.cli.terminal import Terminal

CONTENTS = (
    ("china.jpg, flower.jpg", "two photographs"),
    ("labels.csv", "267 points in them, labelled by hand"),
    ("collections/noto.zip", "a collection of a thousand emoji"),
    ("ard, helsinki.osm.pbf, labels.json", "four satellite tiles drawn from a map, the map, and labels for it"),
    ("ORIGINS.md", "who made them, and under which licences they are"),
)


def add_to(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command(short_help="Write the files that the documentation works on.")(examples)


def examples(
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="Where they go; '.' is the working folder.")],
    json_mode: options.JsonMode = False,
) -> int:
    """Write photographs and labels, a collection of emoji, and tiles with their map. No file is replaced."""
    from spacer_like.cli.locations import local_folder
    from spacer_like.examples import write_examples
    from spacer_like.exceptions import MissingExtraError

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
