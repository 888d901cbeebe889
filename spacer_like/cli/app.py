"""The command line as a whole: its commands, and how it ends."""

from __future__ import annotations

import logging
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from spacer_like import interruption
from spacer_like.cli import (
    chips_command,
    classify_command,
    cover_command,
    extract_command,
    job_commands,
    jobs_command,
    model_command,
    pack_command,
    plan_command,
    points_command,
    rarity_command,
    regression_command,
    start_commands,
    suggest_command,
    tags_command,
    tiles_command,
    train_command,
    wrong_labels_commands,
)
from spacer_like.cli.options import UsageError
from spacer_like.cli.original_tags import translated
from spacer_like.cli.terminal import Terminal
from spacer_like.cli.wording import command_called, in_options, renamed, speak_of
from spacer_like.exceptions import SpacerError, sentence_of, visible
from spacer_like.interruption import Interrupted

ENTRY_POINT = "env-job"
READER_WENT_AWAY = 128 + signal.SIGPIPE
_ANYWHERE = ("--debug", "--verbose")
# Log lines of what a command says once more in its own words: failed tasks, and images without a row in the metadata.
_SAID_AT_THE_END = {("spacer_like.mailman", logging.ERROR), ("spacer_like.rarity.score_table", logging.WARNING)}

app = typer.Typer(
    name="spacer-like",
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 64 permanent failure, 75 worth a retry, 130 and 143 interrupted.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from spacer_like import __version__

        sys.stdout.write(f"spacer-like {__version__}\n")
        raise typer.Exit


@app.callback()
def _whole(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and end.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log what is being done.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Log everything, and show tracebacks.")] = False,
) -> None:
    """Features, labels, scores and models out of many images."""


for _commands in (
    start_commands,
    extract_command,
    pack_command,
    train_command,
    classify_command,
    suggest_command,
    model_command,
    cover_command,
    plan_command,
    points_command,
    wrong_labels_commands,
    rarity_command,
    chips_command,
    tags_command,
    regression_command,
    tiles_command,
    jobs_command,
    job_commands,
):
    _commands.add_to(app)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit code is returned, and no exception leaves."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    given = [renamed(argument) for argument in _in_front(given)] or ["--help"]
    terminal = Terminal(json_mode="--json" in given, debug="--debug" in given)
    with _logging(given), interruption.at_forced_end(terminal.say_interrupted):
        try:
            code = _completed(given, terminal)
            heard = interruption.heard()
        except Interrupted as signal:
            return _interrupted(signal, terminal)
        # A command that was interrupted with a part done has written its answer already.
        return _interrupted(heard, terminal) if heard and code == heard.exit_code else code


def _completed(given: list[str], terminal: Terminal) -> int:
    """The exit code of a command that has ended; an error is reported."""
    try:
        if _command(given) != ENTRY_POINT:
            # A container's job stores its return message first.
            interruption.ready()
        whole = typer.main.get_command(app)
        speak_of(*command_called(whole, given))
        code = int(whole.main(translated(given), prog_name="spacer-like", standalone_mode=False) or 0)
    except (KeyboardInterrupt, typer.Abort):
        raise Interrupted(signal.SIGINT) from None
    except BrokenPipeError:
        # Whoever read standard output (head, say) has enough. Python would complain once more while it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = READER_WENT_AWAY
    except Exception as error:
        if heard := interruption.heard():
            # What a library raises when it is interrupted says nothing.
            raise heard from None
        code = _failure(error, terminal, command_called(typer.main.get_command(app), given)[0])
    interruption.over()
    return code


def _interrupted(signal: Interrupted, terminal: Terminal) -> int:
    interruption.begin_end()
    if interruption.heard():
        interruption.announce(signal)
    else:
        terminal.complain(str(signal))
    terminal.say_interrupted(signal)
    return signal.exit_code


def _in_front(arguments: list[str]) -> list[str]:
    """The arguments with the global options first, so that these may be given anywhere."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    moved = [argument for argument in arguments[:end] if argument in _ANYWHERE]
    return moved + [argument for argument in arguments[:end] if argument not in _ANYWHERE] + arguments[end:]


def _command(arguments: list[str]) -> str | None:
    return next((argument for argument in arguments if not argument.startswith("-")), None)


def _failure(error: Exception, terminal: Terminal, path: str) -> int:
    # Not before it is needed: a help page is to appear at once.
    from spacer_like.cli.running import JobFailedError
    from spacer_like.extras import broken_package
    from spacer_like.mailman import ExitCode, is_transient

    if isinstance(error, ImportError) and not isinstance(error, SpacerError):
        error = broken_package(error)
    code = ExitCode.TRANSIENT_FAILURE if is_transient(error) else ExitCode.PERMANENT_FAILURE
    if isinstance(error, JobFailedError):
        code = error.exit_code
        terminal.fail(in_options(str(error)), error, error_class=error.error_class, code=code)
    elif isinstance(error, UsageError) or callable(getattr(error, "format_message", None)):
        # The other ones are Typer's complaints about the arguments themselves.
        said = (str(error) if isinstance(error, UsageError) else _complaint(error)).rstrip()
        said += "" if said.endswith((".", "?")) else "."
        terminal.fail(f"{said} See {path} --help.", error_class="usage", code=code)
    elif isinstance(error, SpacerError | OSError):
        terminal.fail(in_options(sentence_of(error)), error, code=code)
    else:
        hint = "" if terminal.debug else " Run with --debug to see where."
        said = sentence_of(error).removeprefix(f"{type(error).__name__}: ").rstrip(".")
        terminal.fail(f"Unexpected {type(error).__name__}: {said}.{hint}", error, code=code)
    return code


def _complaint(error: Any) -> str:
    """What Typer says of the arguments; of a number that does not fit, it has pydantic say it."""
    from pydantic import ValidationError

    from spacer_like.message_errors import what_is_wrong

    if isinstance(error.__context__, ValidationError):
        error.message = what_is_wrong(error.__context__)
    said: str = error.format_message()
    return said.replace("Value error, ", "")


class _PlainFormatter(logging.Formatter):
    """A log formatter that escapes control characters in text from outside."""

    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record), keep="\n\t")


@contextmanager
def _logging(arguments: list[str]) -> Iterator[None]:
    """Log to standard error: warnings, or more where it is asked for; a container's job logs by its settings."""
    if _command(arguments) == ENTRY_POINT:
        yield
        return
    level = next(
        (level for name, level in (("--debug", logging.DEBUG), ("--verbose", logging.INFO)) if name in arguments),
        logging.WARNING,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_PlainFormatter("%(asctime)s %(name)s %(levelname)s: %(message)s"))
    if level > logging.DEBUG:
        handler.addFilter(lambda record: (record.name, record.levelno) not in _SAID_AT_THE_END)
    logger = logging.getLogger("spacer_like")
    level_before = logger.level
    logger.addHandler(handler)
    logger.setLevel(level)
    try:
        with warnings.catch_warnings():
            if level > logging.DEBUG:
                # What image libraries think of a damaged file; our own sentence says whether it could be read.
                warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\b|torch\b")
            yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level_before)
