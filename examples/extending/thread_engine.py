"""An engine of one's own: threads of this process, for work that waits for servers more than it computes."""

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice

from spacer_like.engines.base import Before, Ended, Engine, begun
from spacer_like.mailman import run_task
from spacer_like.message_base import Message


class Threads(Engine):
    """Works in threads of this process; requests may use the memory storage."""

    def __init__(self, count: int = 8) -> None:
        self._count = count

    def work(self, messages: Iterator[tuple[int, Message]], before: Before | None) -> Iterator[Ended]:
        running: set[Future[Ended]] = set()
        with ThreadPoolExecutor(self._count) as pool:
            while True:
                # No more than there are threads: neither requests nor outcomes pile up.
                for index, message in islice(messages, self._count - len(running)):
                    running.add(pool.submit(self._one, index, message, before))
                if not running:
                    return
                ended, running = wait(running, return_when=FIRST_COMPLETED)
                for future in ended:
                    yield future.result()

    @staticmethod
    def _one(index: int, message: Message, before: Before | None) -> Ended:
        return index, begun(before, index) or run_task(message)
