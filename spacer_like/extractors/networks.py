"""Networks that are built: what runs them in batches, and the process's memory of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spacer_like.progress import report

_KEPT_NETWORKS = 4


class Network(Protocol):
    """A network with its weights, ready to run; any number of threads may use it at once."""

    def features(self, patches: Sequence[NDArray[np.uint8]], batch_size: int) -> NDArray[np.float32]:
        """Feature vectors, float32 [n, m], of n images uint8 [size, size, 3], at most `batch_size` at a time."""
        ...


def run_in_batches(
    run: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
    patches: Sequence[NDArray[np.uint8]],
    batch_size: int,
    workers: int,
) -> NDArray[np.float32]:
    """What `run` makes of all patches, in their order, [n, m]; `workers` batches at a time.

    Batches are put together when their turn comes, so that a thousand patches never exist at once.
    """

    def run_from(start: int) -> NDArray[np.float32]:
        return run(np.stack(patches[start : start + batch_size]))

    starts = range(0, len(patches), batch_size)
    if workers == 1 or len(starts) == 1:
        return np.concatenate(list(_reported(map(run_from, starts), len(patches))))
    with ThreadPoolExecutor(min(workers, len(starts)), "extract") as pool:
        return np.concatenate(list(_reported(pool.map(run_from, starts), len(patches))))


def _reported(results: Iterator[NDArray[np.float32]], total: int) -> Iterator[NDArray[np.float32]]:
    ended = 0
    for result in results:
        ended += len(result)
        report("points", ended, total)
        yield result


class NetworkCache:
    """The networks that were used last, each built once, however many threads ask for it."""

    def __init__(self, size: int = _KEPT_NETWORKS) -> None:
        self._size = size
        self._lock = Lock()
        self._networks: OrderedDict[Hashable, Network] = OrderedDict()
        self._building: dict[Hashable, Lock] = {}

    def get(self, key: Hashable, build: Callable[[], Network]) -> Network:
        """The network of this key, built by `build` if it is not there."""
        with self._lock:
            building = self._building.setdefault(key, Lock())
        with building:
            with self._lock:
                if key in self._networks:
                    self._networks.move_to_end(key)
                    return self._networks[key]
            network = build()
            with self._lock:
                self._networks[key] = network
                self._building.pop(key, None)
                while len(self._networks) > self._size:
                    self._networks.popitem(last=False)
            return network

    def clear(self) -> None:
        """Forget all networks."""
        with self._lock:
            self._networks.clear()

    def __len__(self) -> int:
        return len(self._networks)


network_cache = NetworkCache()
