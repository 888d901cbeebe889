"""Requests of the regression family for all sub-samples and batches, by names that people read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from spacer_like.exceptions import MessageError
from spacer_like.location import DataLocation
from spacer_like.message_base import Message
from spacer_like.regression.folders import batches_of, part_of_split
from spacer_like.regression.messages import AugmentDatasetMsg, TrainGoodBadMsg, TrainRegressorMsg
from spacer_like.regression.messages.training import TrainingMsg

_Training = TypeVar("_Training", bound=TrainingMsg)
_OF_SUB_SAMPLE = re.compile(r"Uset_([0-9]{3})_")


class Folders(NamedTuple):
    """Where a training reads and writes.

    Attributes:
        samples: the parts of a split.
        models: where the models go.
        augmented: batches; None: they are made of the samples while the network learns.
    """

    samples: DataLocation
    models: DataLocation
    augmented: DataLocation | None = None


def augment_requests(
    samples: DataLocation, size: int, sub_samples: int, batches: int, fields: Mapping[str, Any]
) -> dict[str, Message]:
    """The request for each batch of all galaxies, sub-sample 0, and of each other sub-sample.

    Args:
        fields: of each message, beside its samples and numbers.

    Raises:
        DataNotFoundError: a part of the split is not there.
        MessageError: the fields do not validate.
    """
    parts = {number: part_of_split(samples, size, f"train_{number:03d}") for number in range(sub_samples + 1)}
    return {
        f"batch {batch} of sub-sample {number}": AugmentDatasetMsg(
            **fields, sample_locs=parts[number], sub_sample=number, batch=batch
        )
        for number in parts
        for batch in range(batches)
    }


def train_requests(
    message: type[TrainRegressorMsg] | type[TrainGoodBadMsg],
    folders: Folders,
    size: int,
    sub_samples: int,
    batches: int,
    fields: Mapping[str, Any],
) -> dict[str, Message]:
    """The request that trains a network on each sub-sample, 0 included, which is all that is not held out.

    Each is validated by the galaxies out of its bag; 0 has none, and is validated as InclinET does, by the galaxies
    held out for the test, only with the field `original`; otherwise its last weights are kept, after all batches.

    Raises:
        DataNotFoundError: a file is not there.
        MessageError: the fields do not validate.
    """
    made: dict[str, Message] = {}
    kind = "model" if message is TrainRegressorMsg else "good-bad"
    for number in range(sub_samples + 1):
        learnt: dict[str, Any]
        if folders.augmented is not None:
            learnt = {"batch_locs": batches_of(folders.augmented, size, number, batches)}
        else:
            parts = part_of_split(folders.samples, size, f"train_{number:03d}")
            learnt = {"sample_locs": parts, "n_batches": batches}
        validated = f"test_{number:03d}" if number else "test_000" if fields.get("original") else None
        held = [] if validated is None else part_of_split(folders.samples, size, validated)
        network = fields.get("network", message.model_fields["network"].default)
        name = model_name(network, number, kind)
        every = {**fields, **learnt, **files_of_model(folders.models, name)}
        made[name] = training(message, every | {"validation_locs": held, "sub_sample": number})
    return made


def training(message: type[_Training], fields: Mapping[str, Any]) -> _Training:
    """The message of a training; where nothing validates, without the fields that go by the validation.

    Raises:
        MessageError: the fields do not validate.
    """
    made = message(**fields)
    if made.validation_locs or not made.by_validation:
        return made
    return message(**{name: value for name, value in fields.items() if name not in made.by_validation})


def model_name(network: str, sub_sample: int, kind: str = "model") -> str:
    """The name of a model's files without their endings.

    >>> model_name("model4", 1), model_name("model4", 0, "good-bad")
    ('Uset_001_model4', 'Uset_000_model4-binary')
    """
    return f"Uset_{sub_sample:03d}_{network}" + ("" if kind == "model" else "-binary")


def out_of_bag_samples(
    groups: Mapping[str, Sequence[DataLocation]], samples: DataLocation, size: int
) -> dict[str, list[DataLocation]]:
    """Samples out of the bags of networks, by the networks' names in requests; `model_name` is what files are called.

    Args:
        groups: files of networks by the names of their groups.
        samples: the folder of a split.

    Raises:
        MessageError: no file is called after a sub-sample.
        DataNotFoundError: a sub-sample's files are not there.
    """
    named = {
        f"{group}_{j}": _OF_SUB_SAMPLE.match(loc.filename)
        for group, locs in groups.items()
        for j, loc in enumerate(locs)
    }
    numbers = {name: int(found[1]) for name, found in named.items() if found and int(found[1])}
    if not numbers:
        raise MessageError(
            "None of the networks is called after the sub-sample that it was trained on, such as "
            f"{model_name('model4', 1)}: without that nobody knows what is out of its bag."
        )
    return {name: part_of_split(samples, size, f"test_{number:03d}") for name, number in numbers.items()}


def files_of_model(folder: DataLocation, name: str) -> dict[str, DataLocation]:
    """Where a model and what belongs to it go, by the fields of its message."""
    return {
        "model_loc": folder.below(f"{name}.safetensors"),
        "metrics_loc": folder.below(f"{name}_evalDict.json"),
        "figure_loc": folder.below(f"{name}_evalFig.jpg"),
        "snapshots_loc": folder.below(f"{name}_ckpt"),
    }
