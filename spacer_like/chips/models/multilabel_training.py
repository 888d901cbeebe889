"""Training of models of many labels: binary cross entropy, and a learning rate that falls along a cosine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spacer_like.chips.models.multilabel_metrics import THRESHOLD, multilabel_metrics, sample_f_score
from spacer_like.chips.models.multilabel_network import PIXEL_SCALE, state_arrays, unfreeze
from spacer_like.exceptions import TrainingLabelsError
from spacer_like.extractors.network_extractor import chosen_device
from spacer_like.extractors.resnet_layout import layout_of
from spacer_like.extractors.resnet_network import STAGES, Normalised, ResNet
from spacer_like.learning.heads import Floats, Head, output_values, scaling
from spacer_like.learning.snapshots import Snapshots
from spacer_like.learning.split import Split
from spacer_like.learning.torch_training import HeadModule, TorchTask, fit_torch
from spacer_like.learning.training_loop import AfterEpoch, Fitted, Indices, Metrics, TrainingConfig

_ROWS_OF_VALIDATION = 4096
_CHIPS_OF_VALIDATION = 32


@dataclass(frozen=True)
class MultilabelConfig:
    """How a training goes, and what the head is like; the fields are those of `TrainMultilabelMsg`.

    Attributes:
        learns_from_start: whether a network of its own began with random weights, so that all of it learns.
    """

    training: TrainingConfig
    layers: tuple[int, ...]
    dropouts: tuple[float, ...]
    learns_from_start: bool = False
    unfreeze_epochs: tuple[int, ...] = ()
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    momentum: float = 0.9

    def n_stages(self, epoch: int) -> int:
        """How many stages of a network of its own learn in an epoch, counted from 1."""
        return len(STAGES) if self.learns_from_start else sum(begin <= epoch for begin in self.unfreeze_epochs)

    @property
    def network_learns(self) -> bool:
        """Whether a network of its own ever learns; otherwise the features of chips stay the same."""
        return self.n_stages(self.training.nbr_epochs) > 0


@dataclass(frozen=True)
class Examples:
    """The training data.

    Attributes:
        targets: [n, labels], whether a chip has a label.
        split: which of them are learnt from, and which validate.
        features: float32 [n, inputs], what a frozen extractor or network makes of the chips; None: it learns at once.
        pixels: uint8 [n, size, size, 3], for a network that learns.
    """

    targets: NDArray[np.bool_]
    split: Split
    features: NDArray[np.float32] | None = None
    pixels: NDArray[np.uint8] | None = None

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Those that there are, by name."""
        found = {"targets": self.targets, "features": self.features, "pixels": self.pixels}
        return {name: array for name, array in found.items() if array is not None}


@dataclass(frozen=True)
class Trained:
    """The result of a training.

    Attributes:
        head: on raw features.
        state: the network's weights, if there is one.
        fitted: how the training went.
    """

    head: Head
    state: dict[str, NDArray[Any]] = field(default_factory=dict)
    fitted: Fitted = field(default_factory=Fitted)


def train(
    config: MultilabelConfig,
    examples: Examples,
    network: tuple[str, ResNet] | None = None,
    snapshots: Snapshots | None = None,
    snapshot_epochs: int = 1,
    after_epoch: AfterEpoch | None = None,
) -> Trained:
    """Train a head, and a network where there is one that learns.

    Args:
        examples: what is learnt from; two chips or more. Features where the extractor or network is frozen at first,
            pixels where a network learns.
        network: a network of its own with its name; it is changed.
        snapshots: where they are kept every `snapshot_epochs`.
        after_epoch: called with the history so far after each epoch.

    Raises:
        TrainingLabelsError: the training diverges.
    """
    task = _MultilabelTask(config, examples, network)
    facts = asdict(config)
    if config.optimizer == "adamw":
        # Snapshots from before there was a choice are resumed.
        del facts["optimizer"], facts["momentum"]
    depends_on = facts, examples.arrays
    fitted = fit_torch(task, config.training, examples.split, snapshots, snapshot_epochs, depends_on, after_epoch)
    state = state_arrays(network[1]) if network else {}
    return Trained(task.head.head("sigmoid", task.mean, task.scale), state, fitted)


