"""Names of the files of models and reports, from which the model's type and tag can be read back."""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

MODEL_SUFFIXES = (".safetensors", ".pkl")
_MOST_BYTES = 255
_MOST_TYPE_BYTES = 100
_HASH_BYTES = 8
_SHORTENED = "%~"
"""Begins the hash in a shortened name; no other name has it, for a tag's own per cent sign is escaped."""
# What some file system refuses in a name, and the sign of the escapes themselves.
_ESCAPED = re.compile(r"""[\x00-\x1f\x7f-\x9f\ud800-\udfff%/\\:*?"<>|]""")
_ESCAPES = re.compile(r"(?:%[0-9A-F]{2})+")
_NAME = re.compile(r"model-(.*?)-tag-(.+)\.(safetensors|pkl)", re.DOTALL)


class ModelName(NamedTuple):
    """What a model's file name says.

    Fields:
        model_type: such as ``ovr-svm``.
        tag: what the model predicts; of a name that was too long, only how it begins.
    """

    model_type: str
    tag: str


def model_file_name(model_type: str, tag: str) -> str:
    """The name of a model's file, of at most 255 bytes.

    Characters that some file system refuses are percent-encoded, and a name that is too long ends with a hash: two
    models never have one name.

    >>> model_file_name("ovr-svm", "half/half")
    'model-ovr-svm-tag-half%2Fhalf.safetensors'
    """
    return _file_name("model", model_type, tag, ".safetensors")


def report_file_name(model_type: str, tag: str, suffix: str = ".txt") -> str:
    """The name of a model's report, as `model_file_name`.

    >>> report_file_name("ovr-svm", "cat")
    'model-report-ovr-svm-tag-cat.txt'
    """
    return _file_name("model-report", model_type, tag, suffix)


def parsed_model_name(file_name: str) -> ModelName | None:
    """The type, between the first ``model-`` and the first ``-tag-`` after it, and the tag, which is all that follows.

    None where the name is not so. The names of pickles, which other programs or people gave, have no escapes.

    >>> parsed_model_name("model-ovr-svm-tag-price-tag-50%.pkl")
    ModelName(model_type='ovr-svm', tag='price-tag-50%')
    """
    found = re.search(_NAME, file_name)
    if found is None or found.end() != len(file_name):
        return None
    model_type, tag, suffix = found.groups()
    return ModelName(model_type, tag) if suffix == "pkl" else ModelName(_unescaped(model_type), _unescaped(tag))


def is_utf8(text: str) -> bool:
    """Whether a text has no half of a surrogate pair, which neither JSON, Parquet nor SQLite can hold."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


def _file_name(prefix: str, model_type: str, tag: str, suffix: str) -> str:
    # Only the first "-tag-" may be the one that ends the type.
    begin = f"{prefix}-{_shortened(_escaped(model_type).replace('-tag', '%2Dtag'), _MOST_TYPE_BYTES)}-tag-"
    return f"{begin}{_shortened(_escaped(tag), _MOST_BYTES - len(f'{begin}{suffix}'.encode()))}{suffix}"


def _shortened(text: str, most: int) -> str:
    """An escaped text of at most `most` bytes; a longer one loses its end, and a hash takes the place."""
    data = text.encode()
    if len(data) <= most:
        return text
    ending = f"{_SHORTENED}{hashlib.blake2b(data, digest_size=_HASH_BYTES).hexdigest()}"
    kept = data[: most - len(ending)].decode(errors="ignore")
    # Half an escape would be read as something else.
    return f"{re.sub(r'%[0-9A-F]?$', '', kept)}{ending}"


def _escaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: _percent(found[0]), text)


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


def _unescaped(text: str) -> str:
    text = text.partition(_SHORTENED)[0]
    return _ESCAPES.sub(lambda found: _decoded(found[0]), text)


def _decoded(escapes: str) -> str:
    data = bytes.fromhex(escapes.replace("%", ""))
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        # Nothing that was written here.
        return escapes
