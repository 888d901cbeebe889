"""Trainings on their way, as safetensors: weights, the optimizer's averages, and what the epochs brought."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import Protocol

import torch
from torch import Tensor, nn

from spacer_like.chips.models.multilabel_course import EpochFigures
from spacer_like.learning.safetensors_header import read_header

logger = logging.getLogger(__name__)

FORMAT = "spacer_like.multilabel_snapshot"
FORMAT_VERSION = 1
_WEIGHTS, _OPTIMIZER = "weights.", "optimizer."
_AVERAGES = ("step", "exp_avg", "exp_avg_sq")


class Snapshots(Protocol):
    """Where a training's snapshots are kept."""

    def latest(self, fingerprint: str) -> bytes | None:
        """The last one of the training with this fingerprint, if there is any."""
        ...

    def keep(self, fingerprint: str, epoch: int, data: bytes) -> None:
        """Keep one in place of those before it."""
        ...


def write_snapshot(
    module: nn.Module, optimizer: torch.optim.Optimizer, history: list[EpochFigures], fingerprint: str
) -> bytes:
    """A training after the last epoch of `history`."""
    from safetensors.torch import save

    tensors = {f"{_WEIGHTS}{name}": value for name, value in module.state_dict().items()}
    for name, parameter in module.named_parameters():
        for part, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{_OPTIMIZER}{name}.{part}"] = value
    header = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "fingerprint": fingerprint,
        "epochs": [asdict(figures) for figures in history],
    }
    contiguous = {name: value.detach().cpu().contiguous() for name, value in sorted(tensors.items())}
    return save(contiguous, {"header": json.dumps(header, sort_keys=True)})


def take_up(data: bytes, module: nn.Module, optimizer: torch.optim.Optimizer, fingerprint: str) -> list[EpochFigures]:
    """Put a snapshot into a training, and return what its epochs brought.

    A file that is damaged or no snapshot of this training changes nothing: the list is empty, and a warning logged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        history = _history(data, fingerprint)
        tensors = load(data)
        weights = _checked_weights(tensors, module)
        averages = _checked_averages(tensors, module)
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        logger.warning("A snapshot cannot be taken up, and the training begins anew: %s", str(error)[:200])
        return []
    module.load_state_dict(weights)
    for name, parameter in module.named_parameters():
        if name in averages:
            optimizer.state[parameter] = averages[name]
    return history


def _history(data: bytes, fingerprint: str) -> list[EpochFigures]:
    header = read_header(data, FORMAT, FORMAT_VERSION)
    if header["fingerprint"] != fingerprint:
        raise ValueError("it is of another training")
    history = [EpochFigures(**figures) for figures in header["epochs"]]
    if [figures.epoch for figures in history] != list(range(1, len(history) + 1)):
        raise ValueError("its epochs are not in order")
    return history


def _checked_weights(tensors: Mapping[str, Tensor], module: nn.Module) -> dict[str, Tensor]:
    found = {}
    for name, wanted in module.state_dict().items():
        value = tensors[f"{_WEIGHTS}{name}"]
        if value.shape != wanted.shape or value.dtype != wanted.dtype or not bool(torch.isfinite(value).all()):
            raise ValueError(f"its {name} does not fit")
        found[name] = value
    return found


def _checked_averages(tensors: Mapping[str, Tensor], module: nn.Module) -> dict[str, dict[str, Tensor]]:
    """The optimizer's averages by the names of parameters; those that never learnt have none."""
    found: dict[str, dict[str, Tensor]] = {}
    for name, parameter in module.named_parameters():
        if f"{_OPTIMIZER}{name}.{_AVERAGES[0]}" not in tensors:
            continue
        step, *averages = (tensors[f"{_OPTIMIZER}{name}.{part}"] for part in _AVERAGES)
        if step.shape != () or any(average.shape != parameter.shape for average in averages):
            raise ValueError(f"its optimizer's {name} does not fit")
        on_device = [step, *(average.to(parameter.device) for average in averages)]
        found[name] = dict(zip(_AVERAGES, on_device, strict=True))
    return found
