"""Epochs of trainings as events of TensorBoard: https://www.tensorflow.org/tensorboard; needs tensorboardX."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from spacer_like.extras import import_extra
from spacer_like.learning.training_loop import Epoch
from spacer_like.location import DataLocation
from spacer_like.storage import write_bytes

NAME = "events.out.tfevents.0.spacer_like"
"""TensorBoard takes files whose names have the third word."""
_VERSION = "brain.Event:2"


class EventsFile:
    """The file of a training's events in a folder, written anew after each epoch.

    It is an `AfterEpoch`. Its events bear their epochs' numbers as seconds: the same training gives the same file.

    Args:
        folder: where the file goes, which TensorBoard is given as its logdir, or one above it.

    Raises:
        MissingExtraError: tensorboardX is not installed.
    """

    def __init__(self, folder: DataLocation) -> None:
        import_extra("tensorboardX", "Events for TensorBoard", "tensorboard")
        self._loc = folder.below(NAME)

    def __call__(self, history: Sequence[Epoch]) -> None:
        write_bytes(self._loc, events_bytes(history))


def events_bytes(history: Sequence[Epoch]) -> bytes:
    """A file of events: the numbers of each epoch as scalars such as ``train/loss``, at the epoch's step."""
    from tensorboardX.proto.event_pb2 import Event

    events = [Event(wall_time=0.0, file_version=_VERSION)]
    for entry in history:
        scalars = {"learning_rate": entry.learning_rate, **entry.facts}
        scalars |= {f"train/{name}": value for name, value in entry.train.items()}
        scalars |= {f"validation/{name}": value for name, value in entry.validation.items()}
        events.append(Event(wall_time=float(entry.epoch), step=entry.epoch, summary=_summary(scalars)))
    return b"".join(_record(event.SerializeToString()) for event in events)


def _summary(scalars: dict[str, Any]) -> Any:
    from tensorboardX.proto.summary_pb2 import Summary

    return Summary(value=[Summary.Value(tag=name, simple_value=float(value)) for name, value in scalars.items()])


def _record(data: bytes) -> bytes:
    """A record of TensorFlow: length, its checksum, the data, their checksum."""
    from tensorboardX.record_writer import masked_crc32c

    length = struct.pack("<Q", len(data))
    sums = [struct.pack("<I", masked_crc32c(part)) for part in (length, data)]
    return length + sums[0] + data + sums[1]
