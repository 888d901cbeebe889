"""What networks say of images: inclinations by network and joined, intervals, rejection, and what casts doubt on them.

Doubt, `doubts` of each answer, is cast on an image that is unlike those that a network was trained on: of a band that
was not among them, or with a mean or a standard deviation of its pixels more than four standard deviations from that of
the training images; and on an inclination within half a degree of 45 or 90, the ends of what a network can say, where
galaxies beyond the end are as well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacer_like.exceptions import ModelFileError
from spacer_like.regression.calibration import Calibration
from spacer_like.regression.evaluation import ensemble
from spacer_like.regression.labels import HIGHEST, LOWEST
from spacer_like.regression.predicting import predicted
from spacer_like.regression.regressor import Regressor, brightness
from spacer_like.regression.stamps import prepared_pixels

Floats = NDArray[np.float64]
Images = NDArray[np.uint8]

COLOUR = "c"
GOOD_BAD = "good_bad"
MOST_DEVIATIONS = 4.0
"""From the mean of the training images, of which an image may be away."""
PINNED_DEGREES = 0.5
"""From 45 or 90 degrees, within which a prediction may stand for all that is beyond."""
_LEAST_DEVIATION = 1.0


@dataclass(frozen=True, eq=False)
class Models:
    """Networks that are asked together.

    Attributes:
        groups: networks of inclinations, by the name of their group; `<group>_<number>` is what each is called.
        good_bad: networks of two classes, called `good_bad_<number>`.
        calibration: of the joined predictions; None: there are no intervals.
        views: turned copies of an image that each network looks at.

    Raises:
        ModelFileError: a network is of the other kind, there is none, a group is called ``good_bad``, or the
            calibration is that of others.
    """

    groups: Mapping[str, Sequence[Regressor]]
    good_bad: Sequence[Regressor] = ()
    calibration: Calibration | None = None
    views: int = 2

    def __post_init__(self) -> None:
        if not self.regressors and not self.good_bad:
            raise ModelFileError("There is no network to ask.")
        if GOOD_BAD in self.groups:
            raise ModelFileError(f"The networks of two classes are called {GOOD_BAD}: call the group otherwise.")
        for name, model in self.regressors.items():
            if model.n_classes is not None:
                raise ModelFileError(f"The network {name} tells good galaxies from bad, and gives no inclination.")
        for number, model in enumerate(self.good_bad):
            if model.n_classes is None:
                raise ModelFileError(f"The network {GOOD_BAD}_{number} gives inclinations, and no classes.")
        if self.calibration is not None:
            if sorted(self.calibration.predictions) != sorted(self.regressors):
                raise ModelFileError(
                    f"The calibration is that of {', '.join(self.calibration.predictions)[:200]}, and the networks are "
                    f"{', '.join(self.regressors)[:200]}: calibrate these."
                )
            self.calibration.check_digests(self.digests)

    @cached_property
    def regressors(self) -> dict[str, Regressor]:
        """Networks of inclinations by their names."""
        return {f"{group}_{j}": model for group, models in self.groups.items() for j, model in enumerate(models)}

    @property
    def digests(self) -> dict[str, str]:
        """Of the networks of inclinations, by their names."""
        return {name: model.digest for name, model in self.regressors.items()}

    @property
    def sizes(self) -> list[int]:
        """Widths of the images that they take, ascending."""
        return sorted({model.size for model in [*self.regressors.values(), *self.good_bad]})

    @property
    def joined(self) -> Any:
        """How predictions are joined: ``median`` or ``mean``."""
        return "median" if self.calibration is None else self.calibration.joined


@dataclass(frozen=True)
class Predictions:
    """What networks say of n images.

    Attributes:
        names: of the networks of inclinations.
        inclinations: float64 [networks, n], degrees from 45 to 90: the median of the views.
        joined: float64 [n], of all networks, without the bias that the calibration knows.
        lows, highs: float64 [n], the ends of the intervals; NaN without a calibration.
        rejections: float64 [networks of two classes, n], probabilities.
        doubts: of each image; see the module.
    """

    names: tuple[str, ...]
    inclinations: Floats = field(repr=False)
    joined: Floats = field(repr=False)
    lows: Floats = field(repr=False)
    highs: Floats = field(repr=False)
    rejections: Floats = field(repr=False)
    doubts: list[list[str]] = field(repr=False)


def predictions_of(models: Models, images: Mapping[int, Images], bands: Sequence[str | None]) -> Predictions:
    """What networks say of images.

    Args:
        images: uint8 [n, size, size, 3] by each of the models' sizes, n above 0.
        bands: the letter of each image's band; None: not known.

    Raises:
        SpacerError: as `predicting.predicted`.
    """
    count = len(bands)
    found = [inclinations_by(model, images[model.size], models.views) for model in models.regressors.values()]
    inclinations = np.array(found).reshape(-1, count)
    joined = ensemble(inclinations, models.joined) if len(inclinations) else np.full(count, np.nan)
    lows = highs = np.full(count, np.nan)
    if models.calibration is not None:
        joined, lows, highs = models.calibration.applied(joined, bands)
    shares = [_views(model, images[model.size], models.views) for model in models.good_bad]
    rejections = np.array(shares).reshape(-1, count)
    doubts = _doubts(models, images, bands, joined)
    return Predictions(tuple(models.regressors), inclinations, joined, lows, highs, rejections, doubts)


def inclinations_by(model: Regressor, images: Images, views: int) -> Floats:
    """What one network says of images [n, size, size, 3]: degrees [n], the median of the views."""
    return np.minimum(_views(model, images, views), HIGHEST)


def _views(model: Regressor, images: Images, views: int) -> Floats:
    return np.asarray(np.median(predicted(model, images, views), axis=1), np.float64)


def answer(models: Models, predictions: Predictions, row: int, subject: Mapping[str, Any]) -> dict[str, Any]:
    """The answer for an image, as InclinET's service gives it, with an interval and doubts: whole degrees and per cent.

    Args:
        row: the image's number.
        subject: what it is of: ``filename``, or ``galaxy``.
    """
    found: dict[str, Any] = {"status": "success", **subject}
    if predictions.names:
        values = dict(zip(predictions.names, predictions.inclinations[:, row].tolist(), strict=True))
        groups: dict[str, Any] = {
            f"Group_{number}": {f"{group}_{j}": round(values[f"{group}_{j}"]) for j in range(len(members))}
            for number, (group, members) in enumerate(models.groups.items())
        }
        found["inclinations"] = groups | {"summary": _summary(list(values.values()))}
    if models.calibration is not None:
        found["interval"] = {
            "coverage": models.calibration.coverage,
            "inclination": round(float(predictions.joined[row])),
            "low": math.floor(predictions.lows[row]),
            "high": math.ceil(predictions.highs[row]),
        }
    if len(predictions.rejections):
        shares = (100 * predictions.rejections[:, row]).tolist()
        each = {f"{GOOD_BAD}_{number}": round(share) for number, share in enumerate(shares)}
        found["rejection_likelihood"] = each | {"summary": _summary(shares)}
    found["warnings"] = predictions.doubts[row]
    return found


def failure(name: str, reason: str) -> dict[str, Any]:
    """The answer for a file that is no image."""
    return {"status": "failure", "filename": name, "message": reason}


def answer_for(data: bytes, name: str, models: Models, band: str | None = None) -> dict[str, Any]:
    """The answer for the bytes of one image file, of any size and format that can be decoded.

    Transparency is dropped, grey is repeated thrice, and what is no square gets a black border.

    Args:
        band: its letter; None: colour where the channels differ, else not known.

    Raises:
        ImageError, DataLimitError: no image, a damaged one, or too large a one.
    """
    images = {size: prepared_pixels(data, name, size, "RGB")[None] for size in models.sizes}
    bands = bands_of_pixels(images[models.sizes[0]]) if band is None else [band]
    return answer(models, predictions_of(models, images, bands), 0, {"filename": name})


def bands_of_pixels(images: Images) -> list[str | None]:
    """``c`` for each image [n, size, size, 3] whose channels differ, None for a grey one."""
    is_grey = (images == images[..., :1]).all(axis=(1, 2, 3))
    return [None if grey else COLOUR for grey in is_grey.tolist()]


def _summary(values: Sequence[float]) -> dict[str, int]:
    return {
        "mean": round(float(np.mean(values))),
        "median": round(float(np.median(values))),
        "stdev": round(float(np.std(values))),
    }


def _doubts(
    models: Models, images: Mapping[int, Images], bands: Sequence[str | None], joined: Floats
) -> list[list[str]]:
    unlike: list[list[str]] = [[] for _ in bands]
    untrained: list[list[str]] = [[] for _ in bands]
    statistics = {size: brightness(own) for size, own in images.items()}
    for name, model in models.regressors.items():
        if model.domain is None:
            continue
        is_far = np.zeros(len(bands), bool)
        known = (model.domain.means, model.domain.deviations)
        for values, (mean, deviation) in zip(statistics[model.size], known, strict=True):
            is_far |= np.abs(values - mean) > MOST_DEVIATIONS * max(deviation, _LEAST_DEVIATION)
        for row, band in enumerate(bands):
            if is_far[row]:
                unlike[row].append(name)
            if band is not None and band not in model.domain.filters:
                untrained[row].append(name)
    return [
        _sentences(unlike[row], untrained[row], band, float(joined[row]), len(models.regressors))
        for row, band in enumerate(bands)
    ]


def _sentences(unlike: list[str], untrained: list[str], band: str | None, joined: float, n_models: int) -> list[str]:
    def those(names: list[str]) -> str:
        return "the networks were" if len(names) == n_models else f"{', '.join(names)} {'were' if names[1:] else 'was'}"

    found = []
    if unlike:
        found.append(f"Its brightness is unlike that of the images that {those(unlike)} trained on.")
    if untrained:
        found.append(f"It is of the band {band}, on which {those(untrained)} not trained.")
    if joined < LOWEST + PINNED_DEGREES:
        found.append(f"The prediction is at {LOWEST} degrees, the least there is: the galaxy may be nearer to face-on.")
    if joined > HIGHEST - PINNED_DEGREES:
        found.append(f"The prediction is at {HIGHEST} degrees, the largest there is.")
    return found
