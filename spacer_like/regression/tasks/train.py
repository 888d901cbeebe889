"""The tasks that train networks on images of galaxies."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from spacer_like.exceptions import MessageError, TrainingLabelsError
from spacer_like.extras import import_extra, package_versions
from spacer_like.learning.snapshots import FolderSnapshots
from spacer_like.overwriting import task
from spacer_like.regression.architectures import architecture_of
from spacer_like.regression.augmentation import Options, Pool, class_of
from spacer_like.regression.dataset import open_pool
from spacer_like.regression.keras_training import check_keras_training, train_by_keras
from spacer_like.regression.labels import HIGHEST, LOWEST
from spacer_like.regression.messages import (
    TrainGoodBadMsg,
    TrainGoodBadReturnMsg,
    TrainRegressorMsg,
    TrainRegressorReturnMsg,
)
from spacer_like.regression.regressor import EXTRACTOR, N_CLASSES, REGRESSOR, UNIT_SCALE, Domain, Regressor
from spacer_like.regression.training_data import (
    AS_ORIGINAL,
    Batches,
    BatchFiles,
    Examples,
    MadeBatches,
    NetworkConfig,
    ReadAhead,
    batch_order,
    check_not_held_out,
    check_sizes,
    contents_mark,
    examples_of,
    original_order,
    validation_pool,
)
from spacer_like.regression.training_report import METRICS, doubts_about, draw_metrics, metrics_json
from spacer_like.storage import write_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import nn

    from spacer_like.learning.training_loop import Epoch, Fitted
    from spacer_like.regression.messages.training import TrainingMsg
    from spacer_like.regression.training_data import Precision

    Features = Callable[[NDArray[np.uint8]], NDArray[np.float32]]

logger = logging.getLogger(__name__)

_DEGREES = (HIGHEST - LOWEST) / 2
WARM_UP = 100
"""Minibatches. Without, two of fifteen trainings of model4 ended with all units of a layer dead."""
_LEAST_IMAGES = 2
# Of features, between passes.
_MOST_KEPT_BYTES = 2**30


@task
def train_regressor(msg: TrainRegressorMsg) -> TrainRegressorReturnMsg:
    """Train a network that tells inclinations. Killed and sent again it goes on from its last snapshot.

    The same request gives the same network, on one machine with the same setting TORCH_THREADS.

    Raises:
        MessageError: fields that do not go together, a network that takes no images of this size, or a validation by
            galaxies that are held out for the test.
        TrainingLabelsError: no image has an inclination, images of several sizes, or the training diverges.
        TableError, DataNotFoundError: a file of images is damaged, or is not there.
        MissingExtraError: torch or TensorFlow, or for a picture matplotlib, is not installed.
    """
    start = time.perf_counter()
    trained = _trained(msg, None)
    validation = trained.kept_validation
    return TrainRegressorReturnMsg(
        **trained.answer(),
        rms=validation["mse"] ** 0.5 * _DEGREES if validation else None,
        mae=validation["mae"] * _DEGREES if validation else None,
        runtime=time.perf_counter() - start,
    )


@task
def train_good_bad(msg: TrainGoodBadMsg) -> TrainGoodBadReturnMsg:
    """Train a network that tells galaxies with an inclination from others; otherwise as `train_regressor`.

    Raises:
        SpacerInputError: as `train_regressor`.
    """
    start = time.perf_counter()
    trained = _trained(msg, N_CLASSES)
    accuracy = trained.kept_validation.get("accuracy")
    return TrainGoodBadReturnMsg(**trained.answer(), accuracy=accuracy, runtime=time.perf_counter() - start)


@dataclass(frozen=True)
class _Trained:
    """A training that has ended, and what it learnt from."""

    config: NetworkConfig
    model: Regressor
    fitted: Fitted
    n_validation: int

    @property
    def kept(self) -> Epoch:
        """The step whose weights were kept."""
        keeps_best = self.config.training.keeps == "best"
        return self.fitted.history[self.fitted.best_epoch - 1 if keeps_best else -1]

    @property
    def kept_validation(self) -> dict[str, float]:
        """The metrics of the validation with the weights that were kept; empty without one."""
        return {name: self.kept.validation[name] for name in METRICS if name in self.kept.validation}

    def answer(self) -> dict[str, Any]:
        """The fields that both return messages share."""
        return {
            "n_parameters": sum(array.size for name, array in self.model.weights.items() if ".running_" not in name),
            "precision": self.config.precision,
            "steps": len(self.fitted.history),
            "resumed_from": self.fitted.resumed_from,
            "best_step": self.fitted.best_epoch,
            "n_validation": self.n_validation,
            "loss": self.fitted.history[-1].train["loss"],
            "validation_loss": self.kept_validation.get("loss"),
            "warnings": doubts_about(self.kept),
        }


def _trained(msg: TrainingMsg, n_classes: int | None) -> _Trained:
    """Check, train and write."""
    _check(msg)
    batches = _batches(msg, n_classes)
    order = _order(msg, len(batches))
    held = [open_pool(loc) for loc in msg.validation_locs]
    size = check_sizes([*batches.examples, *held])
    _check_classes(batches.examples, n_classes)
    domain = Domain.of(batches.examples)
    module, features = _network(msg, size, n_classes)
    validation = _with_features(_validation(held, msg.original, n_classes, size), features)
    _check_validated(msg, len(validation))
    config = _config(msg, n_classes, len(order))
    snapshots = None if msg.snapshots_loc is None else FolderSnapshots(msg.snapshots_loc, msg.n_snapshots)
    depends_on = {} if snapshots is None else _depends_on(msg, order)

    def write_metrics(history: Sequence[Epoch]) -> None:
        if msg.metrics_loc is not None:
            write_bytes(msg.metrics_loc, metrics_json(history, order, batches.names))

    with ReadAhead(_Steps(batches, order, n_classes, size, features), len(order)) as ahead:
        weights, fitted = _train(msg, size, module, config, ahead, validation, snapshots, depends_on, write_metrics)
    extractor_id = None if msg.extractor is None else msg.extractor.extractor_id
    model = Regressor(msg.network, size, n_classes, config.input_scale, weights, domain, extractor_id)
    trained = _Trained(config, model, fitted, len(validation))
    for doubt in doubts_about(trained.kept):
        logger.warning("%s: %s", msg.model_loc.display_name, doubt)
    # After a snapshot of the last step no further one follows.
    write_metrics(fitted.history)
    _write(msg, trained)
    return trained


def _train(
    msg: TrainingMsg, size: int, module: nn.Module | None, *of: Any
) -> tuple[dict[str, NDArray[np.float32]], Fitted]:
    """The weights that were kept, and how the training went; `of`: further arguments of `train`."""
    if module is None:
        return train_by_keras(msg.network, size, *of)
    from spacer_like.regression.training import train

    return train(module, *of)


def _check(msg: TrainingMsg) -> None:
    """Refuse a message that cannot be carried out, before the work begins."""
    if bool(msg.batch_locs) == bool(msg.sample_locs):
        raise MessageError(
            f"{msg.task} learns from batch_locs, files of batches, or from sample_locs, of which it makes batches: "
            "give one of them."
        )
    if (msg.network == EXTRACTOR) != (msg.extractor is not None) or (msg.fine_tune and msg.extractor is None):
        raise MessageError("The network 'extractor' needs an extractor, and fine_tune too; no other network takes one.")
    if not msg.original:
        check_not_held_out([*msg.sample_locs, *msg.validation_locs])
    _check_validated(msg, len(msg.validation_locs))
    if msg.backend == "tensorflow":
        check_keras_training(msg.network, msg.precision)
    else:
        import_extra("torch", "Training a network", "torch")
    if msg.figure_loc is not None:
        from spacer_like.drawing.figures import check_drawing

        check_drawing(msg.figure_loc)


def _check_validated(msg: TrainingMsg, count: int) -> None:
    """Refuse what goes by a validation where there are no images, or files of them, to validate with."""
    if not count and (names := msg.by_validation):
        raise MessageError(
            f"{names[0]} {getattr(msg, names[0])} goes by the validation, and there is no galaxy to validate with: "
            "give validation_locs, or leave it out."
        )


def _check_classes(examples: Sequence[Pool], n_classes: int | None) -> None:
    """Refuse images of one class alone, of which nothing but that class is learnt."""
    if n_classes is not None and len(np.unique(np.concatenate([class_of(one.inclinations) for one in examples]))) == 1:
        raise TrainingLabelsError(
            "All galaxies to learn from are of one class: of split_dataset, set least_inclination to 0, so that those "
            "seen face-on and rejected are there too, and of augment_dataset by_class."
        )


def _batches(msg: TrainingMsg, n_classes: int | None) -> Batches:
    if msg.batch_locs:
        return BatchFiles(msg.batch_locs)
    options = (AS_ORIGINAL if msg.original else Options())._replace(by_class=n_classes is not None)
    pools = [open_pool(loc) for loc in msg.sample_locs]
    check_sizes(pools)
    return MadeBatches(pools, msg.n_batches, msg.per_bin, msg.seed, options)


def _network(msg: TrainingMsg, size: int, n_classes: int | None) -> tuple[nn.Module | None, Features | None]:
    """What learns, None for TensorFlow; where that is layers on a frozen extractor, also what makes features."""
    if msg.backend == "tensorflow":
        architecture_of(msg.network, size)
        return None, None
    if msg.extractor is None:
        from spacer_like.regression.networks import network

        return network(msg.network, size, n_classes, msg.seed), None
    from spacer_like.regression.backbones import features_of, layers_for

    module = layers_for(msg.extractor, n_classes, msg.fine_tune, seed=msg.seed)
    return module, None if msg.fine_tune else partial(features_of, msg.extractor)


def _with_features(examples: Examples, features: Features | None) -> Examples:
    return examples if features is None else replace(examples, inputs=features(examples.inputs))


def _order(msg: TrainingMsg, n_batches: int) -> list[int]:
    """The number of the batch of each step."""
    if msg.original:
        return original_order(n_batches, msg.passes, msg.sub_sample)
    return batch_order(n_batches, msg.passes, msg.seed)


def _validation(held: list[Pool], original: bool, n_classes: int | None, size: int) -> Examples:
    """What the network is validated with; maybe nothing."""
    pool = validation_pool(held, original)
    if pool is None:
        return Examples(np.empty((0, size, size, 3), np.uint8), np.empty(0, np.float32))
    return examples_of(pool, n_classes)


class _Steps:
    """What the network learns from in each step, counted from 0.

    Args:
        order: the number of the batch of each.
        size: width and height that all images must have.
        features: what takes images to the network's inputs; None: they are. Those of files are kept for later passes.
    """

    def __init__(
        self, batches: Batches, order: Sequence[int], n_classes: int | None, size: int, features: Features | None
    ) -> None:
        self._batches, self._order, self._n_classes, self._size = batches, order, n_classes, size
        self._features = features
        self._kept: dict[int, Examples] = {}
        self._free_bytes = _MOST_KEPT_BYTES if isinstance(batches, BatchFiles) else 0

    def __call__(self, step: int) -> Examples:
        number = self._order[step]
        if number in self._kept:
            return self._kept[number]
        found = self._checked(self._batches.pool(number, step), self._batches.names[number] or f"{number}")
        if self._features is None:
            return found
        found = _with_features(found, self._features)
        if found.inputs.nbytes <= self._free_bytes:
            self._free_bytes -= found.inputs.nbytes
            self._kept[number] = found
        return found

    def _checked(self, pool: Pool, name: str) -> Examples:
        found = examples_of(pool, self._n_classes)
        if len(found) < _LEAST_IMAGES:
            raise TrainingLabelsError(f"The batch {name} has no two images to learn from.")
        if pool.images.shape[1] != self._size:
            raise TrainingLabelsError(
                f"The images of the batch {name} have {pool.images.shape[1]} pixels, and those of the first "
                f"{self._size}: a network learns from images of one size."
            )
        return found


def _config(msg: TrainingMsg, n_classes: int | None, n_steps: int) -> NetworkConfig:
    from spacer_like.learning.training_loop import TrainingConfig

    training = TrainingConfig(
        nbr_epochs=n_steps,
        batch_size=msg.minibatch,
        learning_rate=msg.learning_rate,
        seed=msg.seed,
        schedule=msg.schedule,
        stop_patience=msg.stop_patience,
        keeps=msg.keeps,
        warm_up=(0 if msg.original else WARM_UP) if msg.warm_up is None else msg.warm_up,
    )
    is_raw = msg.input_scale == "raw" or msg.extractor is not None
    precision: Precision = "float32"
    if msg.backend == "torch":
        from spacer_like.regression.training import precision_here

        precision = precision_here(msg.precision)
    return NetworkConfig(training, n_classes, 1.0 if is_raw else UNIT_SCALE, precision)


def _depends_on(msg: TrainingMsg, order: Sequence[int]) -> dict[str, Any]:
    """What a snapshot depends on besides the validation and the network as it begins: the batches."""
    made: dict[str, Any] = {} if msg.batch_locs else {"per_bin": msg.per_bin, "original": msg.original}
    if msg.extractor is not None:
        made |= {"extractor": msg.extractor.extractor_id, "fine_tune": msg.fine_tune}
    marks = [contents_mark(loc) for loc in msg.batch_locs or msg.sample_locs]
    return {"order": list(order), "marks": marks, **made}


def _write(msg: TrainingMsg, trained: _Trained) -> None:
    history = trained.fitted.history
    if msg.figure_loc is not None:
        draw_metrics(history, msg.figure_loc)
    facts = {"steps": len(history), "n_validation": trained.n_validation, "precision": trained.config.precision}
    kept = {f"validation_{name}": value for name, value in trained.kept_validation.items()}
    model = replace(trained.model, metrics=facts | kept, versions=_versions(msg))
    # The model last: where it exists, the other files do too.
    write_bytes(msg.model_loc, REGRESSOR.to_bytes(model))


def _versions(msg: TrainingMsg) -> dict[str, str]:
    if msg.backend == "torch":
        return package_versions("numpy", "torch")
    # Its builds for processors alone are another package.
    tensorflow = import_extra("tensorflow", "Training by TensorFlow", "tensorflow")
    return {**package_versions("numpy"), "tensorflow": tensorflow.__version__}
