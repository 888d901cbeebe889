"""Networks that people name as files and folders, sorted by what they tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from spacer_like.exceptions import DataNotFoundError
from spacer_like.regression.onnx_model import begins_as_onnx, read_onnx
from spacer_like.regression.regressor import REGRESSOR, Regressor
from spacer_like.storage import exists, list_keys, read_bytes

if TYPE_CHECKING:
    from spacer_like.location import DataLocation

ENDINGS = (".safetensors", ".onnx")
"""Of files of networks, the first before the second where a folder has both of one name."""


class ModelSet(NamedTuple):
    """Where networks are.

    Attributes:
        groups: those that tell inclinations, by the name of their network.
        good_bad: those that tell galaxies with an inclination from others.
    """

    groups: dict[str, list[DataLocation]]
    good_bad: list[DataLocation]


def model_set(locs: Iterable[DataLocation]) -> ModelSet:
    """The networks in files and folders, of a folder those directly in it.

    Raises:
        DataNotFoundError: a folder without a network, or no such file.
        ModelFileError: a file is no network of this family.
    """
    groups: dict[str, list[DataLocation]] = {}
    good_bad: list[DataLocation] = []
    for given in locs:
        for loc in _files(given):
            model = regressor_at(loc)
            if model.n_classes is None:
                groups.setdefault(model.network, []).append(loc)
            else:
                good_bad.append(loc)
    return ModelSet(dict(sorted(groups.items())), good_bad)


def regressor_at(loc: DataLocation) -> Regressor:
    """The network in a model file or an ONNX model.

    Raises:
        ModelFileError: the file is neither, or damaged.
        SpacerError: errors of the storage.
    """
    data = read_bytes(loc)
    return (read_onnx if begins_as_onnx(data) else REGRESSOR.from_bytes)(data, loc.display_name)


def _files(loc: DataLocation) -> Iterator[DataLocation]:
    if loc.key.endswith(ENDINGS) or exists(loc):
        yield loc
        return
    begin = loc.below("")
    names = {found.key.removeprefix(begin.key): found for found in list_keys(begin)}
    found: dict[str, DataLocation] = {}
    for ending in ENDINGS:
        for name in names:
            if name.endswith(ending) and "/" not in name:
                found.setdefault(name.removesuffix(ending), names[name])
    if not found:
        raise DataNotFoundError(f"There is no network, a file {' or '.join(ENDINGS)}, in '{loc.display_name}'.")
    yield from (found[name] for name in sorted(found))
