"""The log of programs that run requests, such as a container's, and the event of each request that has ended."""

from __future__ import annotations

import logging
import time

from spacer_like import config, logs
from spacer_like.message_base import Message
from spacer_like.messages import TaskOutcome, digest_of
from spacer_like.storage import traffic

logger = logging.getLogger(__name__)

_LINE = "%(asctime)s - %(name)s:%(levelname)s - %(message)s"
_UNITS = {"seconds": "Seconds", "bytes_read": "Bytes", "bytes_written": "Bytes"}


def configure_log() -> None:
    """Log as the settings say; without such a setting everything of this package, on standard error."""
    try:
        config.configure_logging()
        logs.configure(config.log_lines(_LINE), logging.INFO)
    finally:
        # Where the settings have configured a log this does nothing.
        logging.basicConfig(level=logging.INFO, format=_LINE)
        logging.getLogger("spacer_like").setLevel(logging.DEBUG)


class RequestLog:
    """The log of requests that a process does one after the other; see `logs.log_event`.

    The bytes of each are those that the process reads and writes until it ends, since the end of the one before: whole
    objects and ranges of them. Where the next request is read ahead, that counts for the one that is at work.
    """

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._traffic = traffic()

    def begun(self) -> None:
        """The next request begins."""
        self._begun = time.monotonic()

    def ended(self, message: Message, outcome: TaskOutcome) -> None:
        """Log how it ended, where the program's log shows more of it than a sentence."""
        if not logs.are_structured():
            return
        seconds = round(time.monotonic() - self._begun, 6)
        before, self._traffic = self._traffic, traffic()
        members = {
            "event": "request",
            "task": message.task,
            "job_token": getattr(message, "job_token", None),
            "digest": digest_of(message),
            "status": outcome.status,
            "seconds": seconds,
            "bytes_read": self._traffic.read - before.read,
            "bytes_written": self._traffic.written - before.written,
        }
        if outcome.status == "failed":
            members |= {
                "error_class": outcome.error_class,
                "error": outcome.error_message,
                "transient": outcome.transient,
            }
        logs.log_event(
            logger, f"{message.task}: {outcome.status} in {seconds:.3f} s.", members, _UNITS, ("task", "status")
        )
