"""What cleanlab finds with the probabilities that `wrong_labels` kept; it runs in cleanlab's own environment.

usage: python -m benchmarks.tags.wrong_labels_by_cleanlab FILE
"""

from __future__ import annotations

import json
import sys

import cleanlab.filter
import numpy as np

FILTERS = {"joint": "confident_learning", "rate": "prune_by_noise_rate"}


def main(file: str) -> None:
    found: dict[str, list[float]] = {}
    with np.load(file) as kept:
        for name in (one.removeprefix("given_") for one in kept.files if one.startswith("given_")):
            given, true = kept[f"given_{name}"], kept[f"true_{name}"]
            probabilities = np.clip(kept[f"probabilities_{name}"].astype(np.float64), 1e-9, None)
            probabilities /= probabilities.sum(axis=1, keepdims=True)
            for rule, by in FILTERS.items():
                flagged = cleanlab.filter.find_label_issues(given, probabilities, filter_by=by, n_jobs=1)
                hits = float((flagged & (given != true)).sum())
                share = name.partition("_")[0]
                found.setdefault(f"{rule}_precision_{share}", []).append(hits / max(int(flagged.sum()), 1))
                found.setdefault(f"{rule}_recall_{share}", []).append(hits / int((given != true).sum()))
    print(json.dumps({name: float(np.mean(values)) for name, values in found.items()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
