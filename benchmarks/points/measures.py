"""What is measured of the points family, and what each figure should come to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks.cores import THREADS
from benchmarks.figures import OURS, PEER, Comparison, Figure, Target
from benchmarks.making import make_once
from benchmarks.measures import Measure, Report
from benchmarks.points.folders import IMAGES, IMAGES_TO_TRAIN, POINTS_PER_IMAGE, POINTS_TO_CLASSIFY, Folders
from benchmarks.points.material import Pythons
from benchmarks.processes import Command, run

FIRST_RUN = f"{OURS}, first run"
PEERS_FILES = f"{OURS} on PySpacer's files"
NETWORK = "the network alone"
LOOP = "PySpacer's loop"
PACK = f"{OURS}, from a pack"
CLASSIFICATIONS = 10


def times_less(bound: float) -> Target:
    return Target(Comparison.TIMES_LESS, bound)


def at_most(bound: float) -> Target:
    return Target(Comparison.ALONE, bound)


class PointsMeasures:
    """The measures, on the material of a work folder."""

    def __init__(self, folders: Folders, pythons: Pythons) -> None:
        self.folders = folders
        self.pythons = pythons

    def all(self) -> list[Measure]:
        return [
            self.importing("messages", bound=0.25),
            self.importing("tasks", bound=0.4),
            self.first_extraction(25),
            self.extraction_with_start(25),
            self.extraction(200, bound=4, memory_bound=0.5),
            replace(self.extraction(1000, bound=5), long=True),
            self.many_images(),
            self.training("MLP"),
            self.training("LR"),
            self.training_on_many(),
            self.classifying(),
            self.looking_up(),
        ]

    def importing(self, module: str, bound: float) -> Measure:
        def command(package: str) -> Command:
            code = (
                f"import time; start = time.perf_counter(); import {package}.{module}; "
                "print('{\"import_seconds\": %r}' % (time.perf_counter() - start))"
            )
            return Command(self.pythons.of(package), ("-c", code))

        sides = {OURS: command("spacer_like"), PEER: command("spacer")}
        return Measure(
            name=f"import-{module}",
            sides=sides,
            before=list(sides.values()),
            figures=[Figure(f"import spacer_like.{module}", "import_seconds", "ms", at_most(bound))],
        )

    def first_extraction(self, points: int) -> Measure:
        """Each run of ours finds no converted network."""
        empty = self.folders.work / "onnx-of-first-runs"
        about = f"extract_features, {points} points, FIRST run (converts the network to ONNX)"
        return Measure(
            name="extract-first",
            sides={
                FIRST_RUN: replace(self._extract("spacer_like", points, FIRST_RUN, empty), without=empty),
                PEER: self._extract("spacer", points, PEER),
            },
            figures=[
                Figure(f"{about}: whole process", "wall_seconds", ours=FIRST_RUN),
                Figure(f"{about}: peak memory", "peak_mib", "MiB", ours=FIRST_RUN),
            ],
        )

    def extraction_with_start(self, points: int) -> Measure:
        about = f"extract_features, {points} points, later runs"
        return self._extraction(
            points, [Figure(f"{about}: whole process, start included", "wall_seconds", target=times_less(2))]
        )

    def extraction(self, points: int, bound: float, memory_bound: float | None = None) -> Measure:
        about = f"extract_features, {points} points, later runs"
        memory = Target(Comparison.SHARE, memory_bound) if memory_bound else None
        return self._extraction(
            points,
            [
                Figure(f"{about}: the task", "task_seconds", target=times_less(bound)),
                Figure(f"{about}: whole process", "wall_seconds"),
                Figure(f"{about}: processor time", "cpu_seconds"),
                Figure(f"{about}: peak memory", "peak_mib", "MiB", memory),
            ],
        )

    def _extraction(self, points: int, figures: list[Figure]) -> Measure:
        ours = self._extract("spacer_like", points, OURS)
        difference = Figure(
            f"features of {points} points: largest difference, of the largest feature",
            "afterwards_relative_difference",
            unit="",
            target=at_most(1e-4),
            other=None,
        )
        return Measure(
            name=f"extract-{points}",
            sides={OURS: ours, PEER: self._extract("spacer", points, PEER)},
            before=[ours],
            afterwards=self.pythons.program(
                "spacer_like", "compare_features", self._features(OURS, points), self._features(PEER, points)
            ),
            figures=[*figures, difference],
        )

    def _features(self, side: str, points: int) -> Path:
        return self.folders.output(side, f"{points}-points.npz")

    def _extract(self, package: str, points: int, side: str, networks: Path | None = None) -> Command:
        folders = self.folders
        features = self._features(side, points)
        command = self.pythons.program(
            package, "extract", package, folders.photograph, folders.weights, features, points
        )
        return self._with_settings(command, networks)

    def _with_settings(self, command: Command, networks: Path | None = None) -> Command:
        folder = networks or self.folders.converted_networks
        settings = {"SPACER_ONNX_CACHE_DIR": str(folder), "SPACER_TORCH_THREADS": str(THREADS)}
        return replace(command, environment=settings)

    def many_images(self) -> Measure:
        def command(what: str) -> Command:
            folder = self.folders.output("many-images", "features")
            arguments = (what, self.folders.images, self.folders.weights, folder, IMAGES, POINTS_PER_IMAGE)
            return self._with_settings(self.pythons.program("spacer_like", "many_images", *arguments))

        job, network = command("job"), command("network")
        about = f"{IMAGES} images of {POINTS_PER_IMAGE} points in one job"
        return Measure(
            name="many-images",
            sides={OURS: job, NETWORK: network},
            before=[job],
            figures=[
                Figure(f"{about}: the job", "task_seconds", "s", Target(Comparison.SHARE, 1.1), other=NETWORK),
                Figure(
                    f"{about}: reading and cropping, with nothing beside it",
                    "reading_seconds",
                    ours=NETWORK,
                    other=None,
                ),
                Figure(f"{about}: peak memory", "peak_mib", "MiB", other=None),
            ],
        )

    def training(self, kind: str) -> Measure:
        def command(package: str, side: str, files_of: str) -> Command:
            outputs = (self.folders.output(side, f"{kind}.{name}") for name in ("pkl", "json"))
            features = self.folders.features(files_of)
            return self.pythons.program(package, "train", package, kind, self.folders.labels, features, *outputs)

        ours = command("spacer_like", OURS, "spacer_like")
        about = f"train_classifier, {kind}, 10,000 points"
        return Measure(
            name=f"train-{kind}",
            sides={
                OURS: ours,
                PEERS_FILES: command("spacer_like", PEERS_FILES, "spacer"),
                PEER: command("spacer", PEER, "spacer"),
            },
            before=[ours],
            figures=[
                Figure(f"{about}: the task", "task_seconds", target=times_less(3)),
                Figure(f"{about}: the task, on PySpacer's feature files", "task_seconds", ours=PEERS_FILES),
                Figure(f"{about}: whole process", "wall_seconds"),
                Figure(f"{about}: peak memory", "peak_mib", "MiB"),
                Figure(f"{about}: accuracy", "accuracy", "", Target(Comparison.APART, 0.005)),
            ],
        )

    def training_on_many(self) -> Measure:
        """A training whose time is that of its steps, and of reading for them."""
        folder = self.folders.large
        pack = folder.with_suffix(".safetensors")

        def command(side: str, source: Path) -> Command:
            return self.pythons.program("spacer_like", "train_large", side, source, IMAGES_TO_TRAIN, 1)

        def make(report: Report) -> None:
            make_once(
                folder,
                lambda target: run(self.pythons.program("spacer_like", "make_large", target, IMAGES_TO_TRAIN)),
                report,
            )
            packing = ("-m", "spacer_like", "pack-features", str(folder), "--out")
            make_once(
                pack, lambda target: run(Command(self.pythons.of("spacer_like"), (*packing, str(target)))), report
            )

        about = "train_classifier, MLP of 500, 300 and 100 units, 100,000 points, 80 classes"
        rate, of_processor = "annotation_epochs_a_second", "annotation_epochs_a_processor_second"
        return Measure(
            name="train-large",
            sides={OURS: command("ours", folder), PACK: command("ours", pack), LOOP: command("loop", folder)},
            material=make,
            long=True,
            figures=[
                Figure(f"{about}: annotation-epochs a second", rate, "", Target(Comparison.LEAST, 15_000), other=LOOP),
                Figure(f"{about}: of a pack, a second", rate, "", ours=PACK, other=LOOP),
                Figure(f"{about}: of a processor's second", of_processor, "", other=LOOP),
                Figure(f"{about}: of a pack, of a processor's second", of_processor, "", ours=PACK, other=LOOP),
                Figure(f"{about}: peak memory", "peak_mib", "MiB", other=LOOP),
                Figure(f"{about}: accuracy", "accuracy", "", other=LOOP),
            ],
        )

    def classifying(self) -> Measure:
        def scores(side: str) -> Path:
            return self.folders.output(side, "scores.json")

        def command(package: str, side: str) -> Command:
            paths = (self.folders.to_classify(package), self.folders.classifier)
            return self.pythons.program(package, "classify", package, *paths, CLASSIFICATIONS, scores(side))

        sides = {OURS: command("spacer_like", OURS), PEER: command("spacer", PEER)}
        about = f"classify_features, {POINTS_TO_CLASSIFY} points"
        return Measure(
            name="classify",
            sides=sides,
            before=list(sides.values()),
            afterwards=self.pythons.program("spacer_like", "compare_scores", scores(OURS), scores(PEER)),
            figures=[
                Figure(f"{about}, warm: the task", "warm_seconds", "ms", times_less(20)),
                Figure(f"{about}, first in its process: the task", "first_seconds", "ms"),
                Figure("scores of one classifier: largest difference", "afterwards_difference", "", other=None),
            ],
        )

    def looking_up(self) -> Measure:
        sides = {OURS: self._look_up("spacer_like"), PEER: self._look_up("spacer")}
        about = "ClassifyReturnMsg[(row, col)]"
        return Measure(
            name="look-up",
            sides=sides,
            before=list(sides.values()),
            figures=[
                Figure(f"{about}: time among 10,000 points, of that among 100", "growth", "", at_most(2)),
                Figure(f"{about}: one among 10,000 points", "look_up_seconds_many", "µs"),
            ],
        )

    def _look_up(self, package: str) -> Command:
        return self.pythons.program(package, "look_up", package)
