"""``spacer-like doctor``: what is installed, which settings come from where, and which storages answer."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from spacer_like.cli.options import JsonMode
from spacer_like.cli.terminal import Terminal


def add_to(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command(short_help="What is installed, set and reachable.")(doctor)


def doctor(
    bucket: Annotated[
        str | None, typer.Option(metavar="NAME", help="Also write, read and delete an object in this S3 bucket.")
    ] = None,
    url: Annotated[str | None, typer.Option(metavar="URL", help="Also see whether this URL answers.")] = None,
    json_mode: JsonMode = False,
) -> int:
    """Tell what is installed, which settings come from where, and which storages answer.

    Ends with 1 if something that should work does not.
    """
    from spacer_like.cli.diagnosis import examine

    terminal = Terminal(json_mode=json_mode)
    with terminal.progress({}) as listener:
        findings = [finding._asdict() for finding in examine(bucket, url, partial(listener, "Examining"))]
    healthy = all(finding["state"] != "failed" for finding in findings)
    terminal.answer({"ok": healthy, "findings": findings})
    if not json_mode:
        from rich.text import Text

        from spacer_like.cli import rendering

        verdict = Text("All is well.", style="green") if healthy else Text("Something failed: see ✗.", style="red")
        terminal.show(*rendering.findings(findings), Text(""), verdict)
    return 0 if healthy else 1
