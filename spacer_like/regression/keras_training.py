"""Training of InclinET's networks by TensorFlow, as their authors trained them; the weights become ours.

The loop, its order of images, its rates and its snapshots are those of the training by torch. The same request gives
the same network, on one machine with one number of threads; TensorFlow's and torch's first weights are not the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from spacer_like.exceptions import MessageError, TrainingLabelsError
from spacer_like.extras import import_extra
from spacer_like.learning.split import Split
from spacer_like.learning.training_loop import AfterEpoch, Fitted, Indices, Metrics, State, fit
from spacer_like.regression.architectures import N_CHANNELS, architecture_of
from spacer_like.regression.keras_weights import NETWORKS, KerasLayer, imported_weights
from spacer_like.regression.training_data import metrics_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacer_like.learning.snapshots import Snapshots
    from spacer_like.regression.training_data import Examples, NetworkConfig

_KERNEL = 3
_ROWS_OF_VALIDATION = 64
_VARIABLE = "{}.{:03d}"


def check_keras_training(name: str, precision: str) -> None:
    """Refuse what TensorFlow does not train, or TensorFlow that is not installed.

    Raises:
        MessageError: InclinET has no network of this name, or products are to be bfloat16.
        MissingExtraError: without TensorFlow.
    """
    if name not in NETWORKS:
        raise MessageError(f"TensorFlow trains {', '.join(NETWORKS)}, and not {name}: take one of them, or torch.")
    if precision == "bfloat16":
        raise MessageError("TensorFlow trains in float32, and the precision is bfloat16: take auto, or torch.")
    import_extra("tensorflow", "Training by TensorFlow", "tensorflow")


def keras_network(keras: Any, name: str, size: int, n_classes: int | None, seed: int = 0) -> Any:
    """A network as a Sequential model of Keras.

    Args:
        keras: the package, as ``tensorflow.keras``.
        name: model4, model5 or model6.
        size: width and height of the images.
        n_classes: None: one number, by a tanh.
        seed: of the first weights, and of dropout.

    Raises:
        MessageError: there is none of this name, or it takes no images of this size.
    """
    layers, architecture = keras.layers, architecture_of(name, size)
    seeds = iter(np.random.SeedSequence(seed).generate_state(64).tolist())
    model = keras.Sequential([keras.Input((size, size, N_CHANNELS))])

    def begun() -> Any:
        return keras.initializers.GlorotUniform(seed=next(seeds))

    for block in architecture.blocks:
        for channels in block.channels:
            model.add(layers.Conv2D(channels, _KERNEL, activation="relu", kernel_initializer=begun()))
        if block.has_norm:
            model.add(layers.BatchNormalization())
        model.add(layers.MaxPooling2D(block.pool))
        if block.dropout:
            model.add(layers.Dropout(block.dropout, seed=next(seeds)))
    model.add(layers.Flatten())
    for units in architecture.units:
        model.add(layers.Dense(units, activation="relu", kernel_initializer=begun()))
    output = "softmax" if n_classes else "tanh"
    model.add(layers.Dense(n_classes or 1, activation=output, kernel_initializer=begun()))
    return model


def train_by_keras(
    name: str,
    size: int,
    config: NetworkConfig,
    batches: Callable[[int], Examples],
    validation: Examples,
    snapshots: Snapshots | None = None,
    depends_on: Mapping[str, Any] | None = None,
    after_step: AfterEpoch | None = None,
) -> tuple[dict[str, NDArray[np.float32]], Fitted]:
    """Train a network by Adam: a number with the mean square of the errors, or classes with the cross entropy.

    Args:
        name: model4, model5 or model6.
        size: width and height of the images.
        batches: the images of each step, from 0.
        validation: images that are not learnt from; may be none.
        snapshots: where one is kept after each step.
        depends_on: what the result depends on besides, as JSON: where the batches are, and in which order they come.
        after_step: called with the metrics so far after each step.

    Returns:
        The weights that were kept, as `architectures.weight_shapes` names them, and how the training went.

    Raises:
        MissingExtraError: without TensorFlow.
        TrainingLabelsError: the training diverges.
    """
    tensorflow = import_extra("tensorflow", "Training by TensorFlow", "tensorflow")
    training, n_classes = config.training, config.n_classes
    model = keras_network(tensorflow.keras, name, size, n_classes, training.seed)
    learner = _KerasLearner(tensorflow, model, n_classes, config.input_scale, batches, validation)
    rows = np.arange(len(validation))
    facts = {"backend": "tensorflow", "network": name, "n_classes": n_classes, "input_scale": config.input_scale}
    examples = {f"validation.{part}": values for part, values in vars(validation).items()}
    depending = (facts | dict(depends_on or {}), examples)
    fitted = fit(
        learner,
        training,
        Split(rows[:0], rows),
        snapshots,
        depends_on=depending,
        train_rows=learner.train_rows,
        after_epoch=after_step,
    )
    layers = [KerasLayer(one.name, tuple(one.get_weights())) for one in model.layers if one.weights]
    # Of a norm, whose outputs are finite all the same.
    if not all(np.isfinite(array).all() for layer in layers for array in layer.arrays):
        raise TrainingLabelsError(f"The training diverges: {learner.advice}.")
    return imported_weights(layers, name, name, size).weights, fitted


class _KerasLearner:
    """A model of Keras on the images of the validation, and behind them those of the step's batch."""

    advice = "take a smaller learning_rate"

    def __init__(
        self,
        tensorflow: Any,
        model: Any,
        n_classes: int | None,
        input_scale: float,
        batches: Callable[[int], Examples],
        validation: Examples,
    ) -> None:
        self._tensorflow, self._model = tensorflow, model
        self._n_classes, self._scale = n_classes, np.float32(input_scale)
        self._batches, self._validation, self._batch = batches, validation, validation
        losses, optimizers = tensorflow.keras.losses, tensorflow.keras.optimizers
        self._loss = losses.SparseCategoricalCrossentropy() if n_classes else losses.MeanSquaredError()
        self._optimizer = optimizers.Adam()
        self._optimizer.build(model.trainable_variables)
        # Compiled once for minibatches of all lengths.
        self._learn = tensorflow.function(self._learn_some, reduce_retracing=True)
        self._look = tensorflow.function(self._look_at_some, reduce_retracing=True)

    def _learn_some(self, pixels: Any, targets: Any) -> tuple[Any, Any]:
        with self._tensorflow.GradientTape() as tape:
            outputs = self._model(pixels, training=True)
            loss = self._loss(targets, outputs)
        variables = self._model.trainable_variables
        self._optimizer.apply(tape.gradient(loss, variables), variables)
        return loss, outputs

    def _look_at_some(self, pixels: Any, targets: Any) -> tuple[Any, Any]:
        outputs = self._model(pixels, training=False)
        return self._loss(targets, outputs), outputs

    def begin_epoch(self, epoch: int, seed: int) -> Mapping[str, int | float]:
        self._batch = self._batches(epoch - 1)
        numbers = np.random.SeedSequence(seed).generate_state(2 * len(self._model.layers)).reshape(-1, 2)
        for layer, state in zip(self._model.layers, numbers, strict=True):
            if hasattr(layer, "seed_generator"):
                layer.seed_generator.state.assign(state)
        return {}

    def train_rows(self, epoch: int) -> Indices:
        return np.arange(len(self._batch)) + len(self._validation)

    def step(self, rows: Indices, rate: float) -> tuple[float, NDArray[Any]]:
        self._optimizer.learning_rate = rate
        loss, outputs = self._learn(*self._examples(rows))
        return float(loss), self._flat(outputs)

    def evaluate(self, rows: Indices) -> tuple[float, NDArray[Any]]:
        total, found = 0.0, []
        for start in range(0, len(rows), _ROWS_OF_VALIDATION):
            some = rows[start : start + _ROWS_OF_VALIDATION]
            loss, outputs = self._look(*self._examples(some))
            total += float(loss) * len(some)
            found.append(self._flat(outputs))
        return total / len(rows), np.concatenate(found)

    def metrics(self, rows: Indices, outputs: NDArray[Any], of: Literal["train", "validation"]) -> Metrics:
        return metrics_of(outputs, self._own(rows)[1])

    def state(self) -> State:
        return {name: np.array(variable.numpy()) for name, variable in self._variables().items()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        variables = self._variables()
        if state.keys() != variables.keys() or any(
            state[name].shape != tuple(variable.shape) for name, variable in variables.items()
        ):
            raise ValueError("its arrays are those of another network")
        for name, variable in variables.items():
            variable.assign(state[name])

    def _variables(self) -> dict[str, Any]:
        """All that a step changes, by names of ours: Keras numbers its own on and on in a process."""
        groups = {"weights": self._model.variables, "optimizer": self._optimizer.variables}
        return {_VARIABLE.format(group, number): one for group, of in groups.items() for number, one in enumerate(of)}

    def _own(self, rows: Indices) -> tuple[NDArray[Any], NDArray[Any]]:
        n_validation = len(self._validation)
        is_batch = rows[0] >= n_validation
        examples, own = (self._batch, rows - n_validation) if is_batch else (self._validation, rows)
        return examples.inputs[own], examples.targets[own]

    def _examples(self, rows: Indices) -> tuple[Any, Any]:
        images, targets = self._own(rows)
        pixels = images.astype(np.float32) * self._scale
        tensors = self._tensorflow.convert_to_tensor
        return tensors(pixels), tensors(targets if self._n_classes else targets[:, None])

    def _flat(self, outputs: Any) -> NDArray[Any]:
        found: NDArray[Any] = outputs.numpy()
        return found if self._n_classes else found[:, 0]
