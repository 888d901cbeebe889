"""The two streams of a command: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from spacer_like import interruption
from spacer_like.exceptions import class_of, visible

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import TaskID

    from spacer_like.interruption import Interrupted
    from spacer_like.progress import Listener


class Terminal:
    """The output of a command: result, notes, failures and progress.

    Args:
        json_mode: standard output holds one JSON value; `show` is silent.
        debug: failures come with a traceback.
    """

    def __init__(self, *, json_mode: bool = False, debug: bool = False) -> None:
        self.json_mode = json_mode
        self.debug = debug

    def answer(self, value: Any) -> None:
        """The command's result as JSON; only with ``--json``."""
        if interruption.heard() and isinstance(value, dict):
            value = {**value, "interrupted": True}
        self.answer_in_parts((json.dumps(value),))

    def answer_in_parts(self, parts: Iterable[str]) -> None:
        """As `answer`, of JSON that is too large to be held."""
        if not self.json_mode:
            return
        # Whole or not at all.
        with interruption.deferred():
            for part in parts:
                sys.stdout.write(part)
            sys.stdout.write("\n")
            sys.stdout.flush()
            interruption.over()

    def show(self, *renderables: RenderableType) -> None:
        """The command's result for people; not with ``--json``."""
        if not self.json_mode:
            from rich.text import Text

            console = _console(sys.stdout)
            for renderable in renderables:
                # A sentence is left to the terminal to wrap, so that it can be searched for and copied as one line.
                console.print(renderable, soft_wrap=isinstance(renderable, Text))

    def note(self, text: str) -> None:
        """Show a note, which is not part of the result."""
        from rich.text import Text

        _console(sys.stderr).print(Text(text), soft_wrap=True)

    def complain(self, text: str) -> None:
        """Report a failure after which the command continues."""
        from rich.text import Text

        _console(sys.stderr).print(Text(" ".join(text.split()), style="red"), soft_wrap=True)

    def fail(
        self, sentence: str, error: BaseException | None = None, *, code: int, error_class: str | None = None
    ) -> None:
        """Report in one red sentence why the command fails; as JSON too where that was asked for."""
        if error is not None and error_class is None:
            error_class = class_of(error)
        if error is not None and self.debug:
            traceback.print_exception(error, file=sys.stderr)
        text = " ".join(sentence.split())
        self.complain(text)
        self.answer({"ok": False, "exit_code": int(code), "error": {"class": error_class, "message": text}})

    def say_interrupted(self, signal: Interrupted) -> None:
        """Report as JSON, where that was asked for, that a signal ended the command; not beside another answer."""
        if not interruption.is_over():
            error = {"class": "interrupted", "message": str(signal)}
            self.answer({"ok": False, "exit_code": signal.exit_code, "interrupted": True, "error": error})

    @contextmanager
    def progress(self, descriptions: Mapping[str, str]) -> Iterator[Listener]:
        """A bar for each kind of work on standard error, if that is a terminal.

        Args:
            descriptions: how a kind of work is called here; of others the listener's own word for it is shown.
        """
        if not sys.stderr.isatty():
            yield lambda work, ended, total: None
            return
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeRemainingColumn,
        )

        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=_console(sys.stderr), transient=True) as bar:
            tasks: dict[str, TaskID] = {}

            def show(work: str, ended: int, total: int) -> None:
                if work not in tasks:
                    tasks[work] = bar.add_task(descriptions.get(work, work), total=total)
                bar.update(tasks[work], completed=ended, total=total)

            yield show


def _console(stream: IO[str]) -> Console:
    from rich.console import Console
    from rich.segment import Segment

    class PlainConsole(Console):
        """A console that escapes control characters in text from outside, such as files' names and servers' answers."""

        def render(self, *arguments: Any, **options: Any) -> Iterator[Segment]:
            for segment in super().render(*arguments, **options):
                if segment.control or segment.text.isprintable():
                    yield segment
                else:
                    yield Segment(visible(segment.text, keep="\n"), segment.style)

    # Wide enough for a table where the output goes into a file or a pipe.
    width = None if stream.isatty() else 200
    return PlainConsole(file=stream, width=width, highlight=False, markup=False, emoji=False)
