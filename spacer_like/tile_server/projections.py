"""Places on the globe in the metres of a UTM zone and of Web Mercator."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING

import numpy as np

from spacer_like.chips.grid import epsg_of_zone

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pyproj import Transformer

    Coordinates = tuple[NDArray[np.float64], NDArray[np.float64]]

WEB_MERCATOR = 3857
WGS84 = 4326
EARTH_RADIUS = 6378137.0
"""Of the sphere that Web Mercator takes the earth for, in metres."""
HALF_WORLD = math.pi * EARTH_RADIUS
"""Half the width of the world in Web Mercator, in metres."""

# A Transformer may be used by one thread at a time.
_of_this_thread = threading.local()


def to_zone(longitudes: NDArray[np.float64], latitudes: NDArray[np.float64], zone: int) -> Coordinates:
    """Eastings and northings in the zone's northern projection, whose northings are negative in the south."""
    return _transformer(WGS84, epsg_of_zone(zone)).transform(longitudes, latitudes)


def from_zone(eastings: NDArray[np.float64], northings: NDArray[np.float64], zone: int) -> Coordinates:
    """Longitudes and latitudes of places in the zone's northern projection."""
    return _transformer(epsg_of_zone(zone), WGS84).transform(eastings, northings)


def to_web_mercator(longitudes: NDArray[np.float64], latitudes: NDArray[np.float64]) -> Coordinates:
    """Metres of Web Mercator (EPSG:3857); the poles, which it has none of, are far outside of the world."""
    angles = np.radians(np.clip(latitudes, -89.99, 89.99))
    return np.radians(longitudes) * EARTH_RADIUS, np.arcsinh(np.tan(angles)) * EARTH_RADIUS


def from_web_mercator(xs: NDArray[np.float64], ys: NDArray[np.float64]) -> Coordinates:
    """Longitudes and latitudes of places in Web Mercator."""
    return np.degrees(xs / EARTH_RADIUS), np.degrees(np.arctan(np.sinh(ys / EARTH_RADIUS)))


def _transformer(source: int, target: int) -> Transformer:
    from pyproj import Transformer

    known: dict[tuple[int, int], Transformer] = _of_this_thread.__dict__.setdefault("transformers", {})
    if (source, target) not in known:
        known[source, target] = Transformer.from_crs(source, target, always_xy=True)
    return known[source, target]
