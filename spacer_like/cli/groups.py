"""Groups of commands."""

from __future__ import annotations

import typer


def group(sentence: str) -> typer.Typer:
    """A group that, named alone, shows what commands it has."""
    made = typer.Typer(rich_markup_mode=None, help=sentence)

    def show_commands(context: typer.Context) -> int:
        if context.invoked_subcommand is None:
            typer.echo(context.get_help())
        return 0

    made.callback(invoke_without_command=True, help=sentence)(show_commands)
    return made
