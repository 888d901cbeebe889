"""The tasks with models of many labels: train one, and predict the labels of chips by it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from spacer_like.chips.band_chips import extractor_for, images_for, takes_arrays
from spacer_like.chips.chip_source import dataset_version, open_chips
from spacer_like.chips.messages import (
    LabelChipsMsg,
    LabelChipsReturnMsg,
    MultilabelFigures,
    TrainMultilabelMsg,
    TrainMultilabelReturnMsg,
)
from spacer_like.chips.messages.models import MOMENTUM
from spacer_like.chips.models.multilabel_metrics import (
    THRESHOLD,
    best_thresholds,
    majority_labels,
    multilabel_metrics,
    sample_f_score,
    training_report,
)
from spacer_like.chips.models.multilabel_model import MULTILABEL_MODEL, MultilabelModel, network_features
from spacer_like.chips.models.window_overlap import without_overlaps
from spacer_like.chips.tasks.multilabel_storage import Gathered, gathered_chips
from spacer_like.data_classes.chip_names import group_of
from spacer_like.exceptions import (
    CollectionError,
    MessageError,
    TrainingLabelsError,
    WeightsError,
)
from spacer_like.extractors.base import check_size
from spacer_like.extras import import_extra, package_versions
from spacer_like.learning.events import EventsFile
from spacer_like.learning.snapshots import FolderSnapshots
from spacer_like.learning.split import Split, split_by_group
from spacer_like.overwriting import task
from spacer_like.storage import read_bytes, write_bytes
from spacer_like.tables.corrections import read_corrections
from spacer_like.tables.files import is_parquet
from spacer_like.tables.label_table import FEATURE, LabelTable, read_label_table
from spacer_like.tables.writing import check_endings, growing_table

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from spacer_like.chips.chip_source import ChipSource
    from spacer_like.chips.models.multilabel_training import MultilabelConfig, Trained
    from spacer_like.extractors.resnet_network import ResNet


@task
def train_multilabel(msg: TrainMultilabelMsg) -> TrainMultilabelReturnMsg:
    """Train a model that predicts the labels of a chip, and evaluate it on cells that it was not trained on.

    The model is the one after the last epoch. The same request for the same chips gives the same model, also where a
    training was broken off and went on from a snapshot; on one machine, with the same setting TORCH_THREADS.

    Raises:
        TrainingLabelsError: all chips are of one cell, have no label, or are too few; the training diverges.
        TableError: the table is malformed.
        DataNotFoundError, CollectionError: none of the table's chips is there, or can be decoded.
        MessageError: fields that do not go together.
        WeightsError: weights of another network.
        MissingExtraError: torch, or for a picture matplotlib, is not installed.
    """
    start = time.perf_counter()
    _check(msg)
    parquet = is_parquet(msg.table_loc)
    table = read_label_table(read_bytes(msg.table_loc), msg.table_loc.display_name, parquet)
    if msg.corrections_loc is not None:
        name = msg.corrections_loc.display_name
        table = table.corrected(read_corrections(read_bytes(msg.corrections_loc), name), name)
    network = None if msg.extractor is not None else _network(msg)
    config = _config(msg)
    with open_chips(msg.chips_loc, arrays=takes_arrays(msg.extractor)) as chips, ExitStack() as resources:
        chips.check_kept(msg)
        msg = msg.model_copy(update={"extractor": extractor_for(chips, msg.extractor)})
        wanted, missing = _chips_of_table(table, chips)
        learns = network is not None and config.network_learns
        gathered = gathered_chips(
            chips, wanted, msg.size, _frozen(msg, network, config), wants_pixels=learns, resources=resources
        )
        targets = _targets(table, gathered.names)
        cells = [group_of(name) for name in gathered.names]
        split = split_by_group(cells, targets, msg.validation_share, msg.seed)
        split = without_overlaps(gathered.names, split, chips.overlapping)
        trained = _trained(msg, config, gathered, targets, split, network)
        model = _model(msg, table.labels, trained, network)
        evaluation = _evaluation(msg, model, gathered, targets, split)
        unreadable = chips.unreadable
        dataset = dataset_version(chips, table.digest())
    versions = package_versions("numpy", "torch")
    model = replace(evaluation.model, metrics=evaluation.metrics(trained), versions=versions, dataset=dataset)
    _write(msg, model, trained, evaluation)
    return TrainMultilabelReturnMsg(
        n_train=len(split.train),
        n_validation=len(split.validation),
        n_train_cells=len({cells[index] for index in split.train}),
        n_validation_cells=len({cells[index] for index in split.validation}),
        labels=list(model.labels),
        thresholds=dict(zip(model.labels, model.thresholds.tolist(), strict=True)),
        figures=evaluation.figures,
        train_figures=evaluation.train_figures,
        threshold_figures=evaluation.threshold_figures,
        majority_sample_f1=evaluation.majority_sample_f1,
        epochs=len(trained.fitted.history),
        resumed_from=trained.fitted.resumed_from,
        missing=missing,
        unreadable=unreadable,
        runtime=time.perf_counter() - start,
        unlearned=evaluation.unlearned or None,
        dataset=dataset,
        n_overlapping=len(cells) - len(split.train) - len(split.validation) or None,
    )


@task
def label_chips(msg: LabelChipsMsg) -> LabelChipsReturnMsg:
    """Predict the labels of chips by a model; a chip that cannot be decoded has no row.

    Raises:
        ExtractorMismatchError: the extractor is not the one that the model was trained with.
        ModelFileError: the file holds no model.
        DataNotFoundError, CollectionError: there are no chips, or none can be decoded.
        TableError: a table's name has another ending than .csv or .parquet.
    """
    start = time.perf_counter()
    check_endings([*msg.table_locs, *msg.given_locs])
    name = msg.model_loc.display_name
    model = MULTILABEL_MODEL.from_bytes(read_bytes(msg.model_loc), name)
    if not takes_arrays(msg.extractor):
        model.check_extractor(msg.extractor, name)
    counts = np.zeros(len(model.labels), np.int64)
    n_chips = 0
    with ExitStack() as files, open_chips(msg.chips_loc, arrays=takes_arrays(msg.extractor)) as chips:
        chips.check_kept(msg)
        extractor = extractor_for(chips, msg.extractor)
        model.check_extractor(extractor, name)
        probable = files.enter_context(growing_table(_schema(model, "float64"), msg.table_locs))
        sure = files.enter_context(growing_table(_schema(model, "uint8"), msg.given_locs))
        for names, images in images_for(chips, chips.names, model.size, extractor):
            probabilities = model.probabilities(images, extractor)
            given = model.predicted(probabilities)
            probable(_rows(model, "float64", names, probabilities))
            sure(_rows(model, "uint8", names, given.astype(np.uint8)))
            counts += given.sum(axis=0)
            n_chips += len(names)
        if not n_chips:
            reasons = [chip.reason for chip in chips.unreadable]
            why = f"can be decoded, the first because: {reasons[0]}" if reasons else "is there."
            raise CollectionError(f"None of the chips of '{chips.name}' {why}")
        unreadable = chips.unreadable
    return LabelChipsReturnMsg(
        n_chips=n_chips,
        counts=dict(zip(model.labels, counts.tolist(), strict=True)),
        unreadable=unreadable,
        runtime=time.perf_counter() - start,
    )


@dataclass(frozen=True)
class _Evaluation:
    """A model with its thresholds, and how good it is."""

    model: MultilabelModel
    figures: MultilabelFigures
    train_figures: MultilabelFigures
    threshold_figures: MultilabelFigures
    majority_sample_f1: float
    counts: dict[str, int]

    @property
    def unlearned(self) -> dict[str, int]:
        """Labels that no training chip has, with the number of validation chips that do."""
        return {label: self.figures.support[label] for label, count in self.train_figures.support.items() if not count}

    def metrics(self, trained: Trained) -> dict[str, Any]:
        """The metrics in the model's file."""
        return {
            **{name: value for name, value in self.figures.serialize().items() if name not in ("precision", "recall")},
            "majority_sample_f1": self.majority_sample_f1,
            **self.counts,
            "epochs": len(trained.fitted.history),
        }


