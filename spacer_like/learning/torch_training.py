"""Training in torch: a task supplies module, loss and metrics, and `fit_torch` does the rest.

A training is the same each time on one machine with the same number of threads: torch adds up numbers in an order that
depends on it.

A regression on arrays `features` and `targets` is

    class Regression(TorchTask):
        def __init__(self, module): self.module = module
        def outputs(self, rows, random): return self.module(torch.from_numpy(features[rows]))[:, 0]
        def loss(self, outputs, rows): return nn.functional.mse_loss(outputs, torch.from_numpy(targets[rows]))
        def metrics(self, rows, outputs, of): return {"rmse": float(np.sqrt(np.mean((outputs - targets[rows]) ** 2)))}
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spacer_like.cores import library_thread_count
from spacer_like.learning.heads import Floats, Head, Layer, Output, unscaled
from spacer_like.learning.snapshots import Snapshots
from spacer_like.learning.split import Split
from spacer_like.learning.training_loop import AfterEpoch, Fitted, Indices, Metrics, State, TrainingConfig, fit

_WEIGHTS, _OPTIMIZER = "weights.", "optimizer."
_STEP = "step"
_OF_ADAM, _OF_SGD = (_STEP, "exp_avg", "exp_avg_sq"), ("momentum_buffer",)


class TorchTask(ABC):
    """The base of trainings in torch: module, loss and metrics on examples given by their indices.

    Attributes:
        module: all that is trained, and what it is trained on top of; on the device where it should be trained.
        rows_at_a_time: examples that are evaluated at once.
        advice: what to do where the training diverges.
    """

    module: nn.Module
    rows_at_a_time: int = 4096
    advice: str = "take a smaller learning_rate"

    @abstractmethod
    def outputs(self, rows: Indices, random: torch.Generator | None) -> Tensor:
        """The input of the loss, [n] or [n, outputs].

        Args:
            random: for dropout and augmentation, of the module's device; None while evaluating.
        """

    @abstractmethod
    def loss(self, outputs: Tensor, rows: Indices) -> Tensor:
        """The mean loss of examples."""

    @abstractmethod
    def metrics(self, rows: Indices, outputs: NDArray[Any], of: Literal["train", "validation"]) -> Metrics:
        """Metrics of outputs for examples, by name."""

    def begin_epoch(self, epoch: int) -> Mapping[str, int | float]:
        """Prepare an epoch, counted from 1, for instance by freezing layers. Returns entries for its history."""
        self.module.train()
        return {}

    def train_rows(self, epoch: int) -> Indices | None:
        """The examples of an epoch that has begun, where they are not the same in each; None: those of the split."""
        return None

    def optimizer(self, rate: float) -> torch.optim.Optimizer:
        """Adam, AdamW or SGD over all parameters that are not frozen."""
        return torch.optim.AdamW(self.module.parameters(), lr=rate)

    @property
    def device(self) -> torch.device:
        return next(self.module.parameters()).device


def fit_torch(
    task: TorchTask,
    config: TrainingConfig,
    split: Split,
    snapshots: Snapshots | None = None,
    snapshot_epochs: int = 1,
    depends_on: tuple[Mapping[str, Any], Mapping[str, NDArray[Any]]] = ({}, {}),
    after_epoch: AfterEpoch | None = None,
) -> Fitted:
    """Train the module of a task, and leave it with the weights that `config` wants to keep; arguments as `fit`.

    Raises:
        TrainingLabelsError: the training diverges.
    """
    if (threads := library_thread_count()) and threads != torch.get_num_threads():
        torch.set_num_threads(threads)
    with _exact_computing():
        return fit(
            _TorchLearner(task, config),
            config,
            split,
            snapshots,
            snapshot_epochs,
            depends_on,
            train_rows=lambda epoch: split.train if (rows := task.train_rows(epoch)) is None else rows,
            after_epoch=after_epoch,
        )


class _TorchLearner:
    def __init__(self, task: TorchTask, config: TrainingConfig) -> None:
        self._task, self.advice = task, task.advice
        self._optimizer = task.optimizer(config.learning_rate)
        self._random = torch.Generator(task.device)

    def begin_epoch(self, epoch: int, seed: int) -> Mapping[str, int | float]:
        self._random.manual_seed(seed)
        return self._task.begin_epoch(epoch)

    def step(self, rows: Indices, rate: float) -> tuple[float, NDArray[Any]]:
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        outputs = self._task.outputs(rows, self._random)
        loss = self._task.loss(outputs, rows)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return float(loss.detach()), outputs.detach().cpu().numpy()

    def evaluate(self, rows: Indices) -> tuple[float, NDArray[Any]]:
        task, total, found = self._task, 0.0, []
        task.module.eval()
        with torch.inference_mode():
            for start in range(0, len(rows), task.rows_at_a_time):
                some = rows[start : start + task.rows_at_a_time]
                outputs = task.outputs(some, None)
                total += float(task.loss(outputs, some)) * len(some)
                found.append(outputs.cpu().numpy())
        return total / len(rows), np.concatenate(found)

    def metrics(self, rows: Indices, outputs: NDArray[Any], of: Literal["train", "validation"]) -> Metrics:
        return self._task.metrics(rows, outputs, of)

    def state(self) -> State:
        module = self._task.module
        tensors = {f"{_WEIGHTS}{name}": value for name, value in module.state_dict().items()}
        for name, parameter in module.named_parameters():
            for part in self._parts(name, self._optimizer.state.get(parameter, {})):
                value = self._optimizer.state[parameter][part]
                tensors[f"{_OPTIMIZER}{name}.{part}"] = value
        return {name: value.detach().cpu().numpy().copy() for name, value in tensors.items()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        module = self._task.module
        weights = {
            name: _fitting(state[f"{_WEIGHTS}{name}"], wanted, name) for name, wanted in module.state_dict().items()
        }
        of_optimizer = {name: self._restored(state, name, parameter) for name, parameter in module.named_parameters()}
        module.load_state_dict(weights)
        for name, parameter in module.named_parameters():
            # Those that have never learnt have none.
            self._optimizer.state.pop(parameter, None)
            if of_optimizer[name]:
                self._optimizer.state[parameter] = of_optimizer[name]

    def _parts(self, name: str, found: Mapping[str, Any]) -> tuple[str, ...]:
        """What the optimizer keeps of a parameter; nothing of one that has never learnt."""
        wanted = _OF_SGD if isinstance(self._optimizer, torch.optim.SGD) else _OF_ADAM
        there = [part for part in wanted if found.get(part) is not None]
        if there and len(there) < len(wanted):
            raise ValueError(f"its optimizer's {name} is not whole")
        return tuple(there)

    def _restored(self, state: Mapping[str, NDArray[Any]], name: str, parameter: Tensor) -> dict[str, Tensor]:
        """What a snapshot has of a parameter for the optimizer."""
        prefix = f"{_OPTIMIZER}{name}."
        own = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        found = {}
        for part in self._parts(name, own):
            if part == _STEP:
                if own[part].shape != ():
                    raise ValueError(f"its optimizer's {name} does not fit")
                found[part] = torch.from_numpy(np.array(own[part]))
            else:
                # In the parameter's order of axes, as the optimizer has them: torch adds up in another way in another.
                found[part] = torch.empty_like(parameter).copy_(_fitting(own[part], parameter, name))
        return found


def _fitting(array: NDArray[Any], wanted: Tensor, name: str) -> Tensor:
    found = torch.from_numpy(np.array(array))
    if found.shape != wanted.shape or found.dtype != wanted.dtype:
        raise ValueError(f"its {name} does not fit")
    return found


@contextmanager
def _exact_computing() -> Iterator[None]:
    """Deterministic computing in full float32 on a GPU; on a CPU this is the default."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        yield


