"""Training of networks that tell a number or a class of an image, one batch of many images after the other.

A batch is what the training loop calls an epoch: a snapshot may follow it. A training that was killed goes on from the
last snapshot and ends with the same bits, on one machine with one number of threads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spacer_like.extractors.network_extractor import chosen_device
from spacer_like.learning.snapshots import Snapshots
from spacer_like.learning.split import Split
from spacer_like.learning.torch_training import TorchTask, fit_torch
from spacer_like.learning.training_loop import AfterEpoch, Fitted, Indices, Metrics
from spacer_like.regression.networks import weights_of
from spacer_like.regression.training_data import Examples, NetworkConfig, Precision, ReadAhead, metrics_of

_ROWS_OF_VALIDATION = 64
_FAST_BFLOAT16 = ("avx512_bf16", "amx_bf16")
"""Either makes a processor multiply such numbers faster than longer ones."""


def precision_here(wanted: Literal["auto", "float32", "bfloat16"]) -> Precision:
    """The precision to compute in: of ``auto`` bfloat16 where the processor or the GPU is made for it."""
    if wanted != "auto":
        return wanted
    if chosen_device() == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    able = torch.cpu.get_capabilities()
    return "bfloat16" if any(able.get(name) for name in _FAST_BFLOAT16) else "float32"


def train(
    module: nn.Module,
    config: NetworkConfig,
    batches: ReadAhead,
    validation: Examples,
    snapshots: Snapshots | None = None,
    depends_on: Mapping[str, Any] | None = None,
    after_step: AfterEpoch | None = None,
) -> tuple[dict[str, NDArray[np.float32]], Fitted]:
    """Train a network.

    Args:
        module: takes pixels, or an extractor's features, and a random generator for dropout or None; it is changed.
        batches: the images of each step.
        validation: images that are not learnt from; may be none.
        snapshots: where one is kept after each step.
        depends_on: what the result depends on besides, as JSON: where the batches are, and in which order they come.
        after_step: called with the metrics so far after each step.

    Returns:
        The weights that were kept, and how the training went.

    Raises:
        TrainingLabelsError: the training diverges.
    """
    device = torch.device(chosen_device())
    module = module.to(device)
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    task = _NetworkTask(module, config, batches, validation)
    rows = np.arange(len(validation))
    facts = {"precision": config.precision, "n_classes": config.n_classes, "input_scale": config.input_scale}
    fitted = fit_torch(
        task,
        config.training,
        Split(rows[:0], rows),
        snapshots,
        depends_on=(
            facts | dict(depends_on or {}),
            {f"validation.{name}": one for name, one in vars(validation).items()},
        ),
        after_epoch=after_step,
    )
    return weights_of(module), fitted


class _NetworkTask(TorchTask):
    """A network on the images of the validation, and behind them those of the step's batch."""

    rows_at_a_time = _ROWS_OF_VALIDATION

    def __init__(self, module: nn.Module, config: NetworkConfig, batches: ReadAhead, validation: Examples) -> None:
        self.module = module
        self._config, self._batches, self._validation = config, batches, validation
        self._batch = validation

    def begin_epoch(self, epoch: int) -> Mapping[str, int | float]:
        self._batch = self._batches(epoch - 1)
        return super().begin_epoch(epoch)

    def train_rows(self, epoch: int) -> Indices:
        return np.arange(len(self._batch)) + len(self._validation)

    def optimizer(self, rate: float) -> torch.optim.Optimizer:
        learning = [parameter for parameter in self.module.parameters() if parameter.requires_grad]
        # All of a step at once takes a seventh of the time on a processor.
        return torch.optim.Adam(learning, lr=rate, fused=self.device.type == "cpu")

    def outputs(self, rows: Indices, random: torch.Generator | None) -> Tensor:
        examples, own = self._examples(rows)
        inputs = torch.from_numpy(np.ascontiguousarray(examples.inputs[own])).to(self.device)
        if inputs.dtype == torch.uint8:
            inputs = inputs.permute(0, 3, 1, 2).float() * self._config.input_scale
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._config.precision == "bfloat16"):
            found: Tensor = self.module(inputs, random)
        return found.float() if self._config.n_classes else torch.tanh(found.float())[:, 0]

    def loss(self, outputs: Tensor, rows: Indices) -> Tensor:
        targets = torch.from_numpy(self._targets(rows)).to(self.device)
        if self._config.n_classes:
            return nn.functional.cross_entropy(outputs, targets)
        return nn.functional.mse_loss(outputs, targets)

    def metrics(self, rows: Indices, outputs: NDArray[Any], of: Literal["train", "validation"]) -> Metrics:
        return metrics_of(outputs, self._targets(rows))

    def _examples(self, rows: Indices) -> tuple[Examples, Indices]:
        n_validation = len(self._validation)
        return (self._batch, rows - n_validation) if rows[0] >= n_validation else (self._validation, rows)

    def _targets(self, rows: Indices) -> NDArray[Any]:
        examples, own = self._examples(rows)
        return np.asarray(examples.targets[own])
