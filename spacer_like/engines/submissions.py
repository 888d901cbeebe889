"""Submissions by the name of their engine, and by their folder alone."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any, NamedTuple

from spacer_like.data_classes.base import load_json
from spacer_like.engines.array import ArraySubmission
from spacer_like.engines.result_template import ResultTemplate
from spacer_like.engines.scheduled import ScheduledSubmission, Sharding
from spacer_like.exceptions import ConfigError, DataNotFoundError, MessageError, damage_as, nearest
from spacer_like.location import DataLocation
from spacer_like.storage import exists


class _Engine(NamedTuple):
    module: str
    class_name: str


LOCAL = "local"
ENGINES = {
    "local": _Engine("spacer_like.engines.detached", "Detached"),
    "slurm": _Engine("spacer_like.engines.slurm", "Slurm"),
    "batch": _Engine("spacer_like.engines.batch", "Batch"),
    "dask": _Engine("spacer_like.engines.dask_submission", "DaskCluster"),
    "kubernetes": _Engine("spacer_like.engines.kubernetes", "Kubernetes"),
}
"""What runs a submission, by its name: processes of this machine, or a scheduler."""


def submission(
    folder: DataLocation,
    engine: str = LOCAL,
    sharding: Sharding | None = None,
    results: str | None = None,
    **options: Any,
) -> ArraySubmission:
    """A submission in a folder, by the name of its engine.

    Args:
        folder: where it is kept.
        engine: one of `ENGINES`.
        sharding: how requests are divided; not used by the engine ``local``.
        results: where outcomes go besides the folder, see `ResultTemplate`; None: nowhere.
        options: arguments of the engine's class, such as the `queue` of Batch.

    Raises:
        ConfigError: there is no such engine, it has no such option, or an option's value is not allowed.
        MessageError: the engine cannot use the folder, or results cannot go there.

    >>> submission(DataLocation("filesystem", "/tmp/corals"), "local", processes=2).engine
    {'engine': 'local', 'options': {'processes': 2}}
    """
    if engine not in ENGINES:
        hint = nearest(engine, ENGINES) or f" Choose one of {', '.join(ENGINES)}."
        raise ConfigError(f"There is no engine '{engine}'.{hint}")
    found = ENGINES[engine]
    made = getattr(import_module(found.module), found.class_name)
    place = [folder] if engine == LOCAL else []
    try:
        inspect.signature(made).bind(*place, **options)
    except TypeError as error:
        raise ConfigError(f"The options of the engine '{engine}' do not fit: {error}.") from None
    try:
        built = made(*place, **options)
    except TypeError:
        raise ConfigError(f"An option of the engine '{engine}' is of another type: {options}.") from None
    one: ArraySubmission = built if engine == LOCAL else ScheduledSubmission(folder, built, sharding)
    one.results = None if results is None else ResultTemplate(results, one.folder)
    return one


def open_submission(folder: DataLocation) -> ArraySubmission:
    """The submission that is kept in a folder.

    Raises:
        MessageError: the folder's record of the engine is damaged.
        DataNotFoundError: there is none.
    """
    loc = folder.below("engine.json")
    if not exists(loc):
        raise DataNotFoundError(f"The folder '{folder.display_name}' holds no submission.")
    record = load_json(loc)
    with damage_as(MessageError, loc.display_name, f"{loc.display_name} names no engine"):
        options = {str(name): value for name, value in record["options"].items()}
        sharding = Sharding(**record["sharding"]) if "sharding" in record else None
        return submission(folder, record["engine"], sharding, record.get("results"), **options)