def _check(msg: TrainMultilabelMsg) -> None:
    """Refuse a message that cannot be carried out, before the work begins."""
    if len(msg.dropouts or ()) > len(msg.layers):
        raise MessageError(
            f"There can be a dropout after each layer, and there are {len(msg.dropouts or ())} dropouts and "
            f"{len(msg.layers)} of layers: leave some out."
        )
    if msg.extractor is not None:
        if msg.weights_loc is not None:
            raise MessageError(
                "A model has an extractor or a network of its own: give one of extractor and weights_loc."
            )
        if not takes_arrays(msg.extractor):
            check_size(msg.extractor, msg.size)
    import_extra("torch", "Training a model of many labels", "torch")
    if msg.events_loc is not None:
        EventsFile(msg.events_loc)
    if msg.plot_loc is not None:
        from spacer_like.drawing.figures import check_drawing

        check_drawing(msg.plot_loc)


def _dropouts(msg: TrainMultilabelMsg) -> tuple[float, ...]:
    """A share for each layer."""
    if msg.dropouts is None:
        return (*[0.2] * (len(msg.layers) - 1), 0.5)
    return (*msg.dropouts, *[0.0] * (len(msg.layers) - len(msg.dropouts)))


def _config(msg: TrainMultilabelMsg) -> MultilabelConfig:
    from spacer_like.chips.models.multilabel_training import MultilabelConfig
    from spacer_like.learning.training_loop import TrainingConfig

    has_weights = msg.weights_loc is not None
    return MultilabelConfig(
        TrainingConfig(msg.nbr_epochs, msg.batch_size, msg.learning_rate, msg.seed),
        layers=tuple(msg.layers),
        dropouts=_dropouts(msg),
        learns_from_start=msg.extractor is None and not has_weights,
        unfreeze_epochs=tuple(sorted(msg.unfreeze_epochs)) if has_weights else (),
        optimizer=msg.optimizer,
        momentum=MOMENTUM if msg.momentum is None else msg.momentum,
    )


