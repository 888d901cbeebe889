"""The setting SPACER_JOBS: where submissions are kept, and which engine runs the jobs of a level.

For example::

    SPACER_JOBS = {
        "FOLDER": "s3://bucket/jobs",
        "ENGINES": {
            "": {"engine": "batch", "queue": "spot", "definition": "spacer-like"},
            "high": {"engine": "batch", "queue": "large", "definition": "spacer-like-large"},
        },
    }

The engine of the level ``""`` is that of all levels which are not named; without ENGINES it is ``local``.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import Error

from spacer_like.engines.array import ArraySubmission
from spacer_like.engines.submissions import LOCAL, open_submission, submission
from spacer_like.exceptions import ConfigError, SpacerError
from spacer_like.location import DataLocation

# Kubernetes is asked by `kubectl`: whether anything is at work there is not known.
_ENGINES = (LOCAL, "batch", "slurm")
_KEYS = {"FOLDER", "ENGINES"}


def folder_of_jobs() -> DataLocation:
    """The location below which each job has a folder.

    Raises:
        ConfigError: the setting names none.
    """
    folder = _setting().get("FOLDER")
    if isinstance(folder, DataLocation):
        return folder
    if not folder:
        raise ConfigError("Django's setting SPACER_JOBS needs a FOLDER: a path or a URI such as s3://bucket/jobs.")
    return DataLocation.from_uri(folder) if "://" in str(folder) else DataLocation.local(folder)


def engine_for(spec_level: str) -> tuple[str, dict[str, Any]]:
    """The name of the engine of a level, and its options.

    Raises:
        ConfigError: the setting names none, or one that cannot be used here.
    """
    engines = _setting().get("ENGINES", {"": {"engine": LOCAL}})
    options = engines.get(spec_level, engines.get(""))
    if options is None:
        known = ", ".join(f"'{name}'" for name in engines)
        raise ConfigError(f"Django's setting SPACER_JOBS has no engine for the level '{spec_level}', only for {known}.")
    options = dict(options)
    engine = options.pop("engine", LOCAL)
    if engine not in _ENGINES:
        raise ConfigError(f"The engine '{engine}' in Django's SPACER_JOBS must be one of {', '.join(_ENGINES)}.")
    return engine, options


def submission_in(folder: DataLocation, engine: str, spec_level: str) -> ArraySubmission:
    """The submission in a folder: by the settings, or as it is on record where they name another engine by now.

    Raises:
        SpacerError: the settings do not allow it, or its record cannot be read.
    """
    now, options = engine_for(spec_level)
    return submission(folder, engine, **options) if now == engine else open_submission(folder)


def check_setting(**_: Any) -> list[Error]:
    """What ``manage.py check`` says of the setting; no engine is asked."""
    try:
        folder = folder_of_jobs()
        for level in _setting().get("ENGINES", {"": {}}):
            engine, options = engine_for(level)
            submission(folder, engine, **options)
    except SpacerError as error:
        return [Error(str(error), id="spacer_like.E001")]
    return []


def _setting() -> dict[str, Any]:
    found = getattr(settings, "SPACER_JOBS", {})
    if not isinstance(found, dict) or not set(found) <= _KEYS:
        raise ConfigError(f"Django's setting SPACER_JOBS must be a dictionary of {' and '.join(sorted(_KEYS))}.")
    return found