class HeadModule(nn.Module):
    """A head in torch: hidden layers (linear, rectified, batch norm, dropout) and a linear one for the outputs.

    Args:
        n_inputs: numbers of a feature vector.
        layers: units of the hidden layers.
        dropouts: the share of each one's units that are left out while learning.
        n_outputs: numbers that come out.
        generator: of random numbers, for the weights; the process's own are left alone.
        has_norm: whether hidden layers have a batch norm.
    """

    def __init__(
        self,
        n_inputs: int,
        layers: Sequence[int],
        dropouts: Sequence[float],
        n_outputs: int,
        generator: torch.Generator,
        has_norm: bool = True,
    ) -> None:
        super().__init__()
        self.linears = nn.ModuleList()
        self.norms = nn.ModuleList()
        for units in layers:
            self.linears.append(_linear(n_inputs, units, generator))
            self.norms.append(nn.BatchNorm1d(units) if has_norm else nn.Identity())
            n_inputs = units
        self.output = _linear(n_inputs, n_outputs, generator)
        self._dropouts = tuple(dropouts)

    def set_output_bias(self, bias: NDArray[np.floating]) -> None:
        """Set the outputs' bias [outputs], such as the log odds of labels or the mean of a target."""
        self.output.bias.data = torch.from_numpy(bias.astype(np.float32))

    def forward(self, features: Tensor, random: torch.Generator | None = None) -> Tensor:
        """The last layer's outputs [n, n_outputs] for features [n, n_inputs], before a sigmoid, softmax or tanh.

        Args:
            random: of the features' device, for dropout; None: there is none.
        """
        values = features
        for linear, norm, share in zip(self.linears, self.norms, self._dropouts, strict=True):
            values = norm(torch.relu(linear(values)))
            if random is not None and share > 0:
                stays = torch.rand(values.shape, generator=random, device=values.device) >= share
                values = values * stays / (1 - share)
        return cast(Tensor, self.output(values))

    def head(self, output: Output, mean: Floats | None = None, scale: float = 1.0) -> Head:
        """The head as arrays, float32.

        Args:
            output: what the outputs go through.
            mean, scale: the module has learnt from (features - mean) / scale, and the head takes raw features.
        """
        layers = []
        for number, linear in enumerate([*self.linears, self.output]):
            weights, bias = _array(linear.weight).T.copy(), _array(linear.bias)
            if not number and mean is not None:
                weights, bias = unscaled(weights, bias, mean, scale)
            norm = self.norms[number] if number < len(self.norms) else None
            affine = _affine(norm) if isinstance(norm, nn.BatchNorm1d) else ()
            layers.append(Layer(_float32(weights), _float32(bias), *affine))
        return Head(tuple(layers), output)


def _linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    with torch.device("meta"):
        layer = nn.Linear(inputs, outputs)
    layer = layer.to_empty(device="cpu")
    # As torch itself does it.
    bound = inputs**-0.5
    nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
    nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
    return layer


def _affine(norm: nn.BatchNorm1d) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The scales and shifts of a trained batch norm."""
    scales = _array(norm.weight) / np.sqrt(_array(norm.running_var) + norm.eps)
    return _float32(scales), _float32(_array(norm.bias) - _array(norm.running_mean) * scales)


def _array(tensor: Any) -> Floats:
    found: Floats = tensor.detach().cpu().numpy().astype(np.float64)
    return found


def _float32(array: Floats) -> NDArray[np.float32]:
    return np.ascontiguousarray(array, np.float32)
