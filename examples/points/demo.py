"""Two photographs, 267 points labelled by hand: extract, train, evaluate and classify, all through job messages.

``python examples/points/demo.py [FOLDER]`` leaves in FOLDER (default: ``demo``) the photographs, their features, the
classifier, its evaluation, two pictures, and under ``messages/`` every job and its answer. Nothing is downloaded.
"""

from __future__ import annotations

import csv
import json
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from spacer_like.data_classes import Annotation, ImageLabels, TrainingTaskLabels
from spacer_like.examples import LABELS, PHOTOGRAPHS, photograph
from spacer_like.extractors import EfficientNetLite0Extractor
from spacer_like.images.decode import load_image
from spacer_like.messages import (
    ClassifyFeaturesMsg,
    ClassifyImageMsg,
    DataLocation,
    ExtractFeaturesMsg,
    JobMsg,
    TrainClassifierMsg,
)
from spacer_like.reports import annotated_picture, evaluation_picture
from spacer_like.task_utils import SplitMode, preprocess_labels
from spacer_like.tasks import process_job

GRID_STEP = 40
THRESHOLD = 0.8


class Demo:
    """The files of one run, and its four jobs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.labelled = read_labels()
        self.extractor = EfficientNetLite0Extractor()

    def at(self, name: str) -> DataLocation:
        return DataLocation("filesystem", str(self.folder / name))

    def run(self, task_name: str, tasks: list[Any], what: str) -> list[Any]:
        """Run a job, keep it and its answer as JSON, and return the results."""
        print(f"{what} ...", end=" ", flush=True)
        started = time.perf_counter()
        job = JobMsg(task_name=task_name, tasks=tasks)
        answer = process_job(job)
        job.store(self.at(f"messages/{task_name}.json"))
        answer.store(self.at(f"messages/{task_name}.answer.json"))
        if answer.results is None:
            sys.exit(f"failed:\n{answer.error_message}")
        print(f"{time.perf_counter() - started:.1f} s")
        return answer.results

    def extract(self) -> None:
        tasks = [
            ExtractFeaturesMsg(
                job_token=image,
                extractor=self.extractor,
                rowcols=[(row, col) for row, col, _ in points],
                image_loc=self.at(image),
                feature_loc=self.at(f"{image}.features"),
            )
            for image, points in self.labelled.items()
        ]
        count = sum(len(points) for points in self.labelled.values())
        self.run(
            "extract_features",
            tasks,
            f"Extracting features of {count} points in {len(tasks)} photographs",
        )

    def train(self) -> TrainingTaskLabels:
        # By points, not by images: neither photograph could teach what only the other shows.
        labels = preprocess_labels(
            ImageLabels({self.at(f"{image}.features"): points for image, points in self.labelled.items()}),
            split_ratios=(0.2, 0.25),
            split_mode=SplitMode.POINTS_STRATIFIED,
        )
        message = TrainClassifierMsg(
            job_token="demo",
            trainer="minibatch",
            nbr_epochs=50,
            clf_type="MLP",
            labels=labels,
            previous_model_locs=[],
            model_loc=self.at("classifier.pkl"),
            valresult_loc=self.at("valresult.json"),
            report_loc=self.at("evaluation.json"),
        )
        train, ref, val = (labels[name].label_count for name in ("train", "ref", "val"))
        sizes = f"{train} to learn, {ref} to calibrate, {val} to evaluate"
        self.run("train_classifier", [message], f"Training and evaluating a classifier ({sizes})")
        return labels

    def classify(self, image: str, labels: TrainingTaskLabels) -> None:
        """Classify a grid of new points, and the labelled ones that were kept for evaluation; draw both."""
        kept = {(row, col): label for row, col, label in labels.val[self.at(f"{image}.features")]}
        photograph = load_image(self.at(image))
        grid = [
            (row, col)
            for row in range(GRID_STEP // 2, photograph.height, GRID_STEP)
            for col in range(GRID_STEP // 2, photograph.width, GRID_STEP)
        ]
        points = list(dict.fromkeys([*kept, *grid]))
        message = ClassifyImageMsg(
            job_token=image,
            extractor=self.extractor,
            rowcols=points,
            image_loc=self.at(image),
            classifier_loc=self.at("classifier.pkl"),
        )
        (answer,) = self.run("classify_image", [message], f"Classifying {len(points)} points in {image}")
        best = [(row, col, *max(zip(scores, answer.classes, strict=True))) for row, col, scores in answer.scores]
        annotated_picture(
            photograph,
            [(row, col, label, score) for row, col, score, label in best],
            self.at("annotated.png"),
            truth=kept,
            threshold=THRESHOLD,
        )

    def classify_stored_features(self) -> None:
        """Classify again from the stored features: needs no network, and no torch."""
        tasks = [
            ClassifyFeaturesMsg(
                job_token=image, feature_loc=self.at(f"{image}.features"), classifier_loc=self.at("classifier.pkl")
            )
            for image in self.labelled
        ]
        self.run("classify_features", tasks, "Classifying the stored features")

    def evaluate(self) -> None:
        """Draw the evaluation, and print how well each class was recognised."""
        report = json.loads((self.folder / "evaluation.json").read_text())
        evaluation_picture(report, self.at("evaluation.png"))
        print_table(report)


def read_labels() -> dict[str, list[Annotation]]:
    labelled: dict[str, list[Annotation]] = defaultdict(list)
    with LABELS.open(newline="") as file:
        for line in csv.DictReader(file):
            labelled[line["image"]].append((int(line["row"]), int(line["col"]), line["label"]))
    return dict(labelled)


def print_table(report: dict[str, Any]) -> None:
    width = max(len(entry["label"]) for entry in report["per_class"])
    print(f"\n{'class':{width}}  precision  recall  points")
    for entry in report["per_class"]:
        numbers = (f"{entry[name]:.0%}" if entry[name] is not None else "-" for name in ("precision", "recall"))
        print(f"{entry['label']:{width}}  {next(numbers):>9}  {next(numbers):>6}  {entry['support']:>6}")
    print(f"\nRight on {report['accuracy']:.1%} of {report['count']} points that it was not trained on.")
    print("(They lie in the same two photographs: how it fares on others, only other photographs would tell.)")
    at = next(entry for entry in report["thresholds"] if entry["threshold"] >= THRESHOLD)
    if at["count"]:
        share = f"{at['coverage']:.0%} of the points"
        print(f"With a confidence above {THRESHOLD}, which {share} have: right on {at['accuracy']:.1%}.")


def main(folder: Path) -> None:
    started = time.perf_counter()
    (folder / "messages").mkdir(parents=True, exist_ok=True)
    for name in PHOTOGRAPHS:
        (folder / name).write_bytes(photograph(name))
    demo = Demo(folder)
    demo.extract()
    labels = demo.train()
    demo.classify("china.jpg", labels)
    demo.classify_stored_features()
    demo.evaluate()
    pictures = f"{folder / 'annotated.png'} and {folder / 'evaluation.png'}"
    print(f"\nDone in {time.perf_counter() - started:.0f} s. Look at {pictures}.")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("demo"))
