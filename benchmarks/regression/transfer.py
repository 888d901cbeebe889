"""Tell inclinations in pictures of the sky by a network that has seen simulated galaxies only, or by axis ratios.

usage: python -m benchmarks.regression.transfer NETWORK RANDOMISED STELLARIUM CPU_SECONDS
       python -m benchmarks.regression.transfer classical|crude STELLARIUM

STELLARIUM as of `real_sky`, with OpenNGC's ``ongc.db`` in it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.regression.learning import learnt, views_of
from benchmarks.regression.made import read
from benchmarks.regression.pictures import Picture, sky_pictures
from benchmarks.regression.real_sky import Figures, columns, crude_inclination, figures, ours

CATALOGUE = "ongc.db"


def small(picture: Picture, size: int) -> NDArray[np.uint8]:
    """The picture in `size` pixels, uint8 [size, size, 3]."""
    return np.asarray(Image.fromarray(picture.pixels).resize((size, size), Image.Resampling.LANCZOS))


def by_network(name: str, randomised: Path, pictures: list[Picture], cpu_seconds: float) -> Figures:
    """The figures of a network; it is surest where its views agree."""
    galaxies = read(randomised)
    found = learnt(name, galaxies.pool, 0, cpu_seconds)
    size = galaxies.pool.images.shape[1]
    views = views_of(found.model, np.stack([small(picture, size) for picture in pictures]))
    return figures(views.mean(axis=1), truth_of(pictures), -views.std(axis=1))


def truth_of(pictures: list[Picture]) -> NDArray[np.float64]:
    """Inclinations by Hubble's formula from the catalogue's axes, [n]."""
    return np.array([picture.inclination for picture in pictures])


def main(arguments: list[str]) -> None:
    name, *rest = arguments
    stellarium = Path(rest[-1] if len(rest) == 1 else rest[1])
    pictures = list(sky_pictures(stellarium, stellarium / CATALOGUE))
    if name == "crude":
        found = np.array([crude_inclination(picture.pixels) for picture in pictures])
        answer = figures(found, truth_of(pictures))
    elif name == "classical":
        measured, _ = ours([picture.pixels for picture in pictures])
        answer = figures(columns(measured)[0], truth_of(pictures), columns(measured)[1])
    else:
        answer = by_network(name, Path(rest[0]), pictures, float(rest[2]))
    print(json.dumps({name: value for name, value in answer._asdict().items() if np.isfinite(value)}))


if __name__ == "__main__":
    main(sys.argv[1:])
