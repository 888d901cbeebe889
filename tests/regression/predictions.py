"""Tables of predictions as networks make them: a spread of three degrees, and saturated near both ends."""

import numpy as np

from spacer_like.tables.cells import csv_bytes

BANDS = ("g", "r", "i")
NETS = ("model4_0", "model4_1", "model6_0")


def simulated(count: int, seed: int, spread: float = 3.0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """ids, bands, labels [rows] and predictions [nets, rows] of galaxies, each in three bands."""
    random = np.random.default_rng(seed)
    labels = np.floor(random.triangular(40, 75, 91, 2 * count + 50))
    labels = labels[labels >= 45][:count]
    shared = random.normal(0, 0.75 * spread, count)
    rows = []
    for scale in (0.5, 0.6, 0.8):
        own = shared + random.normal(0, scale * spread, count)
        nets = labels + own + random.normal(0, 0.3 * spread, (len(NETS), count))
        rows.append(_saturated(nets))
    bands = np.repeat(BANDS, count)
    return np.tile(np.arange(count) + 1, 3), bands, np.tile(labels, 3), np.concatenate(rows, axis=1)


def _saturated(inclinations: np.ndarray) -> np.ndarray:
    """Inclinations pressed softly between 46 and 88.5 degrees."""
    values, soft = (inclinations - 67.5) / 22.5, 0.12
    over = np.logaddexp(0, (values - 0.93) / soft) * soft
    under = np.logaddexp(0, (-0.95 - values) / soft) * soft
    return 67.5 + 22.5 * (values - over + under)


def table_of(count: int, seed: int, spread: float = 3.0) -> bytes:
    """The same as CSV, with the columns that `evaluate_regressor` writes."""
    ids, bands, labels, predictions = simulated(count, seed, spread)
    rows = zip(ids.tolist(), bands.tolist(), labels.tolist(), *predictions.tolist(), strict=True)
    return csv_bytes(["pgc", "filter", "inc_m", *NETS], rows)
