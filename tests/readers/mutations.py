"""Damaged forms of a valid file: the same ones each time."""

from __future__ import annotations

import io
import json
import random
import re
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

NUMBERS = (
    *("0", "-1", "1e999", "-1e999", "NaN", "Infinity", "nan", "-0.0", "1e-400", "2147483648", "4294967296"),
    *("9223372036854775807", "9223372036854775808", "-9223372036854775809", "18446744073709551616", "9" * 400),
    *("-" + "9" * 400, "0." + "3" * 400, "1e308", "9" * 5000),
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 10**400, -(10**400), 2**31, 2**63, 2**64, 1e308, float("inf"), float("nan"), 0.5),
    *("", "x", "\0", "\ud800", "é" * 300, "../../etc/passwd", "-1", "nan", [], [None], [[]], {}, {"a": 1}, [1e308] * 3),
)
OTHER_FORMATS = (
    b"",
    b"\n",
    b"\0",
    b"\0" * 4096,
    b"\xff" * 4096,
    b"PK",
    b"PK\x05\x06" + b"\0" * 18,
    b"PK\x05\x06" + b"\xff" * 18,
    b"\x93NUMPY",
    b"\x93NUMPY\x01\x00\x76\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(128),
    b"PAR1",
    b"PAR1" + b"\xff\xff\xff\x7f" + b"PAR1",
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff\xe0",
    b"GIF89a",
    b"II*\0\x08\0\0\0",
    b"MM\0*\xff\xff\xff\xff",
    b"\x1f\x8b\x08\0",
    b"\x80\x04.",
    b"\x80\x02cos\nsystem\nX\x04\0\0\0trueR.",
    b"%PDF-1.7\n",
    b"%!PS-Adobe-3.0 EPSF-3.0\n",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 64,
    b"<html><body>404 Not Found</body></html>",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
    b"null",
    b"[]",
    b"{}",
    b"[[]]",
    b"1",
    b"NaN",
    b'"text"',
    b"[[1, 2], [3]]",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"[" * 50_000 + b"]" * 50_000,
    b"9" * 5000,
    b"[[" + b"9" * 400 + b"]]",
    b"[[1e999]]",
    b"a,b\n1\n",
    b'"' + b"x" * 200_000,
    b"," * 100_000,
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    (1 << 62).to_bytes(8, "little") + b"{",
    (100).to_bytes(8, "little") + b'{"__metadata__": {"header": "[]"}}'.ljust(100),
    (100).to_bytes(8, "little") + b"{" * 100,
)

Mutate = Callable[[bytes, random.Random], bytes]


