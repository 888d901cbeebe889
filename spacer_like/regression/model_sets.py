"""Networks that people name as files and folders, sorted by what they tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from spacer_like.exceptions import DataNotFoundError
from spacer_like.regression.regressor import REGRESSOR
from spacer_like.storage import exists, list_keys, read_bytes

if TYPE_CHECKING:
    from spacer_like.location import DataLocation

_ENDING = ".safetensors"


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
            model = REGRESSOR.from_bytes(read_bytes(loc), loc.display_name)
            if model.n_classes is None:
                groups.setdefault(model.network, []).append(loc)
            else:
                good_bad.append(loc)
    return ModelSet(dict(sorted(groups.items())), good_bad)


def _files(loc: DataLocation) -> Iterator[DataLocation]:
    if loc.key.endswith(_ENDING) or exists(loc):
        yield loc
        return
    begin = loc.below("")
    names = {found.key.removeprefix(begin.key): found for found in list_keys(begin)}
    found = [names[name] for name in sorted(names) if name.endswith(_ENDING) and "/" not in name]
    if not found:
        raise DataNotFoundError(f"There is no network, a file {_ENDING}, in '{loc.display_name}'.")
    yield from found
