"""Pickles read and written as inert trees: nothing that a pickle names is ever imported, called or made.

A pickle is a program that may call any function. Here its instructions are followed by a small machine of our own,
which knows numbers, texts, lists, tuples and dictionaries; where the program wants a class or a function, it gets a
`Reference` (text), and where it wants to call one, a `Made` (text and arguments) that somebody who trusts those names
may interpret. Names outside an allow-list end the reading, as do the instructions that no classifier needs: persistent
ids, extension codes, out-of-band buffers.
"""

from __future__ import annotations

import codecs
import pickle
import pickletools
import re
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from spacer_like.exceptions import ModelFileError, damage_as

MAX_INSTRUCTIONS = 1_000_000
PROTOCOL = 3
"""The first protocol that keeps bytes as bytes, and the last that numbers its memo explicitly."""

# Below it, memo numbers belong to the single values, each of which is pickled on its own and counts from 0.
_FIRST_SHARED = 2**12

_OPCODES = {opcode.code: opcode for opcode in pickletools.opcodes}

# Lines of text after an instruction. pickletools would undo escapes in them, which pickle does not.
_LINES = {"GLOBAL": 2, "INST": 2, "PERSID": 1}
# A backslash, itself not escaped, before what Python undoes with a warning or not at all.
_UNKNOWN_ESCAPE = re.compile(rb"""(?<!\\)(?:\\\\)*\\(?![\\'"abfnrtv\n0-3]|x[0-9a-fA-F]{2}|[4-7](?![0-7]{2}))""")

_MARK = object()
_RECONSTRUCTORS = ("copy_reg._reconstructor", "copyreg._reconstructor")


@dataclass(frozen=True)
class Reference:
    """A class or function that the pickle names."""

    name: str


@dataclass(eq=False)
class Made:
    """What the pickle would make by calling `name` with `arguments`, and giving the result `state`."""

    name: str
    arguments: tuple[Any, ...] = ()
    state: Any = field(default=None, repr=False)
    is_called: bool = False
    """Whether the pickle calls it, as functions are, and does not make an instance without its constructor."""


def read_pickle(data: bytes, allowed: Container[str], embedded: Callable[[Made, BytesIO], None] | None = None) -> Any:
    """The tree that a pickle describes, of any protocol and of Python 2 too.

    Args:
        data: the pickle.
        allowed: dotted names of the classes and functions that it may mention.
        embedded: is shown each node that got a state, and may read on in the pickle what lies behind that instruction.

    Raises:
        ModelFileError: another name, an instruction that is not understood, or a damaged pickle.
    """
    machine, stream = _Machine(allowed), BytesIO(data)
    with damage_as(ModelFileError, "The pickle", "The pickle is damaged"):
        for count, (name, argument) in enumerate(_instructions(stream)):
            if count > MAX_INSTRUCTIONS:
                raise ModelFileError("The pickle has more instructions than any classifier needs.")
            machine.follow(name, argument)
            if embedded is not None and name == "BUILD":
                embedded(machine.stack[-1], stream)
        return machine.pop()


def _instructions(stream: BytesIO) -> Iterator[tuple[str, Any]]:
    """Names and arguments of the instructions. Lengths are checked against the bytes that there are."""
    while True:
        if not (code := stream.read(1)):
            raise ValueError("it ends too early")
        opcode = _OPCODES[code.decode("latin-1")]
        if opcode.name in _LINES:
            yield opcode.name, " ".join(_line(stream) for _ in range(_LINES[opcode.name]))
        elif opcode.name == "STRING":
            yield opcode.name, _old_string(stream.readline())
        else:
            yield opcode.name, opcode.arg.reader(stream) if opcode.arg is not None else None
        if opcode.name == "STOP":
            return


def _line(stream: BytesIO) -> str:
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise ValueError("a name that does not end")
    return line[:-1].decode("ascii")


def _old_string(line: bytes) -> str:
    # Python 2 kept bytes so; pickletools would read them as ASCII, and fail.
    quoted = line.strip()
    if len(quoted) < 2 or quoted[:1] not in (b"'", b'"') or quoted[-1:] != quoted[:1]:
        raise ValueError("a string without quotes")
    if _UNKNOWN_ESCAPE.search(quoted[1:-1]):
        raise ValueError("a string with an unknown escape")
    return codecs.escape_decode(quoted[1:-1])[0].decode("latin-1")