def mutations(data: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """Files of other formats, the systematic damages of `data`, and `count` random ones of every kind."""
    yield from OTHER_FORMATS
    yield from _systematic(data)
    numbers = random.Random(seed)
    kinds = [*_BYTES, *(_TEXT if _is_text(data) else ()), *_structured(data)]
    for number in range(count):
        damaged = kinds[number % len(kinds)](data, numbers)
        # Some files have more than one damage.
        if numbers.random() < 0.2:
            damaged = numbers.choice(_BYTES)(damaged, numbers)
        yield damaged


def _systematic(data: bytes) -> Iterator[bytes]:
    length = len(data)
    for cut in {1, 2, 4, 7, 8, 9, 12, 16, 32, 64, 128, *(length * part // 8 for part in range(1, 8))} | {
        *(length - cut for cut in (1, 2, 3, 4, 8, 12, 16, 22, 30, 64, 100))
    }:
        if 0 < cut < length:
            yield data[:cut]
            yield data[cut:]
    yield from (data + b"\0", data + b"\n\n", data + b"garbage" * 100, data + data, b"\xef\xbb\xbf" + data)
    yield from (data[::-1], data.replace(b"\n", b"\r"), data.replace(b"\n", b"\r\n"), data.upper(), b"\0" * length)
    if _is_text(data):
        text = data.decode()
        yield from (text.encode("utf-16"), text.encode("utf-16-be"), text.encode("utf-32"), text.encode("utf-7"))
        yield ("é" + text + "ß").encode("latin-1", "replace")
        yield from (data.replace(b",", b";"), data.replace(b",", b"\t"), data.replace(b"\n", b'"\n'))


def _is_text(data: bytes) -> bool:
    try:
        return "\0" not in data.decode()
    except UnicodeDecodeError:
        return False


# Damages of bytes.


def _flip(data: bytes, numbers: random.Random) -> bytes:
    damaged = bytearray(data)
    for _ in range(numbers.choice((1, 1, 2, 8))):
        if damaged:
            damaged[_place(damaged, numbers)] ^= 1 << numbers.randrange(8)
    return bytes(damaged)


def _replace(data: bytes, numbers: random.Random) -> bytes:
    damaged = bytearray(data)
    for _ in range(numbers.choice((1, 1, 3))):
        if damaged:
            damaged[_place(damaged, numbers)] = numbers.choice((0, 1, 0x7F, 0x80, 0xFF, numbers.randrange(256)))
    return bytes(damaged)


def _truncate(data: bytes, numbers: random.Random) -> bytes:
    return data[: _place(data, numbers)]


def _remove(data: bytes, numbers: random.Random) -> bytes:
    start = _place(data, numbers)
    return data[:start] + data[start + numbers.choice((1, 2, 4, 8, 30, 100)) :]


def _insert(data: bytes, numbers: random.Random) -> bytes:
    start = _place(data, numbers)
    inserted = numbers.choice((b"\0", b"\xff", b"\n", numbers.randbytes(numbers.choice((1, 4, 30, 100)))))
    return data[:start] + inserted + data[start:]


def _swap(data: bytes, numbers: random.Random) -> bytes:
    length = numbers.choice((1, 4, 16, 64))
    one, other = sorted((_place(data, numbers), _place(data, numbers)))
    if other - one < length:
        return data[:one]
    end = other + length
    return data[:one] + data[other:end] + data[one + length : other] + data[one : one + length] + data[end:]


def _number(data: bytes, numbers: random.Random) -> bytes:
    size = numbers.choice((2, 4, 8))
    value = numbers.choice((0, 1, 2 ** (8 * size) - 1, 2 ** (8 * size - 1), 2 ** (8 * size - 1) - 1, 2 ** (4 * size)))
    start = _place(data, numbers)
    return data[:start] + value.to_bytes(size, numbers.choice(("little", "big"))) + data[start + size :]


def _place(data: bytes | bytearray, numbers: random.Random) -> int:
    """A place in the file; its ends, where formats have their headers, are as likely as its middle."""
    if len(data) < 2:
        return 0
    near = min(len(data), 200)
    return numbers.choice(
        (numbers.randrange(len(data)), numbers.randrange(near), len(data) - 1 - numbers.randrange(near))
    )


_BYTES: tuple[Mutate, ...] = (_flip, _replace, _truncate, _remove, _insert, _swap, _number)

# Damages of text.


def _other_number(data: bytes, numbers: random.Random) -> bytes:
    found = list(re.finditer(rb"-?\d+(?:\.\d+)?", data))
    if not found:
        return data[:-1]
    place = numbers.choice(found)
    return data[: place.start()] + numbers.choice(NUMBERS).encode() + data[place.end() :]


def _other_word(data: bytes, numbers: random.Random) -> bytes:
    found = list(re.finditer(rb"\w+", data))
    if not found:
        return data[:-1]
    place = numbers.choice(found)
    word = numbers.choice((b"", b"x" * 70_000, b"\xe9", b"\0", b'"', b"'", b"\\", "\u202e".encode(), b"\xed\xa0\x80"))
    return data[: place.start()] + word + data[place.end() :]


def _other_lines(data: bytes, numbers: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    place = numbers.randrange(len(lines) or 1)
    return b"".join((*lines[:place], numbers.choice((b"", b"\n", b",,,\n", b'"\n', *lines)), *lines[place + 1 :]))


_TEXT: tuple[Mutate, ...] = (_other_number, _other_word, _other_lines)

# Damages of what a format holds, whose lengths and checksums are right.


def _structured(data: bytes) -> list[Mutate]:
    found: list[Mutate] = []
    if _json_of(data) is not None:
        found += [_other_json] * 4
    if data.startswith(b"PK"):
        found += [_other_member] * 4
    if data[8:9] == b"{" and int.from_bytes(data[:8], "little") <= len(data) - 8:
        found += [_other_tensors] * 4
    return found


def _other_json(data: bytes, numbers: random.Random) -> bytes:
    return json.dumps(_with_other_value(_json_of(data), numbers)).encode("utf-8", "surrogatepass")


def _with_other_value(value: Any, numbers: random.Random) -> Any:
    """JSON with one value in place of another, one missing, or one more; JSON in its texts is changed as well."""
    if isinstance(value, str) and (inner := _json_of(value.encode("utf-8", "replace"))) is not None:
        return json.dumps(_with_other_value(inner, numbers))
    if not isinstance(value, dict | list) or not value or numbers.random() < 0.15:
        return numbers.choice(VALUES)
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = numbers.choice(keys)
    changed = value.copy()
    kind = numbers.random()
    if kind < 0.1:
        del changed[key]
    elif kind < 0.15 and isinstance(changed, dict):
        changed[numbers.choice(("other", "", "self", "__class__"))] = numbers.choice(VALUES)
    elif kind < 0.2 and isinstance(changed, list):
        changed.append(numbers.choice((*VALUES, value[key])))
    else:
        changed[key] = _with_other_value(value[key], numbers)
    return changed


def _json_of(data: bytes) -> Any:
    if data[:1] not in (b"{", b"["):
        return None
    try:
        return json.loads(data)
    except ValueError:
        return None


def _other_member(data: bytes, numbers: random.Random) -> bytes:
    """An archive of which one member is damaged, missing, or called otherwise, with right checksums."""
    sink = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(sink, "w") as new:
        members = old.infolist()
        chosen = numbers.randrange(len(members) or 1)
        for place, member in enumerate(members):
            content, name = old.read(member), member.filename
            if place == chosen:
                kind = numbers.random()
                if kind < 0.1:
                    continue
                if kind < 0.2:
                    name = numbers.choice(("x", "../x", "/x", "é", "x" * 300, name + "/"))
                elif kind < 0.5 and content.startswith(b"\x93NUMPY"):
                    content = _other_number(content[:128], numbers) + content[128:]
                else:
                    content = numbers.choice(_BYTES)(content, numbers)
            new.writestr(zipfile.ZipInfo(name), content, numbers.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))
        new.comment = numbers.choice((old.comment, b"x", b"{}", b'{"extractor_id": 1}'))
    return sink.getvalue()


def _other_tensors(data: bytes, numbers: random.Random) -> bytes:
    """A safetensors file whose JSON says something else."""
    end = 8 + int.from_bytes(data[:8], "little")
    head = _json_of(data[8:end].strip())
    if head is None:
        return data[:-1]
    changed = json.dumps(_with_other_value(head, numbers)).encode("utf-8", "surrogatepass")
    return len(changed).to_bytes(8, "little") + changed + data[end:]