class _MultilabelTask(TorchTask):
    """A head on features, or on what a network makes of pixels."""

    def __init__(self, config: MultilabelConfig, examples: Examples, network: tuple[str, ResNet] | None) -> None:
        self._config, self._examples = config, examples
        features = examples.features
        inputs = layout_of(network[0]).dimension if network else 0 if features is None else features.shape[1]
        generator = torch.Generator().manual_seed(config.training.seed)
        self.head = HeadModule(inputs, config.layers, config.dropouts, examples.targets.shape[1], generator)
        # Rare labels are not first to be unlearnt.
        self.head.set_output_bias(_expected_logits(examples.targets[examples.split.train]))
        self._network = network[1] if network else None
        parts: dict[str, nn.Module] = {"head": self.head}
        if self._network is not None:
            parts["network"] = self._network
        self.module = nn.ModuleDict(parts).to(torch.device(chosen_device()))
        self._normalised = Normalised(self._network).to(self.device) if self._network is not None else None
        self.mean, self.scale = scaling(features, examples.split.train, inputs)
        self.rows_at_a_time = _ROWS_OF_VALIDATION if examples.pixels is None else _CHIPS_OF_VALIDATION
        self._n_stages = 0

    def optimizer(self, rate: float) -> torch.optim.Optimizer:
        parameters = self.module.parameters()
        if self._config.optimizer == "sgd":
            return torch.optim.SGD(parameters, lr=rate, momentum=self._config.momentum)
        return (torch.optim.Adam if self._config.optimizer == "adam" else torch.optim.AdamW)(parameters, lr=rate)

    def begin_epoch(self, epoch: int) -> Mapping[str, int | float]:
        self.head.train()
        if self._network is not None:
            self._n_stages = self._config.n_stages(epoch)
            unfreeze(self._network, self._n_stages)
        return {"n_stages": self._n_stages}

    def outputs(self, rows: Indices, random: torch.Generator | None) -> Tensor:
        logits: Tensor = self.head(self._features(rows), random)
        return logits

    def loss(self, outputs: Tensor, rows: Indices) -> Tensor:
        targets = torch.from_numpy(self._examples.targets[rows].astype(np.float32)).to(self.device)
        return nn.functional.binary_cross_entropy_with_logits(outputs, targets)

    def metrics(self, rows: Indices, outputs: NDArray[Any], of: Literal["train", "validation"]) -> Metrics:
        targets = self._examples.targets[rows]
        predicted = output_values(outputs, "sigmoid") > THRESHOLD
        if of == "train":
            return {"sample_f1": sample_f_score(targets, predicted)}
        found = multilabel_metrics(targets, predicted, [str(label) for label in range(targets.shape[1])])
        return {name: getattr(found, name) for name in ("sample_f1", "sample_f2", "micro_f1", "macro_f1")}

    def _features(self, rows: Indices) -> Tensor:
        """The inputs of the head for chips: features, or the network's outputs once it learns."""
        features, pixels = self._examples.features, self._examples.pixels
        if not self._n_stages and features is not None:
            return self._scaled(torch.from_numpy(features[rows]).to(self.device))
        if pixels is None or self._normalised is None:
            raise TrainingLabelsError("A network that learns needs the pixels of chips.")
        batch = torch.from_numpy(np.array(pixels[rows])).to(self.device).permute(0, 3, 1, 2)
        return self._scaled(self._normalised.extract_features(batch.float() / PIXEL_SCALE))

    def _scaled(self, features: Tensor) -> Tensor:
        mean = torch.from_numpy(self.mean.astype(np.float32)).to(features.device)
        return (features - mean) / self.scale


def _expected_logits(targets: NDArray[np.bool_]) -> Floats:
    """The log odds of each label among chips [n, labels], as if one more had it and one more had not."""
    count = targets.sum(axis=0)
    return np.asarray(np.log((count + 1) / (len(targets) - count + 1)), np.float64)
