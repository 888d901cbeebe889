"""Tables and sentences about chips: a few rows, and the locations of the files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text

from spacer_like.cli.rendering import MOST_ROWS, name, table
from spacer_like.drawing.class_style import shorten
from spacer_like.reports.evaluation import count_of, percent

if TYPE_CHECKING:
    from rich.console import RenderableType

    from spacer_like.chips.messages import (
        BuildIndexReturnMsg,
        BuildLabelTableReturnMsg,
        ChipsFolderReturnMsg,
        CutRastersReturnMsg,
        EncodeChipsReturnMsg,
        ExportCocoReturnMsg,
        FindSimilarReturnMsg,
        IndexNodataReturnMsg,
        LabelChipsReturnMsg,
        LabelFromFeaturesReturnMsg,
        LabelFromMaskReturnMsg,
        LocateChipReturnMsg,
        MapScoresReturnMsg,
        MultilabelFigures,
        PlotLabelsReturnMsg,
        RankPlacesReturnMsg,
        TrainMultilabelReturnMsg,
        VisualizeChipReturnMsg,
    )

Shown = list["RenderableType"]


def cut_tiles(report: ChipsFolderReturnMsg, folder: str) -> Shown:
    """Numbers of chips that were cut and of tiles that failed."""
    return [*_cut(report, report.n_tiles, "tile"), *_where(report, report.n_tiles, folder)]


def cut_rasters(report: CutRastersReturnMsg, folder: str) -> Shown:
    """Numbers of chips that were cut and of rasters that failed, and what is to be known of the chips."""
    shown = _cut(report, report.n_rasters, "raster")
    if report.value_range is not None:
        low, high = report.value_range
        shown.append(Text(f"The values {low:g} and {high:g} became 0 and 255."))
    if report.n_blown_up:
        of = count_of(report.n_blown_up, "raster")
        shown.append(Text(f"Chips of {of} are blown-up pixels: choose a smaller zoom or size.", style="yellow"))
    return [*shown, *_where(report, report.n_rasters, folder)]


def _cut(report: ChipsFolderReturnMsg | CutRastersReturnMsg, count: int, what: str) -> Shown:
    done = count - report.n_skipped - len(report.failed)
    before = f"; {count_of(report.n_skipped, what)} had been cut before" if report.n_skipped else ""
    sentence = f"{count_of(report.n_chips, 'chip')} of {count_of(done, what)}{before}."
    shown: Shown = [Text(sentence, style="yellow" if report.failed else "green")]
    if report.failed:
        shown.append(Text(f"{count_of(len(report.failed), what)} could not be cut.", style="red"))
    return shown


def _where(report: ChipsFolderReturnMsg | CutRastersReturnMsg, count: int, folder: str) -> Shown:
    return [Text(f"Chips and manifests: {folder}")] if len(report.failed) < count else []


def nodata_classes(result: IndexNodataReturnMsg, path: str) -> Shown:
    """The number of chips of each class."""
    rows = table("class", "chips")
    rows.add_row("full of data", f"{result.n_all_data:,}")
    rows.add_row("some data", f"{result.n_partial_data:,}")
    rows.add_row("no data", f"{result.n_no_data:,}")
    how = "By masks, exact." if result.exact else "By the colours of pixels."
    return [rows, *_unreadable(result.unreadable), Text(how), Text(f"Index: {path}")]


def score_maps(result: MapScoresReturnMsg, folder: str) -> Shown:
    """The maps that were made, and the chips that are on none."""
    shown: Shown = [
        Text(f"{count_of(result.n_chips, 'chip')} on {count_of(len(result.maps), 'map')} of {folder}:", style="green"),
        *(Text(f"{folder.rstrip('/')}/{one}") for one in result.maps),
    ]
    if result.n_unplaced:
        shown.append(Text(f"No manifest names {count_of(result.n_unplaced, 'chip')} of the table.", style="yellow"))
    return shown


def located(result: LocateChipReturnMsg) -> Shown:
    """A chip's tile, window and coordinates."""
    rows = table("", "", names=2)
    west, south, east, north = result.bounds
    rows.add_row("tile", Text(result.tile))
    rows.add_row("window", f"column {result.column}, row {result.row}, {result.width} x {result.height} pixels")
    rows.add_row("bounds", f"{west} {south} {east} {north} (EPSG:{result.epsg})")
    rows.add_row("centre", f"{result.latitude:.6f}, {result.longitude:.6f} (latitude, longitude)")
    others = [Text(f"Also: {tile}") for tile in result.other_tiles]
    return [rows, *others]


