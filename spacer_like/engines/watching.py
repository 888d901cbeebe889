"""What is done for a submission that somebody watches: second children of stragglers, and the end of vain waiting."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import TypeVar

from spacer_like.engines.array import ArraySubmission
from spacer_like.engines.base import Progress
from spacer_like.engines.scheduled import ScheduledSubmission
from spacer_like.engines.stragglers import stragglers
from spacer_like.exceptions import TransientError

_SECONDS_BETWEEN_TRIES = 1.0
_TRIES = 5
_SECONDS_TO_LEAVE = 60.0
_PAUSES_A_LOOK = 10.0

Answer = TypeVar("Answer")


class Watch:
    """A look at a submission from time to time.

    A shard at work for longer than 3 times the median (see `stragglers`) gets a second child. Where all requests have
    succeeded and a child does not end within a minute, as on a machine that hangs, the arrays are ended.

    Args:
        submission: of any engine; what is said here is done for those of a scheduler.
        give_up_after: seconds, see `give_up`; None: it is waited for ever.
    """

    def __init__(self, submission: ArraySubmission, give_up_after: float | None = None) -> None:
        self._submission, self._give_up_after = submission, give_up_after
        self._next = 0.0
        self._whole_since: float | None = None

    def look(self) -> Progress:
        """The progress so far.

        Raises:
            TransientError: the scheduler or the storage does not answer, again and again.
        """
        submission = self._submission
        progress = patiently(submission.status)
        if not isinstance(submission, ScheduledSubmission) or not progress.at_work or time.monotonic() < self._next:
            return progress
        begun = time.monotonic()
        # The next look may do it, where they do not answer now.
        with suppress(TransientError):
            if self._give_up_after is not None and give_up(submission, self._give_up_after):
                return patiently(submission.status)
            self._help(submission, progress)
        # The files of ten thousand children are not read all the time.
        took = time.monotonic() - begun
        self._next = begun + max(submission.scheduler.seconds_between_queries, _PAUSES_A_LOOK * took)
        return progress

    def _help(self, submission: ScheduledSubmission, progress: Progress) -> None:
        shards = submission.shards(at_work=True)
        if slow := stragglers(shards, submission.children):
            submission.start_copies(slow)
        if progress.done < progress.total or not any(one.has_copy for one in shards):
            self._whole_since = None
        elif self._whole_since is None:
            self._whole_since = time.monotonic()
        elif time.monotonic() > self._whole_since + _SECONDS_TO_LEAVE:
            submission.end()


def give_up(submission: ScheduledSubmission, seconds: float) -> str:
    """Cancel a submission whose children wait for machines in vain; the reason in a sentence, or '': it goes on.

    In vain: none is running, and for so many seconds none was submitted, has started or has ended. Files are asked
    first, and the scheduler alone knows whether anything is queued or running.

    Raises:
        TransientError: they do not answer.
    """
    arrays = submission.arrays()
    children = submission.children
    children.look(())
    times = [datetime.fromisoformat(array.submitted) for array in arrays if array.submitted]
    times += [start.at for start in children.starts.values()]
    times += [
        children.starts[child].at + timedelta(seconds=end["seconds"])
        for child, end in children.ends.items()
        if child in children.starts
    ]
    if not times or (datetime.now(timezone.utc) - max(times)).total_seconds() < seconds:
        return ""
    # Those that wait for other arrays have no say.
    states = {key: one for key, one in submission.array_states().items() if one.is_active and not one.is_waiting}
    if not states or not all(state.is_queued for state in states.values()):
        return ""
    reasons = dict.fromkeys(submission.scheduler.reasons(list(states)).values())
    why = " ".join(reasons) or "The scheduler does not say why."
    sentence = f"Given up: its children have waited for machines for more than {seconds:g} s. {why}"
    submission.cancel(sentence)
    return sentence


def patiently(ask: Callable[[], Answer]) -> Answer:
    """The answer to a question that a scheduler or a storage may not answer at the first time."""
    for _ in range(_TRIES - 1):
        try:
            return ask()
        except TransientError:
            time.sleep(_SECONDS_BETWEEN_TRIES)
    return ask()
