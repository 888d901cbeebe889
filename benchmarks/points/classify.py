"""Classify a feature file again and again in one process, as a task.

usage: python -m benchmarks.points.classify PACKAGE FEATURES CLASSIFIER TIMES SCORES
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.points.packages import part


def main(package: str, features: str, classifier: str, times: str, scores: str) -> None:
    messages, tasks = (part(package, name) for name in ("messages", "tasks"))
    location = messages.DataLocation
    message = messages.ClassifyFeaturesMsg(
        job_token="benchmark",
        feature_loc=location("filesystem", features),
        classifier_loc=location("filesystem", classifier),
    )
    answers: list[Any] = []
    seconds = []
    for _ in range(int(times) + 1):
        started = time.perf_counter()
        answers.append(tasks.classify_features(message))
        seconds.append(time.perf_counter() - started)
    first, *warm = seconds
    Path(scores).parent.mkdir(parents=True, exist_ok=True)
    Path(scores).write_text(json.dumps([one for _, _, one in answers[-1].scores]))
    print(json.dumps({"warm_seconds": median(warm), "first_seconds": first}))


if __name__ == "__main__":
    main(*sys.argv[1:])
