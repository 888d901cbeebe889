"""Pickles of objects whose classes are only named, and need not be imported to be written."""

from __future__ import annotations

import pickle
from typing import Any

from spacer_like.learning.pickle_reader import Made

PROTOCOL = 3
"""The first protocol that keeps bytes as bytes, and the last that numbers its memo explicitly."""

# Below it, memo numbers belong to the single values, each of which is pickled on its own and counts from 0.
_FIRST_SHARED = 2**12


def write_pickle(tree: Any) -> bytes:
    """The pickle of a tree of `Made` nodes, dictionaries, lists and plain values. Equal trees give equal bytes.

    A node that stands in several places is made once.
    """
    body = bytearray()
    _write(tree, body, {})
    return bytes([0x80, PROTOCOL]) + bytes(body) + pickle.STOP


def _write(value: Any, body: bytearray, shared: dict[int, int]) -> None:
    if isinstance(value, Made):
        _write_made(value, body, shared)
    elif isinstance(value, dict):
        body += pickle.EMPTY_DICT + pickle.MARK
        for key, entry in value.items():
            _write(key, body, shared)
            _write(entry, body, shared)
        body += pickle.SETITEMS
    elif isinstance(value, list):
        body += pickle.EMPTY_LIST + pickle.MARK
        for entry in value:
            _write(entry, body, shared)
        body += pickle.APPENDS
    else:
        body += pickle.dumps(value, PROTOCOL)[2:-1]


def _write_made(node: Made, body: bytearray, shared: dict[int, int]) -> None:
    if id(node) in shared:
        body += pickle.LONG_BINGET + shared[id(node)].to_bytes(4, "little")
        return
    shared[id(node)] = _FIRST_SHARED + len(shared)
    module, _, name = node.name.rpartition(".")
    body += pickle.GLOBAL + f"{module}\n{name}\n".encode() + pickle.EMPTY_TUPLE + pickle.NEWOBJ
    body += pickle.LONG_BINPUT + shared[id(node)].to_bytes(4, "little")
    _write(node.state, body, shared)
    body += pickle.BUILD
