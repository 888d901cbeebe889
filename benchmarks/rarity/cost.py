"""What a thousand collections of ten thousand images cost, computed from measured rates.

usage: python -m benchmarks.rarity.cost RESULTS_JSON
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.cores import THREADS
from benchmarks.figures import OURS
from benchmarks.processes import Quantities
from benchmarks.rarity.folders import SIZE
from benchmarks.rarity.measures import ALL_METHODS_GLOBAL, DECODING, STORED

Runs = Mapping[str, Mapping[str, Sequence[Quantities]]]

COLLECTIONS = 1000
IMAGES = 10_000
CORES = (2, 16, 64)
NEEDED = ("rarity-png", "rarity-jpeg", "rarity-merge", "rarity-score", "rarity-whole", "rarity-merge-scores")


@dataclass(frozen=True)
class Rates:
    """Measured on `THREADS` cores.

    Fields:
        histogram_files: images a second from files of a kind to a histogram; decoding_files: and decoded alone.
        counting, converting: images a second out of a stack, and from PNG files into one.
        scoring: images a second by all methods against a global table.
        file_kib: of an image, by kind.
        histogram_mib: of ten thousand pixel pictures, which have few colours.
        drawn_histogram_mib: of a thousand drawn characters, which have many.
        merging: seconds to read one of those and add it; writing: for the sum.
        merging_scores: rows a second; row_bytes: of the merged table.
    """

    histogram_files: Mapping[str, float]
    decoding_files: Mapping[str, float]
    counting: float
    scoring: float
    converting: float
    file_kib: Mapping[str, float]
    histogram_mib: float
    drawn_histogram_mib: float
    merging: float
    writing: float
    merging_scores: float
    row_bytes: float


def rates(runs: Runs) -> Rates:
    """The rates of a run that took all the measures of NEEDED."""

    def of(measure: str, quantity: str, side: str = OURS) -> float:
        return median(quantities[quantity] for quantities in runs[measure][side])

    kinds = ("png", "jpeg")
    images = of("rarity-whole", "images")
    reading_and_adding = of("rarity-merge", "afterwards_reading_seconds_each") + of(
        "rarity-merge", "afterwards_adding_seconds_each"
    )
    rows = of("rarity-merge-scores", "rows")
    return Rates(
        histogram_files={kind: of(f"rarity-{kind}", "images_a_second", STORED) for kind in kinds},
        decoding_files={kind: of(f"rarity-{kind}", "images_a_second", DECODING) for kind in kinds},
        counting=images / of("rarity-whole", "count_seconds"),
        scoring=of("rarity-score", "images_a_second", ALL_METHODS_GLOBAL),
        converting=images / of("rarity-whole", "convert_seconds"),
        file_kib={kind: of(f"rarity-{kind}", "file_kib") for kind in kinds},
        histogram_mib=of("rarity-whole", "histogram_mib"),
        drawn_histogram_mib=of("rarity-merge", "afterwards_histogram_mib"),
        merging=reading_and_adding,
        writing=of("rarity-merge", "afterwards_writing_seconds"),
        merging_scores=rows / of("rarity-merge-scores", "task_seconds"),
        row_bytes=1e6 * of("rarity-merge-scores", "megabytes") / rows,
    )


def cost(rate: Rates, collections: int = COLLECTIONS, images: int = IMAGES, cores: Sequence[int] = CORES) -> str:
    """The figures as Markdown: processor time, time on so many cores, and storage.

    Images are worked on in parallel, as many collections at once as there are cores; the two merges are not.
    """
    n = collections * images
    in_one = collections * rate.merging + rate.writing + n / rate.merging_scores

    def spread(*images_a_second: float) -> float:
        return sum(n * THREADS / each for each in images_a_second)

    ways = {
        f"{kind.upper()} files, decoded twice: histogram, then scores": spread(
            rate.histogram_files[kind], rate.decoding_files[kind], rate.scoring
        )
        for kind in ("png", "jpeg")
    }
    ways["PNG files, decoded once to stacks: convert, histogram, scores"] = spread(
        rate.converting, rate.counting, rate.scoring
    )
    ways["stacks that are there: histogram, scores"] = spread(rate.counting, rate.scoring)
    lines = [
        f"{collections:,} collections of {images:,} images, all five methods against the global histogram:",
        "",
        f"| from | core hours | {' | '.join(f'{count} cores' for count in cores)} |",
        f"|---|---:|{'---:|' * len(cores)}",
    ]
    for way, core_seconds in ways.items():
        times = " | ".join(_hours(core_seconds / count + in_one) for count in cores)
        lines.append(f"| {way} | {(core_seconds + in_one) / 3600:.2g} | {times} |")
    return "\n".join([*lines, "", *_storage(rate, collections, images, in_one)])


def _storage(rate: Rates, collections: int, images: int, in_one: float) -> list[str]:
    n = collections * images
    stack = images * SIZE * SIZE * 3
    return [
        f"- of it in one process: merging histograms and scores, {in_one / 60:.2g} minutes",
        *(f"- {kind.upper()} files: {n * kib * 1024 / 1e9:.0f} GB" for kind, kib in rate.file_kib.items()),
        f"- stacks: {stack / 1e9:.2f} GB each, {collections * stack / 1e12:.2f} TB in all",
        f"- histograms: {_histograms(rate.histogram_mib, collections)} of pixel pictures, which have few colours, and "
        f"{_histograms(rate.drawn_histogram_mib, collections)} of a thousand characters with many each; dense, as the "
        f"original kept them, {SIZE**2 * 4000 / 1e6:.0f} MB each",
        f"- table to score with: {SIZE**2 * 4000 / 1e6:.0f} MB, shared by the processes of a machine",
        f"- merged scores, CSV: {n * rate.row_bytes / 1e9:.1f} GB for each method",
    ]


def _histograms(mib: float, collections: int) -> str:
    return f"{mib:.1f} MiB each, {collections * mib / 1024:.1f} GiB in all,"


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.2g} h" if seconds >= 5400 else f"{seconds / 60:.2g} min"


def main(results: Path) -> None:
    runs: Runs = json.loads(results.read_text(encoding="utf-8"))["runs"]
    if missing := [name for name in NEEDED if name not in runs]:
        raise SystemExit(f"{results} lacks {', '.join(missing)}: measure the whole family.")
    print(cost(rates(runs)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