def fetched_labels(zones: Sequence[dict[str, Any]], folder: str) -> Shown:
    """The cells that were fetched."""
    rows = table("cell", "nodes", "ways", "relations")
    fetched = [(zone["zone"], cell) for zone in zones for cell in zone["fetched"]]
    for zone, cell in fetched[:MOST_ROWS]:
        counts = [f"{cell[kind]:,}" for kind in ("nodes", "ways", "relations")]
        rows.add_row(f"Z{zone:02d}-{cell['quadkey']}", *counts)
    skipped = sum(len(zone["skipped"]) for zone in zones)
    before = f", {skipped:,} were there" if skipped else ""
    summary = Text(f"{count_of(len(fetched), 'cell')} fetched{before}, below {folder}.", style="green")
    return [*([rows] if fetched else []), summary]


def label_counts(result: BuildLabelTableReturnMsg, path: str) -> Shown:
    """The number of chips with each label."""
    shown: Shown = [_counts(result.counts, result.n_chips)]
    if result.cells_without_map:
        few = ", ".join(result.cells_without_map[:3]) + (", …" if len(result.cells_without_map) > 3 else "")
        cells = count_of(len(result.cells_without_map), "cell")
        shown.append(Text(f"No map of {cells}, whose chips are left out: {few}", style="yellow"))
    if result.damaged_maps:
        first = result.damaged_maps[0]
        cells = count_of(len(result.damaged_maps), "cell")
        shown.append(Text(f"The map of {cells} is damaged, whose chips are left out: {first.reason}", style="yellow"))
    return [*shown, *_table_of(result, path)]


def feature_labels(result: LabelFromFeaturesReturnMsg, path: str) -> Shown:
    """The number of chips with each label, and the features that give none."""
    shown: Shown = [_counts(result.counts, result.n_chips)]
    for count, what in (
        (result.n_without_geometry, "no usable geometry"),
        (result.n_without_value, "no value of the attribute"),
    ):
        if count:
            shown.append(Text(f"{count_of(count, 'feature')} with {what}, left out.", style="yellow"))
    return [*shown, *_table_of(result, path)]


def mask_labels(result: LabelFromMaskReturnMsg, path: str) -> Shown:
    """The number of chips with each label, and what the mask leaves open."""
    shown: Shown = [_counts(result.counts, result.n_chips)]
    if result.n_without_data:
        shown.append(Text(f"The mask has no data of {count_of(result.n_without_data, 'chip')}.", style="yellow"))
    if result.unnamed:
        values = ", ".join(map(str, result.unnamed[:MOST_ROWS]))
        shown.append(Text(f"No label, for want of a name: {values}", style="yellow"))
    return [*shown, *_table_of(result, path)]


def coco_counts(result: ExportCocoReturnMsg, path: str) -> Shown:
    """The number of images and annotations."""
    what = f"{count_of(result.n_images, 'image')}, {count_of(result.n_annotations, 'annotation')}: {path}"
    shown: Shown = [Text(what, style="green")]
    if result.n_unplaced:
        shown.append(Text(f"No manifest names {count_of(result.n_unplaced, 'chip')} of the table.", style="yellow"))
    return shown


def shown_chip(result: VisualizeChipReturnMsg, path: str) -> Shown:
    """The labels of a chip, and its picture."""
    labels = ", ".join(shorten(label, 30) for label in result.labels) or "no label"
    return [Text(labels), Text(f"Picture: {path}", style="green")]


def _table_of(result: Any, path: str) -> Shown:
    without = f"{result.n_without_label:,} of {count_of(result.n_chips, 'chip')} have no label."
    return [Text(without), Text(f"Table: {path}")]


def plotted(result: PlotLabelsReturnMsg, paths: Sequence[str]) -> Shown:
    """The locations of the pictures."""
    what = f"{count_of(result.n_chips, 'chip')}, {count_of(result.n_labels, 'label')}: {', '.join(paths)}"
    return [Text(what, style="green")]


def multilabel_training(result: TrainMultilabelReturnMsg, path: str) -> Shown:
    """The model's metrics, label by label."""
    rows = table("label", "chips", "precision", "recall", "F1", "threshold")
    metrics: MultilabelFigures = result.figures
    for label in sorted(result.labels, key=lambda one: -metrics.support[one])[:MOST_ROWS]:
        rows.add_row(
            name(label),
            f"{metrics.support[label]:,}",
            percent(metrics.precision[label]),
            percent(metrics.recall[label]),
            percent(metrics.f1[label]),
            f"{result.thresholds[label]:.2f}",
        )
    cells = count_of(result.n_validation_cells, "cell")
    return [
        rows,
        Text(
            f"Sample-F1 {metrics.sample_f1:.3f} on {count_of(result.n_validation, 'chip')} of {cells} not learnt from; "
            f"always giving the commonest labels has {result.majority_sample_f1:.3f}.",
            style="green" if metrics.sample_f1 > result.majority_sample_f1 else "yellow",
        ),
        *_left_out(result),
        *_unreadable(result.unreadable),
        Text(f"Model: {path}, of data of the version {(result.dataset or '')[:12]}"),
    ]


