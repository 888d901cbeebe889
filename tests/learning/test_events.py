"""Events of TensorBoard: records with right checksums, of the numbers of each epoch."""

import struct

from tensorboardX.proto.event_pb2 import Event
from tensorboardX.record_writer import crc32c

from spacer_like.learning.events import NAME, EventsFile, events_bytes
from spacer_like.learning.training_loop import Epoch
from spacer_like.location import DataLocation
from spacer_like.storage import read_bytes

HISTORY = [
    Epoch(1, 0.1, {"n_stages": 0}, {"loss": 0.75}, {"loss": 0.5, "sample_f1": 0.25}),
    Epoch(2, 0.05, {"n_stages": 1}, {"loss": 0.5}, {}),
]


def masked(data):
    """As TensorFlow's documentation of its records has it."""
    checksum = crc32c(data)
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF


def events_in(data):
    found = []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        body = data[12 : 12 + length]
        assert struct.unpack("<I", data[8:12]) == (masked(data[:8]),)
        assert struct.unpack("<I", data[12 + length : 16 + length]) == (masked(body),)
        found.append(Event.FromString(body))
        data = data[16 + length :]
    return found


def test_the_checksum_is_castagnoli_s():
    assert crc32c(b"123456789") == 0xE3069283


def test_each_epoch_is_an_event_of_its_numbers():
    first, *others = events_in(events_bytes(HISTORY))
    assert first.file_version == "brain.Event:2"
    scalars = [{value.tag: round(value.simple_value, 6) for value in event.summary.value} for event in others]
    assert [event.step for event in others] == [1, 2]
    assert scalars == [
        {"learning_rate": 0.1, "n_stages": 0, "train/loss": 0.75, "validation/loss": 0.5, "validation/sample_f1": 0.25},
        {"learning_rate": 0.05, "n_stages": 1, "train/loss": 0.5},
    ]


def test_the_file_is_written_anew_after_each_epoch():
    write = EventsFile(DataLocation("memory", "runs/a"))
    for n_epochs in (1, 2):
        write(HISTORY[:n_epochs])
        assert read_bytes(DataLocation("memory", f"runs/a/{NAME}")) == events_bytes(HISTORY[:n_epochs])
