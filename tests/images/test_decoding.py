"""Files that are given away in the threads that decode them; batches of them are tested with sets."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from spacer_like import config
from spacer_like.exceptions import ImageError, StorageUnavailableError
from spacer_like.images.decoding import Decoder

NAMES = [f"{number}.png" for number in range(100)]


def read(name):
    return name.removesuffix(".png").encode()


def fill(square, data, name):
    """An image whose pixels say which it is; those of a number that ends in 7 are broken."""
    if data.endswith(b"7"):
        raise ImageError(f"The image '{name}' is broken.")
    square[...] = int(data)


def given(names=NAMES, size=4, receive=None, told=None, **options):
    """(Numbers of the images in each call, what is unreadable)."""
    calls = []
    decoder = Decoder(**{"read": read, "fill": fill, "size": size, **options})

    def note(pixels):
        assert pixels.shape[1:] == (size, size, 3)
        assert (pixels == pixels[:, :1, :1, :1]).all()
        calls.append(pixels[:, 0, 0, 0].tolist())

    unreadable = decoder.decode_in_threads(names, receive or note, (told if told is not None else []).append)
    return calls, unreadable


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("is_far", [False, True])
def test_every_image_is_given_once_and_what_is_broken_is_told(threads, is_far):
    told = []
    with config.override(torch_threads=threads, storage_concurrency=8):
        calls, unreadable = given(is_far=is_far, told=told)
    assert sorted(number for call in calls for number in call) == [number for number in range(100) if number % 10 != 7]
    assert unreadable == [(place, f"The image '{place}.png' is broken.") for place in range(7, 100, 10)]
    assert told == sorted(told)
    assert told[-1] == 100


def test_a_few_are_given_at_a_time():
    with config.override(torch_threads=1):
        assert max(map(len, given(names=["0.png"] * 100)[0])) == 16
        assert max(map(len, given(size=400)[0])) == 5
        assert max(map(len, given(size=1000, names=NAMES[:4])[0])) == 1


def test_far_files_are_read_at_once():
    barrier = threading.Barrier(6, timeout=20)

    def read_together(name):
        barrier.wait()
        return read(name)

    with config.override(torch_threads=1, storage_concurrency=6):
        calls, _ = given(names=NAMES[:6], read=read_together, is_far=True)
    assert sorted(calls) == [[number] for number in range(6)]


def test_few_bytes_are_read_ahead_of_decoding():
    read_bytes, most = 0, 0

    def read_large(name):
        nonlocal read_bytes, most
        read_bytes += 3 * 2**20
        most = max(most, read_bytes)
        return read(name).ljust(3 * 2**20)

    def fill_slowly(square, data, name):
        nonlocal read_bytes
        read_bytes -= len(data)
        fill(square, data.rstrip(), name)

    with config.override(torch_threads=1):
        calls, _ = given(names=NAMES[:40], read=read_large, fill=fill_slowly)
    assert max(map(len, calls)) == 16 - 1
    assert most == 6 * 2**20


def test_nothing_is_nothing():
    assert given(names=[]) == ([], [])
    assert given(names=["7.png"])[0] == []


@pytest.mark.parametrize("fault", ["read", "receive"])
def test_one_error_ends_all(fault):
    begun, faults = [], ["The storage does not answer."]

    def fail_once(*_):
        if len(begun) > 3 and faults:
            raise StorageUnavailableError(faults.pop())

    def read_slowly(name):
        begun.append(name)
        time.sleep(0.005)
        if fault == "read":
            fail_once()
        return read(name)

    with config.override(torch_threads=2), pytest.raises(StorageUnavailableError, match="does not answer"):
        given(size=400, read=read_slowly, receive=fail_once)
    assert len(begun) < 80
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


def test_who_stops_early_waits_for_no_more_than_what_has_begun():
    begun = []

    def read_slowly(name):
        begun.append(name)
        time.sleep(0.02)
        return read(name)

    with config.override(torch_threads=2, storage_concurrency=2):
        batches = Decoder(read_slowly, fill, 4, is_far=True).batches([f"{number}.png" for number in range(300)], 100)
        next(batches)
        batches.close()
    assert len(begun) < 150


def test_progress_is_told_while_it_goes_on():
    told, waiting = [], threading.Event()

    def receive(_pixels):
        waiting.wait(20)

    def progress(ended):
        told.append(ended)
        waiting.set()

    decoder = Decoder(read, fill, 4)
    decoder.decode_in_threads(NAMES[:5], receive, progress)
    assert told[0] == 0
    assert told[-1] == 5


def test_what_is_given_is_overwritten():
    """So that it stays in the processor's cache."""
    kept = []
    with config.override(torch_threads=1):
        given(size=1000, names=NAMES[:5], receive=kept.append)
    assert [np.unique(pixels).tolist() for pixels in kept] == [[4]] * 5
