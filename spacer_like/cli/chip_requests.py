"""What the commands about chips share: a request run for somebody who is watching, and its answer shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spacer_like.cli.locations import location
from spacer_like.cli.terminal import Terminal
from spacer_like.exceptions import SpacerInputError
from spacer_like.location import DataLocation

if TYPE_CHECKING:
    from rich.console import RenderableType

    from spacer_like.message_base import Message, ReturnMessage

Tiles = Annotated[
    str, typer.Option(metavar="FOLDER", help="The tree <zone>/<quadkey>/<date>/<acquisition>-visual.tif.")
]
Chips = Annotated[str, typer.Argument(metavar="CHIPS", help="A folder of chips, a manifest, or a folder of manifests.")]
Extractor = Annotated[
    str | None,
    typer.Option(
        "--extractor",
        metavar="NAME",
        help="lite0 (its weights are installed with it), resnet50, or a class's dotted path.",
    ),
]
Model = Annotated[str | None, typer.Option(metavar="FILE", help="A model of spacer-like chips train.")]


def places(texts: str | None) -> list[DataLocation]:
    """The places that a text names, separated by commas."""
    return [location(text.strip()) for text in (texts or "").split(",") if text.strip()]


def whole_numbers(text: str, option: str) -> list[int]:
    """The whole numbers that an option names, separated by commas.

    Raises:
        SpacerInputError: something else is among them.
    """
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise SpacerInputError(f"--{option} must be whole numbers, separated by commas, and is '{text}'.") from None


def place(text: str | None) -> DataLocation | None:
    """The place that an option names, if it was given."""
    return None if text is None else location(text)


def extractor(kind: str | None, weights: str | None) -> dict[str, Any] | None:
    """The extractor that options describe, if any.

    Raises:
        SpacerInputError: an unknown one, or weights of none.
    """
    from spacer_like.cli.extractors import extractor_described

    if kind is None and weights is not None:
        raise SpacerInputError("The option --weights belongs to an extractor: name it with --extractor.")
    return None if kind is None else extractor_described(kind, weights, None)


PARTIAL_FAILURES = ("unreadable", "failed", "damaged_maps")
"""Fields of answers that name the files and cells that could not be worked on, beside which the others were."""


def run_and_show(message: Message, name: str, json_mode: bool, shown: Callable[[Any], Sequence[RenderableType]]) -> int:
    """Run one request, and write its answer for people or as JSON.

    Returns:
        The exit code: that of a failure where a part of what was asked for could not be done.

    Raises:
        JobFailedError: it did not succeed.
    """
    from spacer_like.cli.running import run_for_answers
    from spacer_like.mailman import ExitCode
    from spacer_like.messages import JobMsg

    terminal = Terminal(json_mode=json_mode)
    answers = run_for_answers(JobMsg(task_name=message.task, tasks=[message]), terminal, [name])
    result: ReturnMessage = answers.results[0]
    is_whole = not any(getattr(result, part, ()) for part in PARTIAL_FAILURES)
    terminal.answer({"ok": is_whole, **result.serialize()})
    if not json_mode:
        terminal.show(*shown(result))
    return int(answers.exit_code if is_whole else ExitCode.PERMANENT_FAILURE)
