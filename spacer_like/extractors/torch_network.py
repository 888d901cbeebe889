"""Networks that torch runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spacer_like.cores import library_thread_count
from spacer_like.extractors.networks import run_in_batches

# Larger batches leave the processor's cache.
_CPU_BATCH_SIZE = 4
_GPU_BATCH_SIZE = 64


class TorchNetwork:
    """A module that torch runs on a device.

    Args:
        module: has a method `extract_features`, from float32 [n, 3, size, size] to float32 [n, m].
        device: ``cpu`` or ``cuda``.
        mean, scale: a pixel p enters the network as (p - mean) / scale.
    """

    def __init__(self, module: nn.Module, device: str, mean: float, scale: float) -> None:
        self._device = torch.device(device)
        self._module = module.eval().requires_grad_(False).to(self._device)
        self._mean, self._scale = mean, scale

    def begin(self, patches: Sequence[NDArray[np.uint8]], batch_size: int) -> Callable[[], NDArray[np.float32]]:
        """See `Network`. Nothing is done in the background: a batch takes all cores, or the GPU."""
        return partial(self._features, patches, batch_size)

    def _features(self, patches: Sequence[NDArray[np.uint8]], batch_size: int) -> NDArray[np.float32]:
        if (threads := library_thread_count()) and threads != torch.get_num_threads():
            torch.set_num_threads(threads)
        on_gpu = self._device.type == "cuda"
        # Small batches would leave a GPU idle, whatever was asked for.
        return run_in_batches(self.run, patches, _GPU_BATCH_SIZE if on_gpu else min(batch_size, _CPU_BATCH_SIZE))

    def run(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """Features of a batch [n, size, size, 3]: uint8 pixels, or float32 that enter the network as they are."""
        pixels = torch.from_numpy(np.ascontiguousarray(batch)).to(self._device).permute(0, 3, 1, 2)
        pixels = (pixels.float() - self._mean) / self._scale if pixels.dtype == torch.uint8 else pixels.float()
        with torch.inference_mode(), self._exact_convolutions():
            found: Tensor = cast(Any, self._module).extract_features(pixels)
        return found.flatten(1).float().cpu().numpy()

    def _exact_convolutions(self) -> AbstractContextManager[None]:
        # The short floats that a GPU would use for convolutions are too coarse.
        if self._device.type == "cuda":
            return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
        return nullcontext()
