"""Ending a program by SIGTERM or Ctrl-C within seconds, whatever it is doing.

A signal raises `Interrupted` in the main thread, so that files are closed and temporary ones removed on the way out.
Where that takes longer than `SECONDS_TO_UNWIND` (a thread waits for a slow server, a library computes), a thread that
does nothing else ends the process.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

SECONDS_TO_UNWIND = 2.0
"""From the signal to the forced end."""
SECONDS_TO_START = 1.5
"""In addition, where a signal is deferred: while modules are imported or an answer is stored."""
SECONDS_TO_END = 1.2
"""For what a forced end does, such as writing the answer."""
SECONDS_BETWEEN_SIGNALS = 0.5
"""A second Ctrl-C ends the program at once; one that comes sooner is the same, sent to a group of processes too."""
_SECONDS_TO_HEAR = 0.05

_NAMES = {int(signal.SIGTERM): "SIGTERM", int(signal.SIGINT): "Ctrl-C"}


class Interrupted(BaseException):
    """A signal asked the program to end. Not an `Exception`, so that no task catches it."""

    def __init__(self, number: int = signal.SIGTERM) -> None:
        super().__init__(f"Interrupted by {_NAMES[number]}.")
        self.number = number

    @property
    def exit_code(self) -> int:
        """The exit code that a shell reports for a program ended by this signal."""
        return 128 + self.number


Action = Callable[[Interrupted], None]


class _Signals:
    """The signals that this process has received, and its state."""

    def __init__(self) -> None:
        self.of_program = False
        self.heard: Interrupted | None = None
        self.heard_at = 0.0
        self.was_raised = False
        self.deferrals = 0
        self.exit_code: int | None = None
        self.is_over = False
        self.is_announced = False
        self.has_busy_threads = False
        self.seconds_to_unwind = SECONDS_TO_UNWIND
        self.actions: list[Action] = []
        self.second = threading.Event()
        self.ending = threading.Lock()

    def handle(self, number: int, _: Any) -> None:
        if self.exit_code is not None:
            # All is done; what is still running, such as a thread of a library, is not waited for.
            leave(self.exit_code)
        if self.is_over:
            return
        if self.heard is not None:
            if number == signal.SIGINT and time.monotonic() - self.heard_at > SECONDS_BETWEEN_SIGNALS:
                self.second.set()
            return
        self.heard, self.heard_at = Interrupted(number), time.monotonic()
        self.raise_heard()

    def raise_heard(self) -> None:
        if self.heard is not None and not self.was_raised and self.deferrals == 0:
            self.was_raised = True
            raise self.heard


_signals = _Signals()


def listen(seconds_to_unwind: float = SECONDS_TO_UNWIND, *, quiet: bool = False) -> None:
    """Handle SIGTERM and Ctrl-C until the process ends; they take effect once the program is `ready`.

    To be called by a program, first of all. A signal that the caller of the program ignores stays ignored.

    Args:
        seconds_to_unwind: after which the end is forced.
        quiet: a forced end says nothing on standard error.
    """
    if _signals.of_program or not _in_main_thread():
        return
    _signals.of_program = True
    _signals.deferrals = 1
    _signals.seconds_to_unwind = seconds_to_unwind
    _signals.is_announced = quiet
    for number in _NAMES:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _signals.handle)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    # The number of a signal is written there even while the main thread runs no Python code.
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reader,), name="interruption", daemon=True).start()
    sys.unraisablehook = _without_interruptions(sys.unraisablehook)
    # Registered first, it runs last: what is left then is the interpreter's own.
    atexit.register(_ignore_signals)


def ready() -> None:
    """Let signals take effect from now on.

    Raises:
        Interrupted: there was one.
    """
    if _signals.of_program:
        _signals.deferrals = 0
        _signals.raise_heard()


@contextmanager
def deferred() -> Iterator[None]:
    """Delay signals until the block ends."""
    if not _in_main_thread():
        yield
        return
    _signals.deferrals += 1
    try:
        yield
    finally:
        _signals.deferrals -= 1
    _signals.raise_heard()


@contextmanager
def allowed() -> Iterator[None]:
    """Within `deferred`, let signals take effect during a block.

    Raises:
        Interrupted: there was one, or there is one.
    """
    if not _in_main_thread():
        yield
        return
    deferrals, _signals.deferrals = _signals.deferrals, 0
    try:
        _signals.raise_heard()
        yield
    finally:
        _signals.deferrals = deferrals


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM raise `Interrupted` during a block, in the main thread of a process that does not `listen`."""
    if _signals.of_program or not _in_main_thread():
        yield
        return
    _signals.heard, _signals.was_raised = None, False
    previous = signal.signal(signal.SIGTERM, _signals.handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextmanager
def at_forced_end(action: Action) -> Iterator[None]:
    """Register an action for a forced end, last one first. Another thread calls it."""
    _signals.actions.append(action)
    try:
        yield
    finally:
        _signals.actions.remove(action)


def heard() -> Interrupted | None:
    """The signal that this program has received; None if there was none."""
    return _signals.heard if _signals.of_program else None


def over() -> None:
    """Ignore signals from now on: the program's answer is written, or there is none."""
    _signals.is_over = _signals.of_program


def is_over() -> bool:
    """Whether the program's answer is written."""
    return _signals.is_over


def announce(interrupted: Interrupted) -> None:
    """Report on standard error what has happened; only the first call does."""
    if not _signals.is_announced:
        _signals.is_announced = True
        # Not by sys.stderr, whose lock the main thread may hold.
        shown_cursor = "\x1b[?25h" if os.isatty(2) else ""
        with suppress(OSError):
            os.write(2, f"{shown_cursor}{interrupted}\n".encode())


def leave_threads_behind() -> None:
    """End the program without waiting for the threads that are still at work."""
    _signals.has_busy_threads = True


def begin_end() -> None:
    """Cancel the forced end: the main thread ends the program."""
    if _signals.of_program and not _signals.ending.acquire(blocking=False):
        # The other thread is at it, and ends the process.
        time.sleep(SECONDS_TO_END + 1)


def finish(code: int) -> int:
    """The exit code of a program that listened, or the end itself where threads are left behind."""
    if _signals.of_program:
        _signals.exit_code = code
        if _signals.heard is not None or _signals.has_busy_threads:
            leave(code)
    return code


def leave(code: int) -> None:
    """End the process at once, whatever its threads do."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, RuntimeError, AttributeError):
            stream.flush()
    os._exit(code)


def _watch(reader: int) -> None:
    """Wait for a signal, and end the process where the main thread does not."""
    number = 0
    while number not in _NAMES:
        number = os.read(reader, 1)[0]
    began = time.monotonic()
    _wake_main_thread(number)
    _signals.second.wait(began + _signals.seconds_to_unwind - time.monotonic())
    if _signals.deferrals and _signals.heard is not None and not _signals.was_raised:
        _signals.second.wait(max(0.0, SECONDS_TO_START + began + _signals.seconds_to_unwind - time.monotonic()))
    if _signals.exit_code is None and not _signals.is_over:
        _end_by_force(Interrupted(number))


def _wake_main_thread(number: int) -> None:
    """Send the signal to the main thread until it hears it.

    The system may give a signal to another thread, or to the main one just before it begins to wait for a lock or a
    queue: Python's handler would then run only when that wait ends.
    """
    last = time.monotonic() + _signals.seconds_to_unwind
    main_thread = threading.main_thread().ident
    assert main_thread is not None
    while not _signals.second.wait(_SECONDS_TO_HEAR) and time.monotonic() < last:
        if _signals.heard is not None or _signals.is_over or _signals.exit_code is not None:
            return
        # A server, say, that has set a handler of its own hears the signal once, and not again and again.
        if signal.getsignal(number) == _signals.handle:
            signal.pthread_kill(main_thread, number)


def _end_by_force(interrupted: Interrupted) -> None:
    if _signals.ending.acquire(blocking=False):
        # In a thread of its own, for storages and pipes may keep it waiting.
        ending = threading.Thread(target=_act, args=(interrupted,), daemon=True)
        ending.start()
        ending.join(SECONDS_TO_END)
    else:
        time.sleep(SECONDS_TO_END)
    os._exit(interrupted.exit_code)


def _act(interrupted: Interrupted) -> None:
    announce(interrupted)
    for action in reversed(_signals.actions):
        with suppress(Exception):
            action(interrupted)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _ignore_signals() -> None:
    for number in _NAMES:
        signal.signal(number, signal.SIG_IGN)


def _without_interruptions(hook: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Silence errors where Python cannot raise, as in ``__del__``: the forced end follows."""
    return lambda unraisable: None if unraisable.exc_type is Interrupted else hook(unraisable)
