"""The option --engine of commands that do many requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from spacer_like.exceptions import SpacerInputError, nearest

if TYPE_CHECKING:
    from spacer_like.engines.base import Engine
    from spacer_like.location import DataLocation

EngineName = Annotated[
    str,
    typer.Option(
        "--engine",
        metavar="NAME",
        help="Who does the work: local, dask[:ADDRESS], slurm[:PARTITION] or batch:QUEUE:DEFINITION.",
    ),
]
LOCAL = "local"
_NAMES = (LOCAL, "dask", "slurm", "batch")


def engine_named(text: str, processes: int | None, folder: DataLocation, *, apart: bool = False) -> Engine:
    """The engine that the option names.

    Args:
        processes: of this machine, for ``local`` and for a Dask cluster made here; None: one for each core.
        folder: where submissions to a cluster are kept.
        apart: none of the work is done in this very process.

    Raises:
        SpacerInputError: there is no such engine, or its children do not reach the folder.
    """
    name, _, rest = text.partition(":")
    if name == LOCAL and not rest:
        from spacer_like.engines.processes import Processes

        return Processes(processes, apart=apart)
    if name == "dask":
        from spacer_like.engines.dask_cluster import Dask

        return Dask(rest or None, workers=processes)
    if name in ("slurm", "batch"):
        return _submitted(name, rest, folder)
    hint = nearest(name, _NAMES) or f" Choose one of {', '.join(_NAMES)}."
    raise SpacerInputError(f"There is no engine '{text}'.{hint}")


def check_reached(engine: str, loc: DataLocation) -> None:
    """Refuse a location of this machine for an engine whose children run in containers elsewhere.

    Raises:
        SpacerInputError: they do not reach it.
    """
    if engine == "batch" and not loc.is_remote:
        raise SpacerInputError(
            f"The children of AWS Batch do not reach '{loc.display_name}': give a place in S3, or another engine."
        )


def _submitted(name: str, rest: str, folder: DataLocation) -> Engine:
    from spacer_like.engines.scheduled import Sharding
    from spacer_like.engines.submitted import Submitted

    if name == "slurm":
        return Submitted(folder, name, Sharding(1), partition=rest or None)
    queue, _, definition = rest.partition(":")
    if not queue or not definition:
        raise SpacerInputError("The engine batch is named with its queue and job definition: batch:QUEUE:DEFINITION.")
    check_reached(name, folder)
    return Submitted(folder, name, Sharding(1), queue=queue, definition=definition)
