"""Groups of commands."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import Any


def group(sentence: str) -> typer.Typer:
    """A group that, named alone, shows what commands it has."""
    made = typer.Typer(rich_markup_mode=None, help=sentence)

    def show_commands(context: typer.Context) -> int:
        if context.invoked_subcommand is None:
            typer.echo(context.get_help())
        return 0

    made.callback(invoke_without_command=True, help=sentence)(show_commands)
    return made


def group_on_demand(sentence: str, add_commands: Callable[[typer.Typer], None]) -> typer.Typer:
    """As `group`, of commands that are made when one of them is first asked for.

    Messages, of which they are made, are not imported for the help pages of others.
    """

    @cache
    def commands() -> dict[str, Any]:
        whole = group(sentence)
        add_commands(whole)
        found: dict[str, Any] = typer.main.get_command(whole).commands  # type: ignore[attr-defined]
        return found

    class GroupOnDemand(TyperGroup):
        @property
        def commands(self) -> MutableMapping[str, Any]:
            return commands()

        @commands.setter
        def commands(self, none: Any) -> None:
            """Those that Typer knows of: none."""

    made = group(sentence)
    made.info.cls = GroupOnDemand
    return made