class _Machine:
    def __init__(self, allowed: Container[str]) -> None:
        self.allowed = allowed
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def follow(self, name: str, argument: Any) -> None:
        if name in _IGNORED:
            return
        if name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _LITERALS:
            self.stack.append(argument)
        elif (instruction := _INSTRUCTIONS.get(name)) is not None:
            instruction(self, argument)
        else:
            raise ModelFileError(f"The pickle has an instruction that no classifier needs: {name}.")

    def pop(self) -> Any:
        value = self.stack.pop()
        if value is _MARK:
            raise ValueError("a value is missing")
        return value

    def pop_to_mark(self) -> list[Any]:
        values: list[Any] = []
        while (value := self.stack.pop()) is not _MARK:
            values.append(value)
        return values[::-1]

    def pop_reference(self) -> Reference:
        found = self.pop()
        if not isinstance(found, Reference):
            raise ModelFileError("The pickle calls something that is no class or function.")
        return found

    def refer(self, module: Any, name: Any) -> Reference:
        dotted = f"{module}.{name}"
        if dotted not in self.allowed:
            raise ModelFileError(f"The pickle names {dotted[:200]}, which no classifier file needs; it was not opened.")
        return Reference(dotted)

    def make(self, reference: Reference, arguments: Any, is_called: bool = False) -> None:
        if not isinstance(arguments, tuple):
            raise TypeError("arguments must be a tuple")
        if reference.name in _RECONSTRUCTORS and arguments and isinstance(arguments[0], Reference):
            self.stack.append(Made(arguments[0].name))
        else:
            self.stack.append(Made(reference.name, arguments, is_called=is_called))

    def fill(self, target: Any, items: Iterable[Any]) -> None:
        if not isinstance(target, list):
            raise TypeError("only a list can be appended to")
        target.extend(items)

    def set_items(self, target: Any, items: list[Any]) -> None:
        if not isinstance(target, dict):
            raise TypeError("only a dictionary has items")
        for key, value in zip(items[::2], items[1::2], strict=True):
            # Of other keys, nested tuples say, the mere hash could take years.
            if not isinstance(key, str | int):
                raise TypeError("a key must be text or a number")
            target[key] = value


def _append(machine: _Machine, _: Any) -> None:
    value = machine.pop()
    machine.fill(machine.stack[-1], [value])


def _appends(machine: _Machine, _: Any) -> None:
    values = machine.pop_to_mark()
    machine.fill(machine.stack[-1], values)


def _set_item(machine: _Machine, _: Any) -> None:
    value, key = machine.pop(), machine.pop()
    machine.set_items(machine.stack[-1], [key, value])


def _set_items(machine: _Machine, _: Any) -> None:
    values = machine.pop_to_mark()
    machine.set_items(machine.stack[-1], values)


def _dictionary(machine: _Machine, _: Any) -> None:
    values = machine.pop_to_mark()
    made: dict[Any, Any] = {}
    machine.set_items(made, values)
    machine.stack.append(made)


def _tuple_of(size: int) -> Callable[[_Machine, Any], None]:
    def make(machine: _Machine, _: Any) -> None:
        values = [machine.pop() for _ in range(size)]
        machine.stack.append(tuple(values[::-1]))

    return make


def _put(machine: _Machine, index: int) -> None:
    machine.memo[index] = machine.stack[-1]


def _memoize(machine: _Machine, _: Any) -> None:
    machine.memo[len(machine.memo)] = machine.stack[-1]


def _get(machine: _Machine, index: int) -> None:
    machine.stack.append(machine.memo[index])


def _global(machine: _Machine, argument: str) -> None:
    # Module and name; neither holds a blank.
    machine.stack.append(machine.refer(*argument.split(" ", 1)))


def _stack_global(machine: _Machine, _: Any) -> None:
    name, module = machine.pop(), machine.pop()
    machine.stack.append(machine.refer(module, name))


def _reduce(machine: _Machine, _: Any) -> None:
    arguments = machine.pop()
    machine.make(machine.pop_reference(), arguments, is_called=True)


def _new_object(machine: _Machine, _: Any) -> None:
    arguments = machine.pop()
    machine.make(machine.pop_reference(), arguments)


def _new_object_with_keywords(machine: _Machine, _: Any) -> None:
    keywords, arguments = machine.pop(), machine.pop()
    if keywords:
        raise TypeError("keyword arguments are not understood")
    machine.make(machine.pop_reference(), arguments)


def _build(machine: _Machine, _: Any) -> None:
    state, target = machine.pop(), machine.stack[-1]
    if not isinstance(target, Made):
        raise ModelFileError("The pickle gives a state to something that it did not make.")
    target.state = state


_IGNORED = frozenset({"PROTO", "FRAME", "STOP"})
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "MARK": _MARK, "EMPTY_TUPLE": ()}
_NUMBERS = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT")
_BYTES = ("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8")
_TEXTS = ("BINSTRING", "SHORT_BINSTRING", "STRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8")
_LITERALS = frozenset(_NUMBERS + _BYTES + _TEXTS)
_INSTRUCTIONS: dict[str, Callable[[_Machine, Any], Any]] = {
    "POP": lambda machine, _: machine.stack.pop(),
    "POP_MARK": lambda machine, _: machine.pop_to_mark(),
    "DUP": lambda machine, _: machine.stack.append(machine.stack[-1]),
    "EMPTY_LIST": lambda machine, _: machine.stack.append([]),
    "EMPTY_DICT": lambda machine, _: machine.stack.append({}),
    "LIST": lambda machine, _: machine.stack.append(machine.pop_to_mark()),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.pop_to_mark())),
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "DICT": _dictionary,
    "APPEND": _append,
    "APPENDS": _appends,
    "SETITEM": _set_item,
    "SETITEMS": _set_items,
    "PUT": _put,
    "BINPUT": _put,
    "LONG_BINPUT": _put,
    "MEMOIZE": _memoize,
    "GET": _get,
    "BINGET": _get,
    "LONG_BINGET": _get,
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "REDUCE": _reduce,
    "NEWOBJ": _new_object,
    "NEWOBJ_EX": _new_object_with_keywords,
    "BUILD": _build,
}


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
