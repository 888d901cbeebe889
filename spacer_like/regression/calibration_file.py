"""Files of calibrations: JSON that a person can read, checked in full when it is read."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from spacer_like.exceptions import ModelFileError, damage_as
from spacer_like.regression.calibration import ANY, EDGES, BandCalibration, Calibration, Group, Holding
from spacer_like.regression.evaluation import BiasCorrection

FORMAT, VERSION = "spacer_like.inclination_calibration", 1
JOINED = ("median", "mean")
_MOST_NAMES = 10_000
_MOST_BANDS = 100


def calibration_bytes(calibration: Calibration) -> bytes:
    """The file of a calibration; equal ones give equal bytes."""
    content = {"format": FORMAT, "format_version": VERSION, **asdict(calibration)}
    if not calibration.digests:
        # As those of tables whose networks are not given have always been.
        del content["digests"]
    return (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()


def read_calibration(data: bytes, name: str) -> Calibration:
    """The calibration in a file.

    Args:
        name: what errors call the file.

    Raises:
        ModelFileError: a damaged file, one of another format, or of a later version.
    """
    with damage_as(ModelFileError, name, f"{name}: the file holds no calibration of inclinations"):
        content = json.loads(data)
        version = content["format_version"]
        if content["format"] != FORMAT or type(version) is not int or not 1 <= version <= VERSION:
            raise ValueError(f"it is of another format, or of a version after {VERSION}")
        bands = {_text(band): _band(entries) for band, entries in _few(content["bands"].items(), _MOST_BANDS)}
        if ANY not in bands or content["joined"] not in JOINED:
            raise ValueError(f"it lacks the band '{ANY}', or says in no known way how predictions are joined")
        names = tuple(_text(one) for one in _few(content["predictions"], _MOST_NAMES))
        if not names or not 0 < _number(content["coverage"]) < 1:
            raise ValueError("it lacks the names of the predictions, or its coverage is no share")
        # Earlier calibrations have none.
        digests = {_text(one): _text(digest) for one, digest in _few(content.get("digests", {}).items(), _MOST_NAMES)}
        if not set(digests) <= set(names):
            raise ValueError("it has digests of other networks than its predictions are of")
        return Calibration(content["coverage"], names, content["joined"], bands, digests)


def _band(entries: dict[str, Any]) -> BandCalibration:
    bias = entries["bias"]
    correction = None if bias is None else BiasCorrection(_number(bias["slope"]), _number(bias["offset"]))
    if correction is not None and abs(1 - correction.slope) < 1e-9:
        raise ValueError("its bias cannot be taken out")
    holding = entries["holding"]
    return BandCalibration(
        _count(entries["count"]),
        _count(entries["n_galaxies"]),
        correction,
        _count(entries["n_bias"]),
        _groups(entries["half_widths"]),
        _groups(entries["widenings"]),
        None if holding is None else _holding(holding),
    )


def _groups(entries: Sequence[dict[str, Any]]) -> tuple[Group, ...]:
    groups = tuple(
        Group(_number(one["low"]), _number(one["high"]), _count(one["count"]), _number(one["width"]))
        for one in _few(entries, len(EDGES) - 1)
    )
    ends = [groups[0].low, *(group.high for group in groups)]
    if ends != [*(group.low for group in groups), EDGES[-1]] or not set(ends) <= set(EDGES) or ends[0] != EDGES[0]:
        raise ValueError("its groups do not divide the inclinations from 45 to 90 degrees")
    if sorted(set(ends)) != ends:
        raise ValueError("its groups are out of order")
    return groups


def _holding(entries: dict[str, Any]) -> Holding:
    def shares(found: Any) -> tuple[tuple[int, float | None], ...]:
        pairs = tuple((_count(count), _optional(share)) for count, share in _few(found, len(EDGES) - 1))
        if len(pairs) != len(EDGES) - 1:
            raise ValueError("it does not say of every bin how often its intervals hold")
        return pairs

    return Holding(
        _count(entries["count"]),
        _optional(entries["share"]),
        shares(entries["by_prediction"]),
        shares(entries["by_label"]),
        _optional(entries["width"]),
    )


def _few(values: Any, most: int) -> list[Any]:
    found = list(values)
    if isinstance(values, str) or len(found) > most:
        raise ValueError("it holds a text for a list, or too long a list")
    return found


def _text(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 1000:
        raise ValueError("it holds something else for a name")
    return value


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(f"it holds {str(value)[:20]} for a number")
    return float(value)


def _optional(value: Any) -> float | None:
    return None if value is None else _number(value)


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**53:
        raise ValueError(f"it holds {str(value)[:20]} for a count")
    return value
