"""The format of model files: arrays as safetensors, and one JSON header that describes them.

Every header has ``format``, ``format_version``, ``extractor_id``, ``metrics`` and ``versions``; what else there is, the
format says. Equal models give equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from spacer_like.exceptions import ExtractorMismatchError, ModelFileError, damage_as

_LENGTH_BYTES = 8
LARGEST_HEADER = 16 * 2**20

Header = dict[str, Any]
Tensors = dict[str, NDArray[Any]]


class Recorded(Protocol):
    """The fields that every model records.

    Attributes:
        extractor_id: what made the features that it was trained on; None: not known, or it has a network of its own.
        metrics: how good it is.
        versions: of the packages that made it.
    """

    @property
    def extractor_id(self) -> str | None: ...
    @property
    def metrics(self) -> Mapping[str, Any]: ...
    @property
    def versions(self) -> Mapping[str, str]: ...


Model = TypeVar("Model", bound=Recorded)


@dataclass(frozen=True)
class ModelFormat(Generic[Model]):
    """A kind of model file.

    Attributes:
        name: what the header calls it.
        version: the newest one, which is written; older ones are read.
        holds: what errors say that the file holds.
        parts: takes a model to its entries in the header besides those that all have, and its arrays by name.
        build: takes the header and the arrays to the model; whatever it raises says that the file holds none.
    """

    name: str
    version: int
    holds: str
    parts: Callable[[Model], tuple[Header, Tensors]]
    build: Callable[[Header, Tensors], Model]

    def to_bytes(self, model: Model) -> bytes:
        """The file of a model."""
        from safetensors.numpy import save

        contiguous = {name: np.ascontiguousarray(array) for name, array in sorted(self.parts(model)[1].items())}
        return save(contiguous, {"header": json.dumps(self.header(model), sort_keys=True)})

    def header(self, model: Model) -> Header:
        """The header of a model's file."""
        return self.parts(model)[0] | {
            "format": self.name,
            "format_version": self.version,
            "extractor_id": model.extractor_id,
            "metrics": dict(model.metrics),
            "versions": dict(model.versions),
        }

    def from_bytes(self, data: bytes, name: str) -> Model:
        """The model in a file.

        Args:
            name: what errors call the file.

        Raises:
            ModelFileError: a damaged file, or one of another format.
        """
        from safetensors.numpy import load

        with damage_as(ModelFileError, name, f"{name}: the file holds no {self.holds}"):
            return self.built(read_header(data, self.name, self.version), load(data))

    def built(self, header: Header, tensors: Tensors) -> Model:
        """The model of a header and its arrays; whatever is raised says that they do not make one."""
        check_format(header, self.name, self.version)
        return self.build(header | {key: dict(header[key]) for key in ("metrics", "versions")}, tensors)


def begins_as_safetensors(data: bytes) -> bool:
    """Whether bytes begin as such a file does: the length of a JSON object, and the object."""
    length = int.from_bytes(data[:_LENGTH_BYTES], "little")
    return data[_LENGTH_BYTES : _LENGTH_BYTES + 1] == b"{" and length <= len(data) - _LENGTH_BYTES


def read_header(data: bytes, form: str, version: int) -> Header:
    """The header of a file.

    Args:
        form: the name of the format that it must be of.
        version: the newest version of the format that can be read.

    Raises:
        ValueError: a header too long to be one, or of another format.
        KeyError: the file has no header, or the header no format.
    """
    length = int.from_bytes(data[:_LENGTH_BYTES], "little")
    if length > min(LARGEST_HEADER, len(data)):
        raise ValueError("its header is longer than any such file's")
    if not begins_as_safetensors(data):
        raise ValueError("it does not begin as a safetensors file does")
    metadata = json.loads(data[_LENGTH_BYTES : _LENGTH_BYTES + length])["__metadata__"]
    header: Header = json.loads(metadata["header"])
    check_format(header, form, version)
    return header


def check_format(header: Header, form: str, version: int) -> None:
    """Refuse, as a ValueError, a header of another format, or of a newer version."""
    if header["format"] != form or not 1 <= header["format_version"] <= version:
        raise ValueError(
            f"it is of the format {str(header['format'])[:50]} {str(header['format_version'])[:20]}, and this version "
            f"reads {form} up to {version}"
        )


def check_activation(header: Header) -> None:
    """Refuse, as a ValueError, hidden units of another kind than rectified ones."""
    if header["activation"] != "relu":
        raise ValueError("its units are of a kind that this version does not know")


def check_extractor_id(wanted: str, found: str, name: str, model: str) -> None:
    """Refuse an extractor that is not the one that a model was trained with.

    Args:
        wanted, found: the ids of the model's extractor and of the one at hand.
        name: what errors call the model's file.
        model: what kind of model it is.

    Raises:
        ExtractorMismatchError: the ids differ.
    """
    if found != wanted:
        raise ExtractorMismatchError(
            f"{name}: the {model} was trained on features of the extractor {wanted[:16]}, and the message's is "
            f"{found[:16]}: name that extractor, or train a {model} for this one."
        )
