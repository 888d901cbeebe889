"""Write the feature vectors as feature files in a package's own format.

usage: python -m benchmarks.points.store_features PACKAGE NUMBERS FOLDER POINTS_TO_CLASSIFY
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.points.packages import part


def main(package: str, numbers: str, folder: Path, points_to_classify: int) -> None:
    import numpy as np

    classes = part(package, "data_classes")

    def store(name: str, rowcols: Any, vectors: Any) -> None:
        points = [
            classes.PointFeatures(row, col, vector)
            for (row, col), vector in zip(rowcols.tolist(), vectors.astype(np.float64), strict=True)
        ]
        features = classes.ImageFeatures(points, True, vectors.shape[1], len(points))
        features.store(classes.DataLocation("filesystem", str(folder / f"{name}.npz")))

    arrays = np.load(numbers)
    images, rowcols = arrays["vectors"], arrays["rowcols"]
    for number, (positions, vectors) in enumerate(zip(rowcols, images, strict=True)):
        store(str(number), positions, vectors)
    all_vectors = images.reshape(-1, images.shape[-1])
    some = slice(0, points_to_classify)
    distinct = np.arange(2 * points_to_classify).reshape(-1, 2)
    store("to-classify", distinct, all_vectors[some])
    print(json.dumps({"files": len(images) + 1}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
