"""What all tiles of a UTM zone cost, computed from measured rates.

usage: python -m benchmarks.chips.cost RESULTS_JSON
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.chips.measures import MASKED_WINDOW, RIO_TILER, UNWRITTEN, WINDOW
from benchmarks.figures import OURS
from benchmarks.processes import Quantities

Runs = Mapping[str, Mapping[str, Sequence[Quantities]]]

NEEDED = ("chips-nodata", "chips-labels")
CORES = (2, 16, 64)
CELL_KM2 = 25.0
EARTH_RADIUS_KM = 6371.0
SOUTHMOST, NORTHMOST = -80.0, 84.0
"""Degrees of latitude between which the zones lie."""
LAND_SHARE = 0.29
"""Of the Earth's surface, which a zone on average has too."""
N_ZONES = 60


@dataclass(frozen=True)
class Rates:
    """Of one cell of zoom 12, which is 1,024 chips of zoom 17.

    Fields:
        cutting: seconds of a processor for a tile, by the way that its chips are made.
        labelling: seconds of a processor for the label table of the cell that was measured.
        chips, manifest, table: bytes.
    """

    cutting: Mapping[str, float]
    labelling: float
    chips: float
    manifest: float
    table: float


def cells_of_zone() -> float:
    """How many cells of zoom 12 a zone has: its area, by that of a sphere, over that of a cell.

    >>> round(cells_of_zone(), -3)
    337000.0
    """
    heights = math.sin(math.radians(NORTHMOST)) - math.sin(math.radians(SOUTHMOST))
    return 2 * math.pi * EARTH_RADIUS_KM**2 * heights / N_ZONES / CELL_KM2


def rates(runs: Runs) -> Rates:
    """The rates of a run that took all the measures of NEEDED."""

    def of(measure: str, quantity: str, side: str = OURS) -> float:
        return median(quantities[quantity] for quantities in runs[measure][side])

    ways = {
        "chips and manifest": OURS,
        "manifest alone, the chips stay in their tiles": UNWRITTEN,
        "for comparison: a window and Pillow for each chip": WINDOW,
        "for comparison: the same with the mask of each chip": MASKED_WINDOW,
        "for comparison: rio-tiler": RIO_TILER,
    }
    return Rates(
        cutting={way: of("chips-nodata", "task_cpu_seconds", side) for way, side in ways.items()},
        labelling=of("chips-labels", "task_cpu_seconds"),
        chips=of("chips-nodata", "chip_bytes") * of("chips-nodata", "chips"),
        manifest=of("chips-nodata", "manifest_bytes"),
        table=of("chips-labels", "table_bytes"),
    )


def cost(rate: Rates, cores: Sequence[int] = CORES) -> str:
    """The figures as Markdown: processor time, time on so many cores, and storage.

    Cells are independent of each other: as many are worked on at once as there are cores.
    """
    land = cells_of_zone() * LAND_SHARE
    seconds = {f"tiles to chips: {way}": each for way, each in rate.cutting.items()}
    seconds["label tables, of cells that are all as full as the one that was measured"] = rate.labelling
    lines = [
        f"A UTM zone has {cells_of_zone():,.0f} cells of zoom 12, and {land:,.0f} where it has as much land as the "
        f"Earth has on average ({LAND_SHARE:.0%}), with {land * 1024 / 1e6:,.0f} million chips. One tile of each of "
        "these, from a disk that is fast enough:",
        "",
        f"| step | a cell | the zone, core hours | {' | '.join(f'{count} cores' for count in cores)} |",
        f"|---|---:|---:|{'---:|' * len(cores)}",
    ]
    for step, each in seconds.items():
        core_hours = land * each / 3600
        times = " | ".join(_time(land * each / count) for count in cores)
        lines.append(f"| {step} | {each:.2g} s | {core_hours:,.3g} | {times} |")
    return "\n".join(
        [
            *lines,
            "",
            f"- chips: {rate.chips / 1e6:.0f} MB a cell, {land * rate.chips / 1e12:.2g} TB in all",
            f"- manifests: {rate.manifest / 1e3:.0f} kB a cell, {land * rate.manifest / 1e9:.2g} GB in all",
            f"- label tables: {rate.table / 1e6:.2g} MB a cell, {land * rate.table / 1e9:.2g} GB in all",
        ]
    )


def _time(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours / 24:.2g} days" if hours >= 48 else f"{hours:.2g} h"


def main(results: Path) -> None:
    runs: Runs = json.loads(results.read_text(encoding="utf-8"))["runs"]
    if missing := [name for name in NEEDED if name not in runs]:
        raise SystemExit(f"{results} lacks {', '.join(missing)}: measure the whole family.")
    print(cost(rates(runs)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
