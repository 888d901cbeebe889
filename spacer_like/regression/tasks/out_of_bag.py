"""What networks say of galaxies out of their bags, as a table: the bias of each is fitted to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spacer_like.exceptions import MessageError
from spacer_like.regression.answers import Models, inclinations_by
from spacer_like.regression.labels import LOWEST
from spacer_like.regression.prediction_table import PredictionTable
from spacer_like.regression.tasks.predict import parts_of_samples

if TYPE_CHECKING:
    from spacer_like.location import DataLocation


def check_names(networks: Sequence[str], samples: Mapping[str, Sequence[DataLocation]]) -> None:
    """Refuse, as a `MessageError`, samples of a network that there is not."""
    if unknown := [name for name in samples if name not in networks]:
        raise MessageError(
            f"out_of_bag_sample_locs has samples of the network {unknown[0][:60]}, and the networks are called "
            f"{', '.join(networks)[:200]}."
        )


def out_of_bag_table(models: Models, samples: Mapping[str, Sequence[DataLocation]]) -> PredictionTable:
    """A row for each image that is out of some network's bag, with NaN where a network was trained on it.

    Args:
        samples: files of `split_dataset` by the names of networks; those of other networks are all NaN.

    Raises:
        TableError, DataNotFoundError: a file is damaged, or is not there.
        SpacerInputError: images of a size that a network cannot take.
    """
    names = list(models.regressors)
    of_files: dict[tuple[DataLocation, ...], list[str]] = {}
    for name in names:
        if name in samples:
            of_files.setdefault(tuple(samples[name]), []).append(name)
    rows: dict[tuple[int, str], dict[str, float]] = {}
    labels: dict[tuple[int, str], float] = {}
    for locs, members in of_files.items():
        sizes = sorted({models.regressors[name].size for name in members})
        for part in parts_of_samples(locs, sizes):
            keys = [(number or 0, band or "") for number, band in zip(part.ids, part.bands, strict=True)]
            labels |= {key: float(code or 0) for key, code in zip(keys, part.codes, strict=True)}
            for name in members:
                model = models.regressors[name]
                found = inclinations_by(model, part.pixels[model.size], models.views)
                for key, value in zip(keys, found.tolist(), strict=True):
                    rows.setdefault(key, {})[name] = value
    return PredictionTable(
        np.array([number for number, _ in rows], np.int64),
        np.array([band for _, band in rows], np.str_),
        np.array([label if (label := labels[key]) >= LOWEST else np.nan for key in rows]),
        tuple(names),
        _columns(names, list(rows.values())),
    )


def _columns(names: Sequence[str], rows: Sequence[Mapping[str, float]]) -> NDArray[np.float64]:
    return np.array([[row.get(name, np.nan) for row in rows] for name in names], np.float64)
