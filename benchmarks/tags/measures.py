"""What is measured of the tags family, and what each figure should come to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks.figures import OURS, Comparison, Figure, Target
from benchmarks.measures import Measure
from benchmarks.tags.folders import Folders
from benchmarks.tags.material import STAMPS, Material, program

FAMILY = "tags"
PLAIN = "Pillow and torch, one process"
AGAIN = f"{OURS}, a second run"
FEW, SOME, MANY = (f"{OURS}, {size}" for size in ("a fifth as many", "as many", "three times as many"))
CLEANLAB = "cleanlab, the same probabilities"
EXACT = "scikit-learn, tolerance 1e-8"
DEFAULT = "scikit-learn, default tolerance"
PREDICT_PROBA = "predict_proba, each image and model"
ROW_BY_ROW = "a commit for each row"
SAME_SIZE = Target(Comparison.SHARE, 1.1)
QUALITY = {"lite0": 0.87, "lite2": 0.91}
NAMES = {"lite0": "Lite0", "lite2": "Lite2"}


def times_less(bound: float) -> Target:
    return Target(Comparison.TIMES_LESS, bound)


def at_most(bound: float) -> Target:
    return Target(Comparison.ALONE, bound)


def at_least(bound: float) -> Target:
    return Target(Comparison.LEAST, bound)


class TagsMeasures:
    """The measures, on the material of a work folder; `stamps` as of `Material`."""

    def __init__(self, folders: Folders, python: Path, stamps: Path = STAMPS, cleanlab: Path | None = None) -> None:
        self.folders = folders
        self.python, self.cleanlab = python, cleanlab
        self.material = Material(folders, python, stamps)

    def all(self) -> list[Measure]:
        measures = [
            self.embedding(),
            self.memory(),
            self.training(),
            self.scoring(),
            self.clicking(),
            self.writing(),
            *(self.quality(encoder) for encoder in QUALITY),
            *(self.correcting(encoder) for encoder in QUALITY),
            self.promise("drawn", "ten tags with drawn scores", at_least(0.95)),
            self.promise("digits", "scikit-learn's digits", None),
            self.promise("stamps", "stamps, Lite0", None, self.folders.stamp_vectors("lite0")),
            self.wrong_labels("digits", "scikit-learn's digits"),
            self.wrong_labels("points", "points of the examples, Lite0"),
            self.wrong_labels("stamps", "stamps, Lite0", self.folders.stamp_vectors("lite0")),
        ]
        return [replace(measure, family=FAMILY) for measure in measures]

    def embedding(self) -> Measure:
        count = self.folders.images
        images, table = self.folders.some_photographs(count), self.folders.output("embed")
        vectors = self.folders.output("embed-plainly") / "vectors.npy"
        ours = program(self.python, "embed", images, table / "table.parquet")
        about = f"embeddings of {count} JPEGs, Lite0"
        return Measure(
            name="tags-embed",
            # The second run finds what the first one wrote.
            sides={
                OURS: replace(ours, without=table),
                AGAIN: ours,
                PLAIN: program(self.python, "embed_plainly", images, vectors),
            },
            figures=[
                Figure(f"{about}: the task", "task_seconds", "s", times_less(2), other=PLAIN),
                Figure(f"{about}: images a second", "images_per_second", "images/s", other=None),
                Figure(f"{about}: images a second, {PLAIN}", "images_per_second", "images/s", None, PLAIN, None),
                Figure(f"{about}: largest 1 - cosine", "afterwards_cosine_apart", "", at_most(1e-3), other=None),
                Figure(f"{about}: processor time of the whole process", "cpu_seconds", other=PLAIN),
                Figure(f"{about}: peak memory", "peak_mib", "MiB", other=PLAIN),
                Figure(f"{about}, unchanged files again: the task", "task_seconds", "s", times_less(20), AGAIN, OURS),
                Figure(f"{about}, unchanged files again: images decoded", "encoded", "", at_most(0), AGAIN, None),
            ],
            # The first network of a machine is converted to ONNX, and kept.
            before=(ours,),
            afterwards=program(self.python, "embed_plainly", "--compare", table / "table.parquet", vectors),
            material=self.material.photographs,
        )

    def memory(self) -> Measure:
        sides = {}
        for side, count in zip((FEW, SOME, MANY), self.folders.numbers_of_images, strict=True):
            output = self.folders.output(f"memory-{count}")
            command = program(self.python, "embed", self.folders.some_photographs(count), output / "table.parquet")
            sides[side] = replace(command, without=output)
        few, some, many = self.folders.numbers_of_images
        return Measure(
            name="tags-memory",
            sides=sides,
            figures=[
                Figure(f"embeddings of {some:,} JPEGs: peak memory", "peak_mib", "MiB", None, SOME, FEW),
                Figure(f"embeddings of {many:,} JPEGs: peak memory", "peak_mib", "MiB", SAME_SIZE, MANY, FEW),
                Figure(f"embeddings of {few:,} JPEGs: peak memory", "peak_mib", "MiB", None, FEW, None),
            ],
            material=self.material.photographs,
            long=True,
            once=True,
        )

    def training(self) -> Measure:
        sides, files = {}, []
        for side, argument in {OURS: "ours", EXACT: "exact", DEFAULT: "default"}.items():
            files.append(self.folders.output("train") / f"{argument}.npy")
            sides[side] = program(self.python, "train", argument, self.folders.examples, files[-1])
        about = f"50 tags of {self.folders.vectors:,} x 512"
        return Measure(
            name="tags-train",
            sides=sides,
            figures=[
                Figure(f"{about}: a tag", "seconds_each", "ms", times_less(5), other=EXACT),
                Figure(f"{about}: a tag", "seconds_each", "ms", other=DEFAULT),
                Figure(f"{about}: processor time of a tag", "cpu_seconds_each", "ms", other=EXACT),
                Figure(
                    f"{about}: largest difference of a probability, from {EXACT}",
                    "afterwards_apart",
                    "",
                    at_most(0.01),
                    other=None,
                ),
                Figure(f"{about}: the same of {DEFAULT}", "afterwards_default_apart", "", other=None),
            ],
            afterwards=program(self.python, "train", "--compare", *files),
            material=self.material.examples,
        )

    def scoring(self) -> Measure:
        sides = {
            side: program(self.python, "score", argument, self.folders.examples)
            for side, argument in ((OURS, "ours"), (PREDICT_PROBA, "predict-proba"))
        }
        same = Target(Comparison.APART, 1e-9)
        about = f"scores of {self.folders.vectors:,} images by 50 models"
        return Measure(
            name="tags-score",
            sides=sides,
            figures=[
                Figure(f"{about}: an image", "seconds_each", "µs", times_less(50), other=PREDICT_PROBA),
                Figure(f"{about}: mean of some scores", "mean_score", "", same, other=PREDICT_PROBA),
            ],
            material=self.material.examples,
        )

    def clicking(self) -> Measure:
        about = f"one more click, {self.folders.vectors:,} images ranked anew"
        return Measure(
            name="tags-click",
            sides={OURS: program(self.python, "score", "click", self.folders.examples)},
            figures=[
                Figure(f"{about}: median", "click_seconds", "ms", at_most(0.1), other=None),
                Figure(f"{about}: slowest of 20 tags", "slowest_click_seconds", "ms", other=None),
                Figure("twenty images suggested of these", "suggesting_seconds", "ms", other=None),
            ],
            material=self.material.examples,
        )

    def writing(self) -> Measure:
        sides = {}
        for side, argument in ((OURS, "ours"), (ROW_BY_ROW, "row-by-row")):
            output = self.folders.output(f"scores-{argument}")
            command = program(self.python, "write_scores", argument, self.folders.vectors, output)
            sides[side] = replace(command, without=output)
        about = f"scores of {self.folders.vectors:,} images by 50 models"
        return Measure(
            name="tags-write",
            sides=sides,
            figures=[
                Figure(f"{about}: SQLite", "database_seconds", "s", other=ROW_BY_ROW),
                Figure(f"{about}: manifest, Parquet", "manifest_seconds", "s", other=None),
                Figure(f"{about}: rows", "rows", "", other=None),
                Figure(f"{about}: peak memory", "peak_mib", "MiB", other=None),
            ],
        )

    def quality(self, encoder: str) -> Measure:
        about = f"stamps, {NAMES[encoder]}, four folds"
        bound = at_least(QUALITY[encoder])
        return Measure(
            name=f"tags-quality-{encoder}",
            sides={OURS: program(self.python, "stamps", self.folders.stamp_vectors(encoder))},
            figures=[
                Figure(f"{about}: mean average precision", "map", "", bound, other=None),
                Figure(f"{about}: its lowest of five divisions", "lowest_map", "", other=None),
                Figure(f"{about}: the same, tags weighted by their images", "weighted_map", "", other=None),
                Figure(f"{about}: the same, near duplicates in one fold", "apart_map", "", other=None),
                Figure(f"{about}: the same, nearest neighbour", "nearest_map", "", other=None),
                Figure(f"{about}: right tag first", "accuracy", "", other=None),
                Figure(f"{about}: right tag first, nearest neighbour", "nearest_accuracy", "", other=None),
                Figure(f"{about}: images", "images", "", other=None),
                Figure(f"{about}: tags", "tags", "", other=None),
            ],
            material=self.material.stamp_vectors,
            once=True,
        )

    def correcting(self, encoder: str) -> Measure:
        about = f"stamps, {NAMES[encoder]}, 50 labels of each tag, share of what all labels give"
        return Measure(
            name=f"tags-correct-{encoder}",
            sides={OURS: program(self.python, "correct", self.folders.stamp_vectors(encoder))},
            figures=[
                Figure(f"{about}: suggested", "review_share", "", at_least(0.95), other=None),
                Figure(f"{about}: at random", "random_share", "", other=None),
                Figure(f"{about}: without them", "first_share", "", other=None),
                Figure(f"stamps, {NAMES[encoder]}: mean average precision of all labels", "full", "", other=None),
            ],
            material=self.material.stamp_vectors,
            once=True,
        )

    def promise(self, source: str, what: str, kept: Target | None, *arguments: object) -> Measure:
        about = f"precision of .95, 100 drawings, {what}"
        measure = Measure(
            name=f"tags-promise-{source}",
            sides={OURS: program(self.python, "promise", source, *arguments)},
            figures=[
                Figure(f"{about}: promise kept", "kept_share", "", kept, other=None),
                Figure(f"{about}: cases with a threshold", "given_share", "", other=None),
                Figure(f"{about}: images with a tag that get it", "tagged_share", "", other=None),
            ],
            once=True,
        )
        if arguments:
            return replace(measure, material=self.material.stamp_vectors)
        more = [
            Figure(f"{about}: promise kept, of cases with a threshold", "given_kept_share", "", kept, other=None),
            Figure(f"{about}: precision of all tags given", "precision", "", other=None),
        ]
        return replace(measure, figures=[*measure.figures, *more])

    def wrong_labels(self, source: str, what: str, *arguments: object) -> Measure:
        file = self.folders.output("wrong-labels") / f"{source}.npz"
        ours = program(self.python, "wrong_labels", source, file, *arguments)
        sides, has_peer = {OURS: ours}, self.cleanlab is not None and not arguments
        if self.cleanlab is not None and has_peer:
            sides[CLEANLAB] = program(self.cleanlab, "wrong_labels_by_cleanlab", file)
        figures = []
        for share in ("5%", "10%"):
            about = f"{share} of labels changed, {what}"
            for name, rule in (("joint", "confident joint"), ("rate", "noise rate"), ("plain", "another likelier")):
                of_rule = (f"{name}_precision_{share}", f"{name}_recall_{share}")
                other = CLEANLAB if has_peer and name != "plain" else None
                figures += [
                    Figure(f"{about}, {rule}: wrong, of those that look so", of_rule[0], "", other=other),
                    Figure(f"{about}, {rule}: found, of the wrong ones", of_rule[1], "", other=other),
                ]
            figures += [
                Figure(f"{about}: average precision of the ranking", f"ranking_{share}", "", other=None),
                Figure(f"{about}: estimated share of wrong labels", f"estimated_{share}", "", other=None),
            ]
        measure = Measure(name=f"tags-wrong-{source}", sides=sides, figures=figures, once=True)
        return replace(measure, material=self.material.stamp_vectors) if arguments else measure
