"""Built networks, their batches, and the process's cache of networks."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import cache, partial
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from spacer_like.cores import library_thread_count
from spacer_like.extractors.preprocessing import PerChannel
from spacer_like.progress import report

if TYPE_CHECKING:
    from torch import Tensor, nn

_KEPT_NETWORKS = 4
# Larger batches leave the processor's cache.
_CPU_BATCH_SIZE = 4
_GPU_BATCH_SIZE = 64

Built = TypeVar("Built")


class Network(Protocol):
    """A network with its weights, ready to run; any number of threads may use it at once."""

    def begin(self, patches: Sequence[NDArray[np.uint8]], batch_size: int) -> Callable[[], NDArray[np.float32]]:
        """Compute n images uint8 [size, size, 3], at most `batch_size` at a time.

        Returns:
            What waits, called once, for the feature vectors, float32 [n, m]. A network that works in the background
            does so from now on.
        """
        ...


def run_in_batches(
    run: Callable[[NDArray[np.uint8]], NDArray[np.float32]], patches: Sequence[NDArray[np.uint8]], batch_size: int
) -> NDArray[np.float32]:
    """The results [n, m] of `run` for all patches, in their order, batch by batch in this thread.

    Batches are put together when their turn comes, so that a thousand patches never exist at once.
    """
    starts = range(0, len(patches), batch_size)
    found = (run(np.stack(patches[start : start + batch_size])) for start in starts)
    return np.concatenate(list(_reported(found, len(patches))))


class BatchesUnderWay:
    """As `run_in_batches`, `workers` batches at a time, from now on, in threads that all of this process's callers
    share: a core that finds no batch of one image left begins with those of the next.

    What nobody waits for any more is not computed.
    """

    def __init__(
        self,
        run: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
        patches: Sequence[NDArray[np.uint8]],
        batch_size: int,
        workers: int,
    ) -> None:
        def run_from(start: int) -> NDArray[np.float32]:
            return run(np.stack(patches[start : start + batch_size]))

        threads = _threads(workers)
        self._total = len(patches)
        self._batches = [threads.submit(run_from, start) for start in range(0, self._total, batch_size)]

    def __call__(self) -> NDArray[np.float32]:
        """Wait for the features of all patches. To be called once: the patches are released."""
        try:
            return np.concatenate(list(_reported((batch.result() for batch in self._batches), self._total)))
        finally:
            self._let_go()

    def __del__(self) -> None:
        self._let_go()

    def _let_go(self) -> None:
        batches: list[Future[NDArray[np.float32]]] = self.__dict__.pop("_batches", [])
        for batch in batches:
            batch.cancel()


@cache
def _threads(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, "extract")


if hasattr(os, "register_at_fork"):
    # A child has none of its parent's threads.
    os.register_at_fork(after_in_child=_threads.cache_clear)


def _reported(results: Iterator[NDArray[np.float32]], total: int) -> Iterator[NDArray[np.float32]]:
    ended = 0
    for result in results:
        ended += len(result)
        report("points", ended, total)
        yield result


class TorchNetwork:
    """A module that torch runs on a device.

    Args:
        module: has a method `extract_features`, from float32 [n, 3, size, size] to float32 [n, m].
        device: ``cpu`` or ``cuda``.
        mean, scale: a pixel p enters the network as (p - mean) / scale, in each channel.
    """

    def __init__(self, module: nn.Module, device: str, mean: PerChannel, scale: PerChannel) -> None:
        import torch

        self._device = torch.device(device)
        self._module = module.eval().requires_grad_(False).to(self._device)
        self._mean, self._scale = (self._of_channels(numbers) for numbers in (mean, scale))

    def begin(self, patches: Sequence[NDArray[np.uint8]], batch_size: int) -> Callable[[], NDArray[np.float32]]:
        """See `Network`. Nothing is done in the background: a batch takes all cores, or the GPU."""
        return partial(self._features, patches, batch_size)

    def _features(self, patches: Sequence[NDArray[np.uint8]], batch_size: int) -> NDArray[np.float32]:
        import torch

        if (threads := library_thread_count()) and threads != torch.get_num_threads():
            torch.set_num_threads(threads)
        on_gpu = self._device.type == "cuda"
        # Small batches would leave a GPU idle, whatever was asked for.
        return run_in_batches(self.run, patches, _GPU_BATCH_SIZE if on_gpu else min(batch_size, _CPU_BATCH_SIZE))

    def run(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """Features of a batch [n, size, size, 3]: uint8 pixels, or float32 that enter the network as they are."""
        import torch

        pixels = torch.from_numpy(np.ascontiguousarray(batch)).to(self._device).permute(0, 3, 1, 2)
        pixels = (pixels.float() - self._mean) / self._scale if pixels.dtype == torch.uint8 else pixels.float()
        with torch.inference_mode(), self._exact_convolutions():
            found: Tensor = cast(Any, self._module).extract_features(pixels)
        return found.flatten(1).float().cpu().numpy()

    def _of_channels(self, numbers: PerChannel) -> float | Tensor:
        import torch

        if not isinstance(numbers, tuple):
            return numbers
        return torch.tensor(numbers, dtype=torch.float32, device=self._device)[:, None, None]

    def _exact_convolutions(self) -> AbstractContextManager[None]:
        import torch

        # The short floats that a GPU would use for convolutions are too coarse.
        if self._device.type == "cuda":
            return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
        return nullcontext()


class NetworkCache(Generic[Built]):
    """A cache of the networks used last; each is built once for all threads."""

    def __init__(self, size: int = _KEPT_NETWORKS) -> None:
        self._size = size
        self._lock = Lock()
        self._networks: OrderedDict[Hashable, Built] = OrderedDict()
        self._building: dict[Hashable, Lock] = {}

    def get(self, key: Hashable, build: Callable[[], Built]) -> Built:
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
        """Remove all networks."""
        with self._lock:
            self._networks.clear()

    def __len__(self) -> int:
        return len(self._networks)


network_cache: NetworkCache[Network] = NetworkCache()
