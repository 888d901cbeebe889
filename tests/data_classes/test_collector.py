"""Python's garbage collector rests while large messages are read."""

import gc
import threading

import pytest

from spacer_like.data_classes import DataLocation
from spacer_like.data_classes.base import parse_json, paused_collector
from spacer_like.exceptions import MessageError
from spacer_like.messages import ClassifyReturnMsg, JobMsg


@pytest.fixture
def collections():
    """How many collections have begun."""
    begun = []

    def note(phase, info):
        if phase == "start":
            begun.append(info)

    gc.callbacks.append(note)
    yield begun
    gc.callbacks.remove(note)


# Those that were due begin afterwards: one of each generation at the most.
AFTERWARDS = 3


def test_none_begins_while_a_message_is_parsed(collections):
    data = b"[" + b",".join([b"[1,[2]]"] * 100_000) + b"]"
    gc.collect()
    collections.clear()
    assert len(parse_json(data)) == 100_000
    assert len(collections) <= AFTERWARDS


def test_none_begins_while_a_message_is_loaded(collections, tmp_path):
    place = DataLocation("filesystem", str(tmp_path / "answer.json"))
    ClassifyReturnMsg(1.0, [(row, row, [0.5, 0.5]) for row in range(20_000)], [1, 2], True).store(place)
    gc.collect()
    collections.clear()
    assert len(ClassifyReturnMsg.load(place).scores) == 20_000
    assert len(collections) <= AFTERWARDS


def test_afterwards_it_is_as_it_was_also_after_an_error():
    with pytest.raises(MessageError, match="is not valid JSON"):
        parse_json(b"{")
    assert gc.isenabled()
    gc.disable()
    try:
        parse_json(b"{}")
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_it_rests_until_the_last_of_several_threads_is_done():
    first_in, second_in, second_out = threading.Event(), threading.Event(), threading.Event()
    seen = []

    def second():
        first_in.wait(5)
        with paused_collector():
            second_in.set()
            second_out.wait(5)
        seen.append(gc.isenabled())

    thread = threading.Thread(target=second)
    thread.start()
    with paused_collector():
        first_in.set()
        second_in.wait(5)
    assert not gc.isenabled()
    second_out.set()
    thread.join()
    assert seen == [True]
    assert gc.isenabled()


def test_a_job_is_still_a_job():
    assert JobMsg.deserialize(parse_json(JobMsg.example().to_json())) == JobMsg.example()
