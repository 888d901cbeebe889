"""The task that predicts inclinations of the galaxies in images."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from spacer_like.exceptions import CollectionError, TrainingLabelsError
from spacer_like.images.sets import open_set
from spacer_like.message_base import Unreadable, none_of
from spacer_like.overwriting import task
from spacer_like.regression.answers import (
    GOOD_BAD,
    Images,
    Models,
    Predictions,
    answer,
    bands_of_pixels,
    failure,
    predictions_of,
)
from spacer_like.regression.calibration_file import read_calibration
from spacer_like.regression.dataset import ENDINGS, open_pool
from spacer_like.regression.labels import LOWEST, StampName, filter_of
from spacer_like.regression.messages import PredictRegressorMsg, PredictRegressorReturnMsg
from spacer_like.regression.model_sets import regressor_at
from spacer_like.regression.stamps import prepared_pixels
from spacer_like.storage import read_bytes, write_bytes
from spacer_like.tables.writing import check_endings, write_tables

if TYPE_CHECKING:
    from spacer_like.location import DataLocation

MOST_ANSWERED = 1000
_IMAGES_AT_A_TIME = 256


@task
def predict_regressor(msg: PredictRegressorMsg) -> PredictRegressorReturnMsg:
    """Ask networks for the inclinations of the galaxies in images.

    Raises:
        ModelFileError: a file is no such network, or the calibration is that of others.
        CollectionError: there is no image, or none can be decoded.
        SpacerInputError: images of a size that a network cannot take.
        SpacerError: errors of the storage.
    """
    start = time.perf_counter()
    check_endings([msg.table_loc] if msg.table_loc else [])
    models = read_models(msg.model_locs, msg.good_bad_locs, msg.calibration_loc, msg.views)
    found = _Found(models)
    with ExitStack() as resources:
        for images in _parts(msg, models, resources, found):
            found.add(images, predictions_of(models, images.pixels, images.bands))
    if not found.answers:
        raise CollectionError(_reason_for_nothing(msg, found.failed))
    answers = [*found.answers, *(failure(one.name, one.reason) for one in found.failed)]
    if msg.table_loc is not None:
        write_tables([(found.table(), msg.table_loc)])
    write_bytes(msg.out_loc, (json.dumps(answers, indent=1, ensure_ascii=False) + "\n").encode())
    return PredictRegressorReturnMsg(
        n_images=len(found.answers),
        n_warned=sum(bool(one["warnings"]) for one in found.answers),
        n_failed=len(found.failed),
        failed=found.failed[:MOST_ANSWERED],
        runtime=time.perf_counter() - start,
    )


def read_models(
    groups: dict[str, list[DataLocation]],
    good_bad: Sequence[DataLocation],
    calibration: DataLocation | None,
    views: int,
) -> Models:
    """The networks and the calibration at locations; errors as of `answers.Models`, and of the storage."""

    return Models(
        {group: [regressor_at(loc) for loc in locs] for group, locs in groups.items()},
        [regressor_at(loc) for loc in good_bad],
        None if calibration is None else read_calibration(read_bytes(calibration), calibration.display_name),
        views,
    )


class Part(NamedTuple):
    """Some images.

    Fields:
        names: of their files.
        ids: of the galaxies, where they are known.
        bands: letters, where they are known.
        codes: of the labels, where they are known.
        pixels: uint8 [n, size, size, 3] by size.
    """

    names: list[str]
    ids: list[int | None]
    bands: list[str | None]
    codes: list[int | None]
    pixels: dict[int, Images]


def parts_of_samples(locs: Sequence[DataLocation], sizes: Sequence[int]) -> Iterator[Part]:
    """The images of files of `split_dataset`; errors as of `dataset.open_pool`."""
    for loc in locs:
        pool = open_pool(loc)
        for begin in range(0, len(pool.ids), _IMAGES_AT_A_TIME):
            rows = slice(begin, begin + _IMAGES_AT_A_TIME)
            pixels = np.array(pool.images[rows])
            ids: list[int | None] = pool.ids[rows].tolist()
            bands, codes = pool.filters[rows].tolist(), pool.inclinations[rows].tolist()
            yield Part([loc.filename] * len(ids), ids, bands, codes, dict.fromkeys(sizes, pixels))


def _parts(msg: PredictRegressorMsg, models: Models, resources: ExitStack, found: _Found) -> Iterator[Part]:
    if all(loc.filename.lower().endswith(ENDINGS) for loc in msg.images_locs):
        yield from parts_of_samples(msg.images_locs, models.sizes)
        return
    images = msg.images_locs[0] if len(msg.images_locs) == 1 else msg.images_locs
    sets = [resources.enter_context(open_set(images, _fill, size, or_one=True)) for size in models.sizes]
    for batches in zip(*(one.batches(_IMAGES_AT_A_TIME) for one in sets), strict=True):
        names = batches[0][0]
        pixels = {size: squares for size, (_, squares) in zip(models.sizes, batches, strict=True)}
        guessed = bands_of_pixels(batches[0][1])
        stamps = [_stamp(name) for name in names]
        ids: list[int | None] = [stamp.id if stamp else None for stamp in stamps]
        codes: list[int | None] = [stamp.code if stamp else None for stamp in stamps]
        bands = [
            filter_of(stamp.band) if stamp else (msg.band or guess)
            for stamp, guess in zip(stamps, guessed, strict=True)
        ]
        yield Part(names, ids, bands, codes, pixels)
    found.failed.extend(sets[0].unreadable)


def _fill(square: Images, data: bytes, name: str) -> None:
    square[...] = prepared_pixels(data, name, len(square), "RGB")


def _stamp(name: str) -> StampName | None:
    try:
        return StampName.parse(name)
    except TrainingLabelsError:
        return None


def _reason_for_nothing(msg: PredictRegressorMsg, failed: Sequence[Unreadable]) -> str:
    name = msg.images_locs[0].display_name
    if not failed:
        return f"There is no image in '{name}'."
    return none_of(failed, f"file in '{name}'", "be decoded")


@dataclass
class _Found:
    """Answers and rows of a table, as they come."""

    models: Models
    answers: list[dict[str, Any]] = field(default_factory=list)
    failed: list[Unreadable] = field(default_factory=list)
    parts: list[tuple[Part, Predictions]] = field(default_factory=list)

    def add(self, images: Part, predictions: Predictions) -> None:
        for row, (name, number) in enumerate(zip(images.names, images.ids, strict=True)):
            subject: dict[str, Any] = {"filename": name}
            if number is not None:
                subject = {"galaxy": {"pgc": number, "filter": images.bands[row]}, **subject}
            self.answers.append(answer(self.models, predictions, row, subject))
        # Of the images no more than the numbers are kept.
        self.parts.append((images._replace(pixels={}), predictions))

    def table(self) -> Any:
        """pgc, filter, inc_m, a column for each network, and what they say together; failures have a reason alone."""
        import pyarrow as pa

        parts, n_failed = self.parts, len(self.failed)
        nothing: list[Any] = [None] * n_failed
        columns: dict[str, Any] = {
            "pgc": pa.array([one for part, _ in parts for one in part.ids] + nothing, pa.int64()),
            "filter": pa.array([one for part, _ in parts for one in part.bands] + nothing, pa.string()),
            "inc_m": pa.array([_label(one) for part, _ in parts for one in part.codes] + nothing, pa.float64()),
        }

        def numbers(values: list[np.ndarray]) -> Any:
            joined = np.concatenate([*values, np.full(n_failed, np.nan)])
            return pa.array(joined, pa.float64(), from_pandas=True)

        for row, name in enumerate(self.models.regressors):
            columns[name] = numbers([said.inclinations[row] for _, said in parts])
        for row in range(len(self.models.good_bad)):
            columns[f"{GOOD_BAD}_{row}"] = numbers([said.rejections[row] for _, said in parts])
        columns["inclination"] = numbers([said.joined for _, said in parts])
        columns["low"] = numbers([said.lows for _, said in parts])
        columns["high"] = numbers([said.highs for _, said in parts])
        doubts = [" ".join(one) or None for _, said in parts for one in said.doubts]
        columns["image"] = [one for part, _ in parts for one in part.names] + [one.name for one in self.failed]
        columns["warning"] = pa.array(doubts + nothing, pa.string())
        columns["failure"] = pa.array([None] * len(doubts) + [one.reason for one in self.failed], pa.string())
        return pa.table(columns)


def _label(code: int | None) -> float | None:
    return None if code is None or code < LOWEST else float(code)
