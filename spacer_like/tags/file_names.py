"""Names of files and folders made of any text."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from posixpath import splitext
from unicodedata import normalize

from spacer_like.embeddings.embeddings_table import ImageRecord

MOST_BYTES = 255
"""Of a name, as file systems allow."""
# Slashes, control characters, and halves of surrogate pairs, which no UTF-8 has.
_FORBIDDEN = "[/\\\\\x00-\x1f\x7f\ud800-\udfff]"
_NOT_IN_NAMES = re.compile(_FORBIDDEN)
# What looks like an escape is escaped itself, so that different texts stay different.
_ESCAPED = re.compile(f"{_FORBIDDEN}|%(?=[0-9A-F]{{2}})")
_HASH_BYTES = 4


def path_part(text: str, most_bytes: int = MOST_BYTES, *, marked: bool = False) -> str:
    """A text as the name of a file or folder; one that is such a name already stays as it is.

    What no name can hold is written as ``%`` and its code, a dot that it begins with too; one that is longer than
    `most_bytes` in UTF-8 is cut, and a hash of the whole added. A `marked` one has no character that some disk takes
    for another.

    >>> path_part("cat"), path_part("cat/wild"), path_part("../x"), path_part("")
    ('cat', 'cat%2Fwild', '%2E.%2Fx', '%00')
    """
    escaped = _ESCAPED.sub(lambda match: f"%{ord(match[0]):02X}", text)
    if marked:
        escaped = "".join(one if _key(one) == one else f"%{ord(one):02X}" for one in escaped)
    escaped = f"%2E{escaped[1:]}" if escaped.startswith(".") else escaped or "%00"
    data = escaped.encode()
    if len(data) <= most_bytes:
        return escaped
    digest = hashlib.blake2b(data, digest_size=_HASH_BYTES).hexdigest()
    return f"{data[: most_bytes - len(digest) - 1].decode(errors='ignore')}-{digest}"


def distinct_parts(texts: Iterable[str]) -> dict[str, str]:
    """The name of a file or folder for each text, as `path_part`, such that no two are equal on a disk that ignores the
    case and how accents are written.

    Where several would be, what another case or spelling of it could be is written as ``%`` and its code.

    >>> distinct_parts(["Fish", "fish", "crab"])
    {'Fish': '%46ish', 'fish': 'fish', 'crab': 'crab'}
    """
    names = {text: path_part(text) for text in texts}
    count = Counter(map(_key, names.values()))
    return {text: path_part(text, marked=True) if count[_key(name)] > 1 else name for text, name in names.items()}


def is_path_part(name: str) -> bool:
    """Whether `path_part` may have made a name.

    >>> is_path_part("cat%2Fwild"), is_path_part(".."), is_path_part("cat/wild")
    (True, False, False)
    """
    return bool(name) and not name.startswith(".") and _NOT_IN_NAMES.search(name) is None


def distinct_names(records: Sequence[ImageRecord]) -> list[str]:
    """The names of images' files, such that no two are equal, nor would be on a disk that ignores the case and how
    accents are written.

    Of several images of one name the id of each becomes a part of its name.

    >>> one, two = (ImageRecord(f"{folder}/1.jpg", folder, "", "JPEG", 1, 1, 1) for folder in "ab")
    >>> distinct_names([one, two])
    ['1-c0dd5105.jpg', '1-def33d14.jpg']
    """
    names = [path_part(record.path.rpartition("/")[2]) for record in records]
    count = Counter(map(_key, names))
    taken = {name for name, times in count.items() if times == 1}
    found = []
    for record, name in zip(records, names, strict=True):
        if count[_key(name)] > 1:
            stem, ending = splitext(name)
            for length in (8, 32):
                marked = path_part(stem, MOST_BYTES - len(ending.encode()) - length - 1) + f"-{record.id[:length]}"
                name = f"{marked}{ending}"
                if _key(name) not in taken:
                    break
            taken.add(_key(name))
        found.append(name)
    return found


def _key(name: str) -> str:
    """Equal for names that some disk takes for one."""
    return normalize("NFD", normalize("NFD", name).casefold())
