"""Memory is used again once nobody looks into it, and not before."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from spacer_like.memory import reusable_memory, reuse_thread_memory


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
