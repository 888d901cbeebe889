"""The command ``spacer-like``.

Commands only read their arguments, build messages and hand them to the mailman; `rendering` draws what people see.
With ``--json`` standard output holds one JSON value and nothing else; progress, notes and errors go to standard error.
"""

from spacer_like.cli.app import main

__all__ = ["main"]
