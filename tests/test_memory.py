"""Memory is used again once nobody looks into it, and not before."""

from __future__ import annotations

import ctypes
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from spacer_like.memory import return_freed_memory, reusable_memory, reuse_thread_memory


@pytest.fixture
def reading():
    """Calls a function in one thread that keeps its memory."""
    with ThreadPoolExecutor(1, initializer=reuse_thread_memory) as thread:
        yield lambda *call: thread.submit(*call).result()


def test_memory_that_nobody_looks_into_is_used_again(reading):
    first = reading(reusable_memory, 1000)
    assert reading(reusable_memory, 900) is first


def test_memory_that_an_array_looks_into_is_left_alone(reading):
    first = reading(reusable_memory, 1000)
    pixels = np.frombuffer(first, np.uint8)[10:20].reshape(2, 5)
    second = reading(reusable_memory, 1000)

    assert second is not first
    del pixels
    assert reading(reusable_memory, 1000) in (first, second)


def test_never_more_than_two_are_kept(reading):
    used = [memoryview(reading(reusable_memory, 1000)) for _ in range(5)]
    last = {id(used.pop().obj), id(used.pop().obj)}
    assert len(last) == 2
    assert len({id(view.obj) for view in used} | last) == 5


def test_too_little_memory_makes_room_for_more(reading):
    reading(reusable_memory, 10)
    assert len(reading(reusable_memory, 1000)) == 1000


def test_other_threads_keep_nothing():
    assert reusable_memory(1000) is None


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="a C library that keeps no freed memory")
def test_freed_memory_is_given_back():
    def held():
        (line,) = [one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("RssAnon")]
        return int(line.split()[1]) * 1024

    pieces = [np.ones(100_000, np.uint8) for _ in range(400)]
    last = pieces.pop()
    pieces.clear()
    # The last piece keeps those before it from being given back by themselves.
    before = held()
    return_freed_memory()
    assert before - held() > 20_000_000
    assert last.all()