def _left_out(result: TrainMultilabelReturnMsg) -> Shown:
    """Chips and labels of the table that the model could not be trained on."""
    shown: Shown = []
    if result.unlearned:
        labels = ", ".join(shorten(label, 30) for label in list(result.unlearned)[:MOST_ROWS])
        shown.append(
            Text(
                f"No chip that was learnt from has {labels}: the model cannot know "
                f"{'it' if len(result.unlearned) == 1 else 'them'}. Take more cells, or another --seed.",
                style="yellow",
            )
        )
    if result.n_overlapping:
        chips = count_of(result.n_overlapping, "chip")
        shown.append(Text(f"{chips} not learnt from, for the pixels that others share which validate.", style="yellow"))
    if result.missing:
        chips = count_of(len(result.missing), "chip")
        shown.append(Text(f"No image of {chips} of the table, such as {result.missing[0]}: left out.", style="yellow"))
    return shown


def labelled_chips(result: LabelChipsReturnMsg, path: str) -> Shown:
    """The number of chips that were given each label."""
    return [_counts(result.counts, result.n_chips), *_unreadable(result.unreadable), Text(f"Table: {path}")]


def encoded(result: EncodeChipsReturnMsg, path: str) -> Shown:
    """The number of vectors, and their file."""
    what = f"{count_of(result.n_chips, 'vector')} of {result.dimension} numbers: {path}"
    version = Text(f"Chips of the version {(result.dataset or '')[:12]}")
    return [*_unreadable(result.unreadable), version, Text(what, style="green")]


def indexed(result: BuildIndexReturnMsg, path: str) -> Shown:
    """The number of vectors in an index."""
    more = f" in {count_of(result.n_lists, 'list')}" if result.n_lists else ""
    if result.recall is not None and result.code_recall is not None:
        compared = count_of(result.candidates or 0, "vector")
        more = f" as codes; with {compared} compared they find {result.recall:.2f} of the ten nearest"
        more += f", without any {result.code_recall:.2f}"
    return [Text(f"{count_of(result.n_chips, 'vector')}{more}: {path}", style="green")]


def similar_chips(result: FindSimilarReturnMsg, sheet: str | None) -> Shown:
    """The chips found, nearest first."""
    rows = table("chip", "distance", "latitude", "longitude")
    for one in result.similar[:MOST_ROWS]:
        coordinates = ["" if number is None else f"{number:.6f}" for number in (one.latitude, one.longitude)]
        rows.add_row(Text(one.chip), f"{one.distance:.3f}", *coordinates)
    more = [Text(f"… and {len(result.similar) - MOST_ROWS} more")] if len(result.similar) > MOST_ROWS else []
    return [rows, *more, *([Text(f"Contact sheet: {sheet}")] if sheet else [])]


def ranked_places(result: RankPlacesReturnMsg, folder: str | None) -> Shown:
    """The best chips that have no answer yet, and the maps."""
    rows = table("chip", "score")
    for one in result.best[:MOST_ROWS]:
        rows.add_row(Text(one.chip), f"{one.score:.3f}")
    shown: Shown = [rows, Text(f"{result.n_chips:,} chips by {result.n_yes} yes and {result.n_no} no.", style="green")]
    shown += [Text(f"{str(folder).rstrip('/')}/{one}") for one in result.maps]
    if result.n_unplaced:
        shown.append(Text(f"No manifest names {count_of(result.n_unplaced, 'chip')}.", style="yellow"))
    return shown


def _counts(counts: dict[str, int], n_chips: int) -> RenderableType:
    rows = table("label", "chips", "")
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    for label, count in ordered[:MOST_ROWS]:
        rows.add_row(name(label), f"{count:,}", percent(count / n_chips) if n_chips else "")
    return rows


def _unreadable(unreadable: Sequence[Any]) -> list[Text]:
    if not unreadable:
        return []
    first = unreadable[0]
    return [
        Text(f"{count_of(len(unreadable), 'chip')} could not be read: {first.name}: {first.reason}", style="yellow")
    ]
