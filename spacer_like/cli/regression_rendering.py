"""Tables and sentences about inclinations of galaxies: a few rows, and the locations of the files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text

from spacer_like.cli.rendering import MOST_ROWS, name, table
from spacer_like.drawing.class_style import plain_text
from spacer_like.reports.evaluation import count_of

if TYPE_CHECKING:
    from rich.console import RenderableType

    from spacer_like.message_base import Unreadable
    from spacer_like.regression.messages import (
        AugmentDatasetReturnMsg,
        CalibrateRegressorReturnMsg,
        EvaluateRegressorReturnMsg,
        ExportOnnxReturnMsg,
        ImportKerasWeightsReturnMsg,
        MeasureAxisRatiosReturnMsg,
        PackDatasetReturnMsg,
        PredictRegressorReturnMsg,
        PrepareImagesReturnMsg,
        SimulateGalaxiesReturnMsg,
        SplitDatasetReturnMsg,
    )
    from spacer_like.workflows.regression import PipelineReport

Shown = list["RenderableType"]
_FAILURES_SHOWN = 10


def prepared(result: PrepareImagesReturnMsg) -> Shown:
    """The images that were prepared, by their labels, and what is missing."""
    rows = table("label", "images")
    for label, count in result.labels.items():
        rows.add_row(name(label.replace("_", " ")), f"{count:,}")
    shown: Shown = [rows, *_failures(result.failed, result.n_failed)]
    if result.n_missing:
        shown.append(Text(f"{count_of(result.n_missing, 'galaxy', 'galaxies')} without an image.", style="yellow"))
    if result.n_unlisted:
        shown.append(Text(f"{count_of(result.n_unlisted, 'image')} of galaxies that are not listed.", style="yellow"))
    for fault in result.faults[:_FAILURES_SHOWN]:
        shown.append(Text(f"Line {fault.line} of the catalog: {plain_text(fault.reason)}", style="yellow"))
    ended = f"{count_of(result.n_written, 'image')} of {count_of(result.n_galaxies, 'galaxy', 'galaxies')} prepared."
    return [*shown, Text(ended, style="green")]


def packed(result: PackDatasetReturnMsg, folder: str) -> Shown:
    """The file that was packed."""
    by_label = ", ".join(f"{count:,} {label.replace('_', ' ')}" for label, count in result.labels.items())
    return [Text(f"{count_of(result.n_images, 'image')} ({by_label}) in {folder}/{result.file}.", style="green")]


def split(result: SplitDatasetReturnMsg) -> Shown:
    """The sizes of the parts."""
    rows = table("file", "images")
    for file, count in list(result.files.items())[:MOST_ROWS]:
        rows.add_row(name(file), f"{count:,}")
    summary = (
        f"{count_of(result.n_galaxies, 'galaxy', 'galaxies')}: {result.n_training:,} to train on, "
        f"{result.n_held_out:,} held out; {result.n_left_out:,} left out."
    )
    return [rows, *_more(len(result.files)), Text(summary, style="green")]


def augmented(results: Mapping[str, AugmentDatasetReturnMsg], folder: str) -> Shown:
    """The batches that were made."""
    rows = table("file", "images", "colour")
    for result in list(results.values())[:MOST_ROWS]:
        rows.add_row(name(result.file), f"{result.n_images:,}", f"{result.filters.get('c', 0):,}")
    summary = f"{count_of(len(results), 'batch', 'batches')} in {folder}."
    return [rows, *_more(len(results)), Text(summary, style="green")]


def trained(results: Mapping[str, Any], folder: str) -> Shown:
    """How well each network did on galaxies that it was not trained on."""
    of_degrees = any(hasattr(result, "rms") for result in results.values())
    columns = ("RMS", "MAE") if of_degrees else ("accuracy",)
    rows = table("network", "batches", "loss", *columns)
    for model, result in results.items():
        numbers = (_degrees(result.rms), _degrees(result.mae)) if of_degrees else (_share(result.accuracy),)
        rows.add_row(name(model), f"{result.steps:,}", f"{result.loss:.4f}", *numbers)
    shown: Shown = [rows]
    if any(result.resumed_from for result in results.values()):
        shown.append(Text("Training went on from where it was interrupted."))
    for model, result in results.items():
        shown += [Text(f"{model}: {plain_text(one)}", style="yellow") for one in result.warnings]
    return [*shown, Text(f"{count_of(len(results), 'network')} in {folder}.", style="green")]


def simulated(result: SimulateGalaxiesReturnMsg) -> Shown:
    """The galaxies that were made."""
    galaxies = count_of(result.n_galaxies, "galaxy", "galaxies")
    return [Text(f"{galaxies} in {count_of(result.n_files, 'image')}.", style="green")]


def measured(result: MeasureAxisRatiosReturnMsg) -> Shown:
    """How many images could be measured."""
    compared = ""
    if result.rms is not None and result.mae is not None:
        compared = f" Against {result.n_compared:,} labels: RMS {_degrees(result.rms)}, MAE {_degrees(result.mae)}."
    summary = f"{result.n_good:,} of {count_of(result.n_images, 'image')} measured, {result.n_doubtful:,} in doubt."
    return [*_failures(result.failed, result.n_failed), Text(summary + compared, style="green")]


def predicted(result: PredictRegressorReturnMsg) -> Shown:
    """How many images have an answer."""
    summary = f"Inclinations for {count_of(result.n_images, 'image')}, {result.n_warned:,} of them with a warning."
    return [*_failures(result.failed, result.n_failed), Text(summary, style="green")]


def evaluated(result: EvaluateRegressorReturnMsg) -> Shown:
    """How good networks are together, on galaxies that none of them was trained on."""
    shown: Shown = []
    if result.rms is not None:
        errors = f"The median of all networks: RMS {_degrees(result.rms)}, MAE {_degrees(result.mae)}"
        shown.append(Text(f"{errors} ({count_of(result.n_rows, 'image')}).", style="green"))
    if result.coverage is not None:
        shown.append(Text(f"The intervals hold {_share(result.coverage)} of the labels."))
    if result.accuracy is not None:
        shown.append(Text(f"Good galaxies are told from bad with an accuracy of {_share(result.accuracy)}."))
    if result.n_suspicious:
        shown.append(Text(f"{count_of(result.n_suspicious, 'label')} to be looked at again.", style="yellow"))
    return shown


def pipeline_ended(report: PipelineReport, out: str) -> Shown:
    """How well the networks of a pipeline did, and where its files are."""
    networks = {step: answer for step, answer in report.answers.items() if hasattr(answer, "steps")}
    shown = trained(networks, f"{out}/models") if networks else []
    if (errors := report.answers.get("evaluate")) is not None:
        shown += evaluated(errors)
    if (intervals := report.answers.get("calibrate")) is not None:
        shown += calibrated(intervals)
    if (sorted_out := report.answers.get("evaluate_good_bad")) is not None:
        shown += evaluated(sorted_out)
    shown += [Text(f"{step} was left out: {plain_text(why)}", style="yellow") for step, why in report.skipped.items()]
    ended = f"{count_of(len(report.answers), 'step')} done, {report.steps_run:,} of them in this run: see {out}."
    return [*shown, Text(ended, style="green" if report.ok else "yellow")]


def calibrated(result: CalibrateRegressorReturnMsg) -> Shown:
    """How many labels the intervals of each band hold."""
    rows = table("band", "rows", "coverage", "mean width")
    for band in result.bands[:MOST_ROWS]:
        rows.add_row(name(band.band), f"{band.n_rows:,}", _share(band.coverage), _degrees(band.mean_width))
    summary = f"Intervals of {count_of(result.n_rows, 'prediction')}; {result.n_left_out:,} left out."
    warnings = [Text(plain_text(one), style="yellow") for one in result.warnings]
    return [rows, *warnings, Text(summary, style="green")]


def imported(result: ImportKerasWeightsReturnMsg) -> Shown:
    """The network whose weights were read."""
    tells = "inclinations" if result.n_classes is None else "good galaxies from bad"
    summary = f"{result.network} of {result.size} pixels, {result.n_weights:,} numbers, which tells {tells}."
    return [Text(summary, style="green")]


def exported(result: ExportOnnxReturnMsg) -> Shown:
    """The network that was exported."""
    summary = f"{result.network} of {result.size} pixels in {result.n_bytes:,} bytes."
    return [Text(summary, style="green")]


def _degrees(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}°"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _failures(failed: Sequence[Unreadable], count: int) -> Shown:
    if not count:
        return []
    rows = table("image", "", names=2)
    for one in failed[:_FAILURES_SHOWN]:
        rows.add_row(name(one.name), Text(plain_text(one.reason)))
    return [rows, Text(f"{count_of(count, 'image')} failed.", style="red")]


def _more(count: int) -> Shown:
    return [Text(f"… and {count - MOST_ROWS:,} more")] if count > MOST_ROWS else []
