"""An engine that waits for a submission on a cluster, for workflows whose steps need the outcomes of others."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Any
from uuid import uuid4

from spacer_like.engines.base import Before, Ended, Engine, begun, failed
from spacer_like.engines.scheduled import Sharding
from spacer_like.engines.submissions import LOCAL, submission
from spacer_like.engines.watching import Watch
from spacer_like.exceptions import SpacerError, TransientError
from spacer_like.location import DataLocation
from spacer_like.message_base import Message

_SUBMITTED_AT_ONCE = 10_000
_SECONDS_BETWEEN_LOOKS = 1.0


class Submitted(Engine):
    """An engine whose requests are submitted to a scheduler, and whose outcomes are collected as they come.

    Who closes the outcomes, or ends this process by Ctrl-C or SIGTERM, cancels the work; where the process is killed
    the work goes on, which harms nothing.

    Args:
        folder: where submissions are kept, each in a folder of its own; the cluster must reach it.
        engine: a name of `submissions.ENGINES`.
        sharding: how requests are divided.
        give_up_after: seconds after which children that wait for machines in vain are cancelled, see
            `watching.give_up`; None: never.
        options: of the engine.
    """

    def __init__(
        self,
        folder: DataLocation,
        engine: str = LOCAL,
        sharding: Sharding | None = None,
        *,
        give_up_after: float | None = None,
        **options: Any,
    ) -> None:
        self._folder, self._engine, self._give_up_after = folder, engine, give_up_after
        self._sharding, self._options = sharding, options
        # What cannot be is refused now, and not after the first steps.
        submission(folder, engine, sharding, **options)

    def work(self, messages: Iterator[tuple[int, Message]], before: Before | None) -> Iterator[Ended]:
        while some := list(islice(messages, _SUBMITTED_AT_ONCE)):
            wanted: list[tuple[int, Message]] = []
            for index, message in some:
                if (outcome := begun(before, index)) is not None:
                    yield index, outcome
                else:
                    wanted.append((index, message))
            if wanted:
                yield from self._collected([index for index, _ in wanted], [message for _, message in wanted])

    def _collected(self, indexes: list[int], messages: list[Message]) -> Iterator[Ended]:
        # Not by the requests' digest: whoever asks again may do so because files have changed since.
        folder = self._folder.below(uuid4().hex)
        made = submission(folder, self._engine, self._sharding, **self._options)
        watch = Watch(made, self._give_up_after)
        try:
            made.submit(messages)
            waiting = dict(enumerate(indexes))
            is_at_work = True
            while waiting and is_at_work:
                is_at_work = watch.look().at_work
                for number, outcome in made.collect(waiting):
                    yield waiting.pop(number), outcome
                if waiting and is_at_work:
                    time.sleep(_SECONDS_BETWEEN_LOOKS)
        except BaseException:
            with suppress(SpacerError):
                made.cancel()
            raise
        why = made.cancellation() or f"See {folder.display_name}."
        lost = failed(TransientError(f"The request was lost by the engine '{self._engine}'. {why}"))
        for index in waiting.values():
            yield index, lost
