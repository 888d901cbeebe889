"""The JSON header that our models' safetensors files carry: what the arrays are."""

from __future__ import annotations

import json
from typing import Any

_LENGTH_BYTES = 8
_LARGEST_HEADER = 16 * 2**20


def begins_as_safetensors(data: bytes) -> bool:
    """Whether bytes begin as such a file does: the length of a JSON object, and the object."""
    length = int.from_bytes(data[:_LENGTH_BYTES], "little")
    return data[_LENGTH_BYTES : _LENGTH_BYTES + 1] == b"{" and length <= len(data) - _LENGTH_BYTES


def read_header(data: bytes, form: str, version: int) -> dict[str, Any]:
    """The header of a file.

    Args:
        data: the file.
        form: the name of the format that it must be of.
        version: the newest version of the format that can be read.

    Raises:
        ValueError: a header too long to be one, or of another format.
        KeyError: the file has no header, or the header no format.
    """
    length = int.from_bytes(data[:_LENGTH_BYTES], "little")
    if length > min(_LARGEST_HEADER, len(data)):
        raise ValueError("its header is longer than any such file's")
    metadata = json.loads(data[_LENGTH_BYTES : _LENGTH_BYTES + length])["__metadata__"]
    header: dict[str, Any] = json.loads(metadata["header"])
    if header["format"] != form or not 1 <= header["format_version"] <= version:
        raise ValueError(
            f"it is of the format {str(header['format'])[:50]} {str(header['format_version'])[:20]}, and this version "
            f"reads {form} up to {version}"
        )
    return header