def _network(msg: TrainMultilabelMsg) -> ResNet:
    """The network as it begins."""
    import torch

    from spacer_like.extractors.resnet_network import random_resnet, resnet_of
    from spacer_like.extractors.torch_weights import read_state_dict

    if msg.weights_loc is None:
        return random_resnet(msg.network, torch.Generator().manual_seed(msg.seed))
    try:
        state = read_state_dict(BytesIO(read_bytes(msg.weights_loc)), "weights")
        return resnet_of(msg.network, state, "weights")
    except WeightsError as error:
        raise WeightsError(f"{msg.weights_loc.display_name}: {error}") from error


def _frozen(msg: TrainMultilabelMsg, network: ResNet | None, config: MultilabelConfig) -> Any:
    """What computes features once for all epochs, or for the first ones; None where all layers learn from the start."""
    if network is None:
        return msg.extractor
    if config.n_stages(1):
        return None
    from spacer_like.chips.models.multilabel_network import as_network

    return as_network(network)


def _chips_of_table(table: LabelTable, chips: ChipSource) -> tuple[list[str], list[str]]:
    """The table's chips that are there, sorted, and those that are not."""
    wanted = sorted(name for name in table.names if name in chips)
    missing = sorted(name for name in table.names if name not in chips)
    if not wanted:
        first = f", such as '{missing[0]}'" if missing else ""
        raise CollectionError(f"None of the table's chips{first}, is in '{chips.name}'.")
    _check_cells(sorted({group_of(name) for name in wanted}))
    return wanted, missing


def _check_cells(cells: Sequence[str]) -> None:
    if len(cells) < 2:
        raise TrainingLabelsError(
            "Chips of at least two cells of zoom 12 (or their like) are needed, one to learn from and one to validate "
            f"with, and all lie in {cells[0]}: add chips of another place."
        )


def _targets(table: LabelTable, names: Sequence[str]) -> NDArray[np.bool_]:
    """Which labels the chips have, [n, labels]."""
    row_of = {name: row for row, name in enumerate(table.names)}
    targets = np.asarray(table.targets[[row_of[name] for name in names]], bool)
    if not targets.any():
        raise TrainingLabelsError("No chip of the table has any label: there is nothing to learn.")
    return targets


