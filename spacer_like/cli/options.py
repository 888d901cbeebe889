"""Options and groups that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from typer.core import TyperCommand, TyperGroup

from spacer_like.cli.locations import STANDARD_INPUT, location, read_text_source
from spacer_like.exceptions import SpacerInputError, visible
from spacer_like.location import DataLocation

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import Any

    from spacer_like.cli.terminal import Terminal
    from spacer_like.points.point_table import PointTable
    from spacer_like.points.set_points import Sampling
    from spacer_like.points.squidle import ImageSize

JsonMode = Annotated[
    bool, typer.Option("--json", help="Write the result as JSON to standard output, and nothing else.")
]
Points = Annotated[
    str | None,
    typer.Option(
        metavar="FILE.csv", help="Points: a table with the columns image, row, col, and perhaps label; or '-'."
    ),
]
Grid = Annotated[
    str | None, typer.Option(metavar="N|RxC", help="Set points in a grid: 10 is 10 x 10, 8x12 is 8 rows of 12.")
]
RandomCount = Annotated[
    int | None, typer.Option("--random", min=1, metavar="N", help="Set N points in each image at random.")
]
Stratified = Annotated[
    str | None,
    typer.Option(metavar="N|RxC", help="Divide images in fields; --random N sets N in each, else one."),
]
Seed = Annotated[int, typer.Option(help="Of random points: the same seed sets the same points.")]
Margin = Annotated[
    str | None, typer.Option(metavar="N|N%", help="Set no points so near to the sides, in pixels or percent.")
]
Area = Annotated[
    str | None, typer.Option(metavar="TOP,LEFT,BOTTOM,RIGHT", help="Set points in this part, in pixels or percent.")
]
Extractor = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="lite0, lite0-dense or lite2 (their weights are installed), efficientnet-b0, resnet50, vgg16, timm:MODEL, "
        "open_clip:MODEL[:TAG], or a class's dotted path.",
    ),
]
Weights = Annotated[str | None, typer.Option(metavar="LOC", help="The extractor's weights: a path or a URI.")]
Definition = Annotated[
    str | None, typer.Option(metavar="LOC", help="The network's definition (vgg16): a path or a URI.")
]
Precision = Annotated[
    Literal["fp32", "int8"],
    typer.Option(help="Of lite0 and lite2: int8 is faster, and has features of its own, by --calibration."),
]
Calibration = Annotated[
    str | None,
    typer.Option(
        metavar="LOC", help="Of int8: a file that extract makes of its first images, and takes if it is there."
    ),
]
Threshold = Annotated[
    float, typer.Option(min=0.0, max=1.0, help="The score from which the machine decides a point alone.")
]
Images = Annotated[
    list[str] | None,
    typer.Argument(metavar="[IMAGE]...", help="Images or folders: paths or URIs; without any, those of --points."),
]

Inputs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[IMAGE]...",
        help="Images, folders or feature files: paths or URIs; without any, the images of --points.",
    ),
]


_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


class UsageError(SpacerInputError):
    """Conflicting options, or a missing one; the command's help is named with it."""


def duration(text: str, option: str) -> float:
    """The seconds of an option's text: a number of them, or one with a unit, such as 30m."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)([smhd]?)", text)
    if not found:
        raise UsageError(
            f"The option --{option} takes seconds, or a number with a unit: 30m, 2h or 1d, and not '{visible(text)}'."
        )
    return float(found[1]) * _SECONDS[found[2]]


def required(text: str, option: str, what: str) -> DataLocation:
    """The location that a required option names."""
    if not text:
        raise UsageError(f"The option --{option} is missing: {what}.")
    return location(text)


def optional(text: str | None) -> DataLocation | None:
    """The location that an option names; None without the option."""
    return None if text is None else location(text)


def source(text: str | None) -> DataLocation | None:
    """The location of a table or a job; None for standard input."""
    return None if text is None or text == STANDARD_INPUT else location(text)


def table(source: str | None, terminal: Terminal, size_of: ImageSize | None = None) -> PointTable | None:
    """The table of points that an option names; notices about it are shown; `size_of` as in `read_points`."""
    return None if source is None else _read(source, terminal, labelled=False, size_of=size_of)


def labelled_table(source: str, terminal: Terminal, answers: str | None = None) -> PointTable:
    """The table of labelled points that an argument names; notices about it are shown.

    Args:
        answers: a table whose labels count instead, and whose other points join them; None: there is none.
    """
    table = _read(source, terminal, labelled=True)
    if answers is None:
        return table
    given = _read(answers, terminal, labelled=True)
    found = table.corrected(given)
    n_new = found.point_count - table.point_count
    terminal.note(f"{given.name} labels {given.point_count} points, of which {n_new} are not in {table.name}.")
    return found


def _read(source: str, terminal: Terminal, *, labelled: bool, size_of: ImageSize | None = None) -> PointTable:
    from spacer_like.points.point_table import read_points

    found = read_points(*read_text_source(source), labelled=labelled, size_of=size_of)
    for notice in found.notices():
        terminal.note(notice)
    return found


def sampling(
    grid: str | None,
    random: int | None,
    seed: int,
    stratified: str | None,
    margin: str | None,
    area: str | None,
) -> Sampling | None:
    """The sampling that options ask for; None without them."""
    from spacer_like.points.set_points import Sampling

    if grid is not None and (random is not None or stratified is not None):
        raise UsageError("Choose between --grid and --random or --stratified.")
    if grid is None and random is None and stratified is None:
        if margin is not None or area is not None:
            raise UsageError("Where to set points is said, and not how: add --grid, --random or --stratified.")
        return None
    return Sampling(grid, random, seed, stratified, margin, area)


def group(sentence: str) -> typer.Typer:
    """A group of commands that shows its help when it is called without one."""
    made = typer.Typer(rich_markup_mode=None, help=sentence)

    def show_commands(context: typer.Context) -> int:
        if context.invoked_subcommand is None:
            typer.echo(context.get_help())
        return 0

    made.callback(invoke_without_command=True, help=sentence)(show_commands)
    return made


def group_on_demand(sentence: str, add_commands: Callable[[typer.Typer], None]) -> typer.Typer:
    """As `group`, with commands that are created when one of them is first used.

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
            """Ignore the commands that Typer sets: there are none."""

    made = group(sentence)
    made.info.cls = GroupOnDemand
    return made


def add_on_demand(app: typer.Typer, name: str, short_help: str, make: Callable[[], Callable[..., int]]) -> None:
    """Add a command whose function is made, and whose message is imported, when it is first used.

    Args:
        short_help: its line on the help page of the others.
        make: gives the function for Typer.
    """

    @cache
    def command() -> Any:
        alone = typer.Typer(rich_markup_mode=None, add_completion=False)
        alone.command(name)(make())
        return typer.main.get_command(alone)

    class CommandOnDemand(TyperCommand):
        @property
        def params(self) -> list[Any]:
            found: list[Any] = command().params
            return found

        @params.setter
        def params(self, none: Any) -> None:
            """Ignore the parameters that Typer sets: there are none."""

        def make_context(self, *arguments: Any, **more: Any) -> Any:
            return command().make_context(*arguments, **more)

    app.command(name, short_help=short_help, cls=CommandOnDemand)(lambda: None)
