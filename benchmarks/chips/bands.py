"""Make features of chips of six bands by an extractor without weights.

usage: python -m benchmarks.chips.bands EXTRACTOR uint8|uint16|float32
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np

N_CHIPS = 2000
SIZE = 64
BANDS = 6


def main(name: str, dtype: str) -> None:
    from spacer_like.extractors import extractor_named
    from spacer_like.extractors.band_extractors import BandExtractor, BandImage

    random = np.random.default_rng(0)
    highest = {"uint8": 256, "uint16": 10_000, "float32": 1}[dtype]
    pixels = (random.random((N_CHIPS, SIZE, SIZE, BANDS), np.float32) * highest).astype(dtype)
    images = [BandImage(one) for one in pixels]
    plain = extractor_named(name)
    if not isinstance(plain, BandExtractor):
        raise SystemExit(f"{name} does not take bands.")
    extractor = plain.taking(images[0])
    extractor.patches_to_features(images[:64])
    wall, cpu = time.perf_counter(), time.process_time()
    extractor.patches_to_features(images)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(
        json.dumps(
            {
                "chips_per_second": N_CHIPS / wall,
                "chips_per_cpu_second": N_CHIPS / cpu,
                "cpu_seconds_each": cpu / N_CHIPS,
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:3])
