"""The command ``spacer-like``.

Commands only read their arguments, build messages and hand them to the mailman; `rendering` draws what people see.
With ``--json`` standard output holds one JSON value and nothing else; progress, notes and errors go to standard error.
"""

from __future__ import annotations

import sys
from io import TextIOWrapper


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit code is returned.

    Args:
        arguments: None: those of the program, which then hears signals from here on to its end.
    """
    from spacer_like import interruption

    if arguments is None:
        # Before anything else is imported.
        interruption.listen()
        if isinstance(sys.stdout, TextIOWrapper):
            # Where an encoding lacks a sign, its number is shown.
            sys.stdout.reconfigure(errors="backslashreplace")
    from spacer_like.cli.app import main as run

    code = run(arguments)
    return code if arguments is not None else interruption.finish(code)
