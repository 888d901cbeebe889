"""Train a classifier, as a task.

usage: python -m benchmarks.points.train PACKAGE MLP|LR LABELS FEATURES_FOLDER MODEL RESULTS
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from benchmarks.points.packages import part

EPOCHS = 10


def main(package: str, kind: str, labels: str, features_folder: str, model: str, results: str) -> None:
    started = time.perf_counter()
    messages, tasks = (part(package, name) for name in ("messages", "tasks"))
    imported = time.perf_counter()
    location = messages.DataLocation
    sets = {
        name: messages.ImageLabels(
            {
                location("filesystem", str(Path(features_folder, f"{number}.npz"))): [tuple(point) for point in points]
                for number, points in images.items()
            }
        )
        for name, images in json.loads(Path(labels).read_text()).items()
    }
    message = messages.TrainClassifierMsg(
        job_token="benchmark",
        trainer="minibatch",
        nbr_epochs=EPOCHS,
        clf_type=kind,
        labels=messages.TrainingTaskLabels(**sets),
        previous_model_locs=[],
        model_loc=location("filesystem", model),
        valresult_loc=location("filesystem", results),
    )
    begun = time.perf_counter()
    answer = tasks.train_classifier(message)
    ended = time.perf_counter()
    print(json.dumps({"task_seconds": ended - begun, "import_seconds": imported - started, "accuracy": answer.acc}))


if __name__ == "__main__":
    main(*sys.argv[1:])
