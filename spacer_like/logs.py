"""The form of a program's log: lines of text, or one JSON object a line, and metrics in CloudWatch's embedded format.

What happens to a request, or to a child of an array, is an event: a line of text with the same in members. As JSON it
has ``time``, ``level``, ``logger``, ``message``, then the scheduler's ``job``, ``attempt`` and ``index`` where there is
one, and the event's members. With a namespace events are also metrics, as AWS specifies it: ``_aws`` names the members
that are metrics and those by which they are distinguished. CloudWatch Logs reads that from lines of JSON alone.
"""

from __future__ import annotations

import json
import logging
import os
import time
import warnings
from collections.abc import Iterable, Mapping
from contextlib import ContextDecorator
from datetime import datetime, timezone
from typing import Any

TEXT, JSON = "text", "json"
INDEX_VARIABLES = ("AWS_BATCH_JOB_ARRAY_INDEX", "SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX")
"""The index of a child, as AWS Batch, Slurm and Kubernetes name it; an array of one child may have none."""
ATTEMPT_VARIABLE, JOB_VARIABLE = "SUBMISSION_ATTEMPT", "SUBMISSION_JOB"
"""The number of the attempt, from 1, and the child's id, where no scheduler names them."""
ATTEMPT_VARIABLES = (ATTEMPT_VARIABLE, "AWS_BATCH_JOB_ATTEMPT", "SLURM_RESTART_COUNT")
_ID_VARIABLES = (JOB_VARIABLE, "AWS_BATCH_JOB_ID", "SLURM_JOB_ID", "HOSTNAME")
_HIDDEN = "(hidden)"
# The entry and the end of steps are logged under the name by which PySpacer's callers know them.
_steps = logging.getLogger("spacer_like.config")


def job_id() -> str:
    """The scheduler's id of the job that this process is, or the host's name; '': there is neither."""
    return next((value for name in _ID_VARIABLES if (value := os.getenv(name))), "")


def job_members() -> dict[str, Any]:
    """What tells which job this process is: `job`, `attempt` (from 1) and `index`, where there are such."""
    restarts = os.getenv("SLURM_RESTART_COUNT", "")
    attempt = next((value for name in ATTEMPT_VARIABLES[:2] if (value := os.getenv(name))), "")
    if restarts.isdecimal():
        attempt = str(int(restarts) + 1)
    index = next((value for name in INDEX_VARIABLES if (value := os.getenv(name))), "")
    numbers = {"attempt": attempt, "index": index}
    found: dict[str, Any] = {"job": job_id()} if job_id() else {}
    return found | {name: int(value) for name, value in numbers.items() if value.isdecimal()}


class Lines(logging.Formatter):
    """The lines of a log.

    Args:
        text: the format of a line of text.
        form: `TEXT` or `JSON`.
        namespace: of metrics; None: there are none.
        secrets: texts that no line shows.
    """

    def __init__(self, text: str, form: str = TEXT, namespace: str | None = None, secrets: Iterable[str] = ()) -> None:
        super().__init__(text)
        self.form, self.namespace = form, namespace
        # As they are, and as they stand in JSON.
        self._secrets = {form for secret in secrets if secret for form in (secret, json.dumps(secret)[1:-1])}
        self._job = job_members()

    @property
    def are_structured(self) -> bool:
        """Whether events show more than a line of text does."""
        return self.form == JSON or self.namespace is not None

    def format(self, record: logging.LogRecord) -> str:
        metrics: Mapping[str, str] = getattr(record, "metrics", {})
        is_metric = bool(metrics) and self.namespace is not None
        if self.form != JSON and not is_metric:
            return self._without_secrets(super().format(record))
        found: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        found |= self._job | getattr(record, "members", {})
        if record.exc_info:
            found["traceback"] = self.formatException(record.exc_info)
        if is_metric:
            found["_aws"] = _directive(record, str(self.namespace), metrics)
        # Without NaN, which is no JSON; what has no form in JSON is shown as text.
        return self._without_secrets(json.dumps(_finite(found), default=str, allow_nan=False))

    def _without_secrets(self, line: str) -> str:
        for secret in self._secrets:
            line = line.replace(secret, _HIDDEN)
        return line


def _directive(record: logging.LogRecord, namespace: str, metrics: Mapping[str, str]) -> dict[str, Any]:
    """The member ``_aws`` of a line, as the specification of the embedded metric format has it."""
    return {
        "Timestamp": int(record.created * 1000),
        "CloudWatchMetrics": [
            {
                "Namespace": namespace,
                "Dimensions": [list(getattr(record, "dimensions", ()))],
                "Metrics": [{"Name": name, "Unit": unit} for name, unit in metrics.items()],
            }
        ],
    }


def _finite(value: Any) -> Any:
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    if isinstance(value, dict):
        return {str(name): _finite(one) for name, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value


def configure(lines: Lines, level: int | str, filename: str | None = None) -> None:
    """Log in these lines on standard error, or in a file, unless the program has set up logging of its own.

    Raises:
        OSError, ValueError: the file cannot be opened, or there is no such level.
    """
    if not logging.getLogger().handlers:
        handler = logging.FileHandler(filename) if filename else logging.StreamHandler()
        handler.setFormatter(lines)
        logging.basicConfig(level=level, handlers=[handler])


def are_structured() -> bool:
    """Whether the program's log shows the members of events."""
    formatters = [handler.formatter for handler in logging.getLogger().handlers]
    return any(isinstance(one, Lines) and one.are_structured for one in formatters)


def log_event(
    logger: logging.Logger,
    message: str,
    members: Mapping[str, Any],
    metrics: Mapping[str, str] | None = None,
    dimensions: Iterable[str] = (),
) -> None:
    """Log an event, at the level INFO.

    Args:
        message: the same for a person to read.
        members: JSON values by their names.
        metrics: the units of those members that are metrics, which are numbers; others are left out of them.
        dimensions: the members, texts, by which metrics are distinguished, at least one.
    """
    numbers = {
        name: unit
        for name, unit in (metrics or {}).items()
        if isinstance(members.get(name), int | float) and not isinstance(members.get(name), bool)
    }
    extra = {"members": dict(members), "metrics": numbers, "dimensions": tuple(dimensions)}
    logger.info("%s", message, extra=extra)


class log_entry_and_exit(ContextDecorator):
    """Log at debug level when a block is entered and left, and after how many seconds."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        self.start = time.monotonic()
        _steps.debug("Entering: %s", self.name)

    def __exit__(self, *exception: object) -> None:
        _steps.debug("Exiting: %s after %f seconds.", self.name, time.monotonic() - self.start)


def filter_warnings() -> None:
    """Silence the ResourceWarnings that boto3 gives for connections it keeps open."""
    message = "unclosed.*<(ssl.SSLSocket|_io.TextIOWrapper).*>"
    warnings.filterwarnings("ignore", category=ResourceWarning, message=message)
