"""How often intervals of cover hold the truth, on photographs drawn from a habitat map whose cover is known.

usage: python -m benchmarks.points.cover MAP.tif [--photograph 100x150] [--resamples 1000] [--json FILE]

MAP is a raster of classes with no-data outside. Photographs lie wholly inside; each has points at random, which people
label rightly, and which an annotator labels with an accuracy of .6 to .9 by class, its errors falling on the other
classes in proportions drawn at random. The truth is the mean cover of all photographs that could have been taken.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from spacer_like.points.cover.intervals import cover_of_photographs, cover_with_machine, points_quantile, wilson

COVERAGE = 0.95
PLACES = 100_000
LEAST_ACCURACY, MOST_ACCURACY = 0.6, 0.9
LEAST_COVER = 0.02
"""Of a class that the bar holds for."""
BOUNDS, MOST_WIDTH = (0.93, 0.97), 0.6

Floats = NDArray[np.float64]
Interval = tuple[Floats, Floats]


@dataclass(frozen=True)
class Survey:
    """How photographs are taken, and checked."""

    photographs: int = 100
    points: int = 50
    checked: int = 20


def places(classes: NDArray[np.uint8], nodata: int, height: int, width: int, seed: int = 0) -> tuple[list[int], Floats]:
    """The classes of a map, and their shares in photographs at `PLACES` random places without no-data."""
    inside = _sums(classes == nodata, height, width) == 0
    chosen = np.random.default_rng(seed).choice(np.flatnonzero(inside), PLACES)
    names = [int(one) for one in np.unique(classes) if one != nodata]
    counts = [_sums(classes == one, height, width).ravel()[chosen] for one in names]
    return names, np.stack(counts, axis=1) / (height * width)


def _sums(marked: NDArray[np.bool_], height: int, width: int) -> NDArray[np.int32]:
    """How many pixels are marked in each window, by its upper left corner."""
    table = np.zeros((marked.shape[0] + 1, marked.shape[1] + 1), np.int32)
    np.cumsum(marked, axis=0, out=table[1:, 1:])
    np.cumsum(table[1:, 1:], axis=1, out=table[1:, 1:])
    return table[height:, width:] - table[:-height, width:] - table[height:, :-width] + table[:-height, :-width]


def annotator(n_classes: int, seed: int) -> Floats:
    """The probability of each label (column) at a point of each class (row)."""
    random = np.random.default_rng(seed)
    accuracies = random.permutation(np.linspace(LEAST_ACCURACY, MOST_ACCURACY, n_classes))
    errors = [random.dirichlet(np.ones(n_classes - 1)) for _ in range(n_classes)]
    rows = enumerate(zip(accuracies, errors, strict=True))
    return np.stack([np.insert((1 - right) * wrong, number, right) for number, (right, wrong) in rows])


def surveys(shares: Floats, survey: Survey, resamples: int, seed: int) -> tuple[Floats, Floats]:
    """Shares of points by people and by the annotator, each of shape (resamples, photographs, classes)."""
    random = np.random.default_rng(seed)
    there = shares[random.integers(0, len(shares), (resamples, survey.photographs))]
    people = random.multinomial(survey.points, there / there.sum(axis=-1, keepdims=True))
    confusion = annotator(shares.shape[1], seed)
    machine = sum(random.multinomial(people[..., number], row) for number, row in enumerate(confusion))
    return people / survey.points, np.asarray(machine) / survey.points


def intervals(people: Floats, machine: Floats, survey: Survey) -> dict[str, Interval]:
    """The intervals of each method, for every resample and class."""
    n = survey.checked
    checked, seen = people[:, :n], machine[:, :n]
    alone, together = cover_of_photographs(checked, COVERAGE), cover_with_machine(checked, seen, machine, COVERAGE)
    return {
        "points as if independent": wilson(
            machine.mean(axis=1), np.float64(survey.photographs * survey.points), points_quantile(COVERAGE)
        ),
        "plain t, checked alone": _plain(*_mean(checked), n - 1),
        "plain t, with the machine": _plain(*_plain_with_machine(checked, seen, machine), n - 1),
        "checked alone": (alone.low, alone.high),
        "with the machine": (together.low, together.high),
    }


def _mean(shares: Floats) -> tuple[Floats, Floats]:
    return shares.mean(axis=1), shares.std(axis=1, ddof=1) / np.sqrt(shares.shape[1])


def _plain_with_machine(people: Floats, machine: Floats, everywhere: Floats) -> tuple[Floats, Floats]:
    """PPI++ as it is published: (estimate, standard error)."""
    n, others = people.shape[1], everywhere.shape[1] - people.shape[1]
    centred = machine - machine.mean(axis=1, keepdims=True)
    covariance = (centred * (people - people.mean(axis=1, keepdims=True))).sum(axis=1) / (n - 1)
    spread = everywhere.var(axis=1, ddof=1)
    rate = np.clip(np.divide(covariance, spread * (1 + n / others), where=spread > 0, out=np.zeros_like(spread)), 0, 1)
    unseen = everywhere[:, n:]
    share = people.mean(axis=1) + rate * (unseen.mean(axis=1) - machine.mean(axis=1))
    residuals = people - rate[:, None] * machine
    return share, np.sqrt(residuals.var(axis=1, ddof=1) / n + rate**2 * unseen.var(axis=1, ddof=1) / others)


def _plain(share: Floats, error: Floats, freedom: int) -> Interval:
    half = stdtrit(freedom, (1 + COVERAGE) / 2) * error
    return share - half, share + half


def needed(people: Floats, truth: Floats, held: Floats) -> Floats:
    """The mean width of plain intervals of these photographs, each class's stretched until they hold as often.

    Infinite where the photographs lack the class too often for that.
    """
    share, error = _mean(people)
    away = np.divide(np.abs(share - truth), error, where=error > 0, out=np.full_like(error, np.inf))
    stretch = np.array([np.quantile(one, often, method="higher") for one, often in zip(away.T, held, strict=True)])
    return 2 * stretch * error.mean(axis=0)  # type: ignore[no-any-return]


def measured(shares: Floats, survey: Survey, resamples: int, seed: int) -> dict[str, dict[str, list[float]]]:
    """By method: how often it holds and its mean width, of each class; and the width that people alone would need."""
    truth = shares.mean(axis=0)
    people, machine = surveys(shares, survey, resamples, seed)
    found = {}
    for method, (low, high) in intervals(people, machine, survey).items():
        held = ((low <= truth) & (truth <= high)).mean(axis=0)
        widths = (np.minimum(high, 1) - np.maximum(low, 0)).mean(axis=0)
        found[method] = {"holds": held.tolist(), "width": widths.tolist()}
    ours = np.asarray(found["with the machine"]["holds"])
    found["with the machine"]["needed"] = needed(people[:, : survey.checked], truth, ours).tolist()
    return found


def table(names: list[int], truth: Floats, found: dict[str, dict[str, list[float]]]) -> list[str]:
    """Lines of Markdown: a row for each class, in the order of cover."""
    methods = list(found)
    lines = ["| class | cover | " + " | ".join(f"{one}: holds" for one in methods) + " | width | to checked alone |"]
    lines.append("|" + "---|" * (len(methods) + 4))
    for number in np.argsort(-truth):
        held = " | ".join(f"{found[one]['holds'][number]:.1%}" for one in methods)
        width, alone = (found[one]["width"][number] for one in ("with the machine", "checked alone"))
        lines.append(f"| {names[number]} | {truth[number]:.1%} | {held} | {width:.1%} | {width / alone:.2f} |")
    return lines


def verdict(truth: Floats, found: dict[str, dict[str, list[float]]]) -> dict[str, Any]:
    """The least and most that intervals with the machine hold, and their widths, of classes above `LEAST_COVER`."""
    counted = truth > LEAST_COVER
    ours, alone = found["with the machine"], found["checked alone"]
    held = np.asarray(ours["holds"])[counted]
    held_alone = np.asarray(alone["holds"])[counted].tolist()
    own = np.asarray(ours["width"])[counted] / np.asarray(alone["width"])[counted]
    plain = np.asarray(ours["width"])[counted] / np.asarray(ours["needed"])[counted]
    return {
        "holds": [float(held.min()), float(held.max())],
        "classes within": [int(((held >= BOUNDS[0]) & (held <= BOUNDS[1])).sum()), int(counted.sum())],
        "alone holds": [min(held_alone), max(held_alone)],
        "width to checked alone": [float(own.min()), float(own.max())],
        "width to plain intervals that hold as often": [float(plain.min()), float(plain.max())],
    }


def main() -> None:
    import rasterio

    parser = argparse.ArgumentParser(prog="python -m benchmarks.points.cover", description=__doc__)
    parser.add_argument("map", type=Path)
    parser.add_argument("--photograph", default="100x150", help="pixels, height x width")
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--annotators", type=int, default=3, help="how many, each with errors of its own")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with rasterio.open(given.map) as raster:
        classes, nodata = raster.read(1), int(raster.nodata)
    height, width = map(int, given.photograph.split("x"))
    names, shares = places(classes, nodata, height, width)
    truth, every = shares.mean(axis=0), []
    for seed in range(given.annotators):
        found = measured(shares, Survey(), given.resamples, seed)
        every.append({"annotator": seed, "methods": found, "verdict": verdict(truth, found)})
        print(f"\nPhotographs of {height} x {width} pixels, annotator {seed}\n")
        print("\n".join(table(names, truth, found)))
        print(json.dumps(every[-1]["verdict"]))
    if given.json:
        given.json.write_text(json.dumps({"classes": names, "truth": truth.tolist(), "surveys": every}, indent=1))


if __name__ == "__main__":
    main()
