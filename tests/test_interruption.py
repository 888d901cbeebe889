"""What a signal leaves as it was in a process that does not listen; child processes that do: tests/cli."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from spacer_like import interruption
from spacer_like.interruption import Interrupted


def test_the_handler_of_the_process_comes_back_whether_or_not_there_was_a_signal():
    before = signal.getsignal(signal.SIGTERM)
    with interruption.interruptible():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
    with pytest.raises(Interrupted, match=r"^Interrupted by SIGTERM\.$"), interruption.interruptible():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_signal_that_is_deferred_is_raised_afterwards_and_once():
    done = []

    def store():
        with interruption.interruptible():
            with interruption.deferred():
                os.kill(os.getpid(), signal.SIGTERM)
                done.append("stored")
            done.append("never")

    with pytest.raises(Interrupted):
        store()
    assert done == ["stored"]
    with interruption.interruptible(), interruption.deferred():
        done.append("not raised again")


def test_a_signal_that_is_deferred_is_raised_where_it_is_allowed():
    done = []

    def work():
        with interruption.interruptible(), interruption.deferred():
            os.kill(os.getpid(), signal.SIGTERM)
            done.append("deferred")
            with interruption.allowed():
                done.append("never")

    with pytest.raises(Interrupted):
        work()
    assert done == ["deferred"]


@pytest.mark.parametrize("block", [interruption.interruptible, interruption.deferred, interruption.allowed])
def test_other_threads_have_no_signals_to_defer(block):
    ended = []

    def work():
        with block():
            ended.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ended == [True]


def test_at_a_forced_end_the_last_action_comes_first_and_one_that_fails_stops_no_other(capfd, monkeypatch):
    monkeypatch.setattr(interruption._signals, "is_announced", False)
    came = []

    def failing(signal):
        came.append("failing")
        raise OSError

    with interruption.at_forced_end(came.append), interruption.at_forced_end(failing):
        with interruption.at_forced_end(lambda signal: came.append("over")):
            pass
        interruption._act(ended := Interrupted(signal.SIGINT))
    assert came == ["failing", ended]
    interruption._act(ended)
    assert came == ["failing", ended]
    assert capfd.readouterr().err == "Interrupted by Ctrl-C.\n"