def _trained(
    msg: TrainMultilabelMsg,
    config: MultilabelConfig,
    gathered: Gathered,
    targets: NDArray[np.bool_],
    split: Split,
    network: ResNet | None,
) -> Trained:
    from spacer_like.chips.models.multilabel_network import state_arrays
    from spacer_like.chips.models.multilabel_training import Examples, train

    if len(split.train) < 2:
        raise TrainingLabelsError("There must be at least two chips to learn from, and there is one.")
    examples = Examples(targets, split, gathered.features, gathered.pixels)
    learning = (msg.network, network) if network is not None and config.network_learns else None
    snapshots = None if msg.snapshots_loc is None else FolderSnapshots(msg.snapshots_loc)
    events = None if msg.events_loc is None else EventsFile(msg.events_loc)
    trained = train(config, examples, learning, snapshots, msg.snapshot_epochs, events)
    return trained if network is None else replace(trained, state=state_arrays(network))


def _model(msg: TrainMultilabelMsg, labels: Sequence[str], trained: Trained, network: ResNet | None) -> MultilabelModel:
    """The model with fixed thresholds."""
    threshold = THRESHOLD if msg.threshold == "per_label" else float(msg.threshold)
    return MultilabelModel(
        labels=tuple(labels),
        thresholds=np.full(len(labels), threshold),
        head=trained.head,
        size=msg.size,
        extractor_id=None if msg.extractor is None else msg.extractor.extractor_id,
        network=None if network is None else msg.network,
        state=trained.state,
    )


def _evaluation(
    msg: TrainMultilabelMsg, model: MultilabelModel, gathered: Gathered, targets: NDArray[np.bool_], split: Split
) -> _Evaluation:
    pixels = gathered.pixels
    features = gathered.features if pixels is None else network_features(model.own_network, pixels)
    probabilities = model.head(np.asarray(features))
    train, validation = split.train, split.validation

    def metrics(indices: NDArray[np.int64]) -> MultilabelFigures:
        return multilabel_metrics(targets[indices], model.predicted(probabilities[indices]), model.labels)

    threshold_figures = metrics(validation)
    if msg.threshold == "per_label":
        model = replace(model, thresholds=best_thresholds(targets[validation], probabilities[validation]))
    majority = np.broadcast_to(majority_labels(targets[train]), targets[validation].shape)
    return _Evaluation(
        model=model,
        figures=metrics(validation),
        train_figures=metrics(train),
        threshold_figures=threshold_figures,
        majority_sample_f1=sample_f_score(targets[validation], majority),
        counts={"n_train": len(train), "n_validation": len(validation)},
    )


def _write(msg: TrainMultilabelMsg, model: MultilabelModel, trained: Trained, evaluation: _Evaluation) -> None:
    data = MULTILABEL_MODEL.to_bytes(model)
    if msg.metrics_loc is not None:
        figures = {
            "figures": evaluation.figures,
            "train_figures": evaluation.train_figures,
            "threshold_figures": evaluation.threshold_figures,
        }
        report = training_report(
            trained.fitted.history,
            figures,
            labels=list(model.labels),
            thresholds=model.thresholds.tolist(),
            majority_sample_f1=evaluation.majority_sample_f1,
            unlearned=evaluation.unlearned,
            **evaluation.counts,
        )
        write_bytes(msg.metrics_loc, report)
    if msg.plot_loc is not None:
        from spacer_like.chips.models.training_plot import training_picture

        training_picture(trained.fitted.history, evaluation.figures, evaluation.majority_sample_f1, msg.plot_loc)
    # The model last: where it exists, the other files do too.
    write_bytes(msg.model_loc, data)


def _schema(model: MultilabelModel, kind: str) -> pa.Schema:
    import pyarrow as pa

    numbers = pa.type_for_alias(kind)
    return pa.schema([(FEATURE, pa.string()), *((label, numbers) for label in model.labels)])


def _rows(model: MultilabelModel, kind: str, names: Sequence[str], values: NDArray[Any]) -> pa.Table:
    import pyarrow as pa

    columns = [pa.array(names, pa.string()), *(pa.array(column) for column in np.ascontiguousarray(values.T))]
    return pa.table(columns, schema=_schema(model, kind))
