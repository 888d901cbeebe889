"""How far long work has come, told to whoever listens and to the log."""

import logging

import pytest

from spacer_like import progress
from spacer_like.progress import listening, report


def test_a_listener_hears_every_report_of_its_block_and_none_after():
    heard = []
    with listening(lambda *told: heard.append(told)):
        report("training", 1, 2)
        report("training", 2, 2)
    report("training", 3, 3)
    assert heard == [("training", 1, 2), ("training", 2, 2)]


def test_the_inner_of_two_listeners_hears():
    outer, inner = [], []
    with listening(lambda *told: outer.append(told)):
        with listening(lambda *told: inner.append(told)):
            report("a", 1, 2)
        report("b", 1, 2)
    assert (outer, inner) == ([("b", 1, 2)], [("a", 1, 2)])


@pytest.mark.parametrize(("seconds", "lines"), [(0, 3), (1000, 0)])
def test_the_log_hears_now_and_then(monkeypatch, caplog, seconds, lines):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LOG_LINES", seconds)
    with caplog.at_level(logging.INFO, "spacer_like.progress"):
        for ended in (1, 2, 3):
            report("epochs", ended, 3)
    assert [record.getMessage() for record in caplog.records] == [f"epochs: {n} of 3" for n in (1, 2, 3)][:lines]
