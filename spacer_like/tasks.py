"""Every task function by its name, imported on first use, and `process_job`.

A caller may replace a task by setting the attribute; `process_job` looks the function up here each time.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from spacer_like.extras import explained_imports
from spacer_like.messages import TASKS, JobMsg, JobReturnMsg

__all__ = ["process_job", *TASKS]


def process_job(job_msg: JobMsg) -> JobReturnMsg:
    """Run every task of a job; see `spacer_like.mailman.process_job`."""
    from spacer_like import mailman

    return mailman.process_job(job_msg)


def __getattr__(name: str) -> Callable[[Any], Any]:
    if name not in TASKS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with explained_imports():
        task: Callable[[Any], Any] = getattr(import_module(TASKS[name].module), name)
    return task
