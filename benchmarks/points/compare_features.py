"""How far two feature files of the same points are apart.

usage: python -m benchmarks.points.compare_features OURS PEERS
"""

from __future__ import annotations

import json
import sys

import numpy as np

from spacer_like.data_classes import DataLocation, ImageFeatures


def main(ours: str, peers: str) -> None:
    first, second = (ImageFeatures.load(DataLocation("filesystem", path)) for path in (ours, peers))
    if first.rowcols != second.rowcols:
        raise SystemExit("The two files are about different points.")
    largest = float(np.abs(second.features).max())
    apart = float(np.abs(first.features.astype(np.float64) - second.features).max())
    print(json.dumps({"largest_feature": largest, "relative_difference": apart / largest}))


if __name__ == "__main__":
    main(*sys.argv[1:3])
