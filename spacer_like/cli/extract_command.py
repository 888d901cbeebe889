"""``spacer-like extract``: features of points, for those who have no message to write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from spacer_like.cli import options
from spacer_like.cli.locations import inside
from spacer_like.cli.terminal import Terminal

if TYPE_CHECKING:
    from spacer_like.cli.point_jobs import ImagePoints
    from spacer_like.cli.running import Answers, Failure
    from spacer_like.location import DataLocation
    from spacer_like.messages import ExtractFeaturesMsg, ExtractFeaturesReturnMsg
    from spacer_like.overwriting import NamedLocation


CALIBRATION_FILE = "calibration-int8.json"
"""The calibration's name, in the folder of the feature files, where no other is given."""


def add_to(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command(short_help="Features of points in images.")(extract)


def extract(
    out: Annotated[str, typer.Option(metavar="FOLDER", help="Where feature files go: a folder or URI prefix.")],
    images: options.Images = None,
    points: options.Points = None,
    grid: options.Grid = None,
    random: options.RandomCount = None,
    stratified: options.Stratified = None,
    seed: options.Seed = 0,
    margin: options.Margin = None,
    area: options.Area = None,
    points_out: Annotated[
        str | None, typer.Option(metavar="FILE.csv", help="Write the points that were set, to be labelled.")
    ] = None,
    extractor: options.Extractor = "lite0",
    weights: options.Weights = None,
    definition: options.Definition = None,
    precision: options.Precision = "fp32",
    calibration: options.Calibration = None,
    json_mode: options.JsonMode = False,
) -> int:
    """Extract the features of points in images, one feature file for each image.

    Images whose features are there, unchanged, of the same points and by the same extractor, are not extracted again.
    """
    from spacer_like.cli.extractors import calibrate, calibration_location, prepared_extractor
    from spacer_like.cli.point_jobs import extract_job, images_with_points
    from spacer_like.overwriting import check_outputs, named_locations
    from spacer_like.storage import write_bytes
    from spacer_like.tables.cells import csv_bytes

    terminal = Terminal(json_mode=json_mode)
    folder = options.required(out, "out", "the folder or URI prefix for feature files")
    sampled = options.sampling(grid, random, seed, stratified, margin, area)
    points_loc = options.optional(points_out)
    calibration_loc = calibration_location(precision, calibration, inside(folder, CALIBRATION_FILE))
    used = named_locations({"--points-out": points_loc}, {"--points": options.source(points)})
    check_outputs([*used, *named_locations({"--calibration": calibration_loc}, {})])
    if calibration_loc is None:
        described = prepared_extractor(extractor, weights, definition)
    table, tabled = options.table(points, terminal), points_out is not None
    found, failures = images_with_points(images or [], table, points, sampled, terminal, tabled)
    if calibration_loc is not None:
        _check_calibration(calibration_loc, used, found, folder)
        calibrate(extractor, weights, definition, calibration_loc, found)
        described = prepared_extractor(extractor, weights, definition, calibration_loc)
    tasks = extract_job(found, described, folder).tasks
    run = _Run([one.name for one in found], tasks, folder)
    answers = run.answers(terminal, used, failures, table.row_of if table else None)
    if points_loc is not None:
        rows = [(one.name, row, col) for one in found for row, col in one.rowcols]
        write_bytes(points_loc, csv_bytes(("image", "row", "col"), rows))
    files = [
        {
            "image": one.name,
            "features": task.feature_loc.display_name,
            "points": len(one.points),
            "runtime": seconds,
            "unchanged": is_unchanged,
        }
        for one, task, seconds, is_unchanged in zip(found, tasks, run.seconds, run.unchanged, strict=True)
        if seconds is not None
    ]
    terminal.answer({"ok": not answers.failures, "files": files, "failures": answers.failures})
    if not json_mode:
        from spacer_like.cli.rendering import extraction, written

        files_beside = {"Points": points_out, "Calibration": calibration_loc.display_name if calibration_loc else None}
        terminal.show(*extraction(files), *written(files_beside))
    return int(answers.exit_code)


def _check_calibration(
    calibration: DataLocation, used: Sequence[NamedLocation], images: Sequence[ImagePoints], folder: DataLocation
) -> None:
    """Refuse, as a `MessageError`, a calibration where the extraction will write features or points."""
    from spacer_like.cli.point_jobs import feature_key
    from spacer_like.overwriting import NamedLocation, check_locations

    names = dict.fromkeys(feature_key(one.name) for one in images)
    written = [NamedLocation("--out", inside(folder, name), is_output=True) for name in names]
    check_locations([*used, *written, NamedLocation("--calibration", calibration, is_output=False)])


class _Run:
    """The tasks of an extraction, of which those are run that are not done.

    Args:
        names: of the images.
        tasks: one for each image.
        folder: of all feature files.
    """

    def __init__(self, names: Sequence[str], tasks: Sequence[ExtractFeaturesMsg], folder: DataLocation) -> None:
        from spacer_like.workflows.extraction import ExtractionRecord

        self._names, self._tasks = names, tasks
        self._record = ExtractionRecord(folder)
        self.unchanged = self._record.is_done(tasks)
        self.seconds: list[float | None] = [0.0 if is_unchanged else None for is_unchanged in self.unchanged]
        """What each took; None where it failed or was not run."""
        self._left = [number for number, is_unchanged in enumerate(self.unchanged) if not is_unchanged]

    def answers(
        self,
        terminal: Terminal,
        used: Sequence[NamedLocation],
        failures: Sequence[Failure],
        row_of: Callable[[str, str], str] | None,
    ) -> Answers:
        """Run what is left; the arguments as of `run_for_answers`."""
        from spacer_like.cli.running import Answers, run_for_answers
        from spacer_like.mailman import ExitCode
        from spacer_like.messages import JobMsg

        if not self._left:
            return Answers([], [], ExitCode.DONE).with_failures(failures, terminal)
        job = JobMsg(task_name="extract_features", tasks=[self._tasks[number] for number in self._left])
        names = [self._names[number] for number in self._left]
        is_rest = len(self._left) < len(self._tasks)
        try:
            return run_for_answers(job, terminal, names, used, failures, self._take, row_of, is_rest)
        finally:
            self._record.write()

    def _take(self, number: int, result: ExtractFeaturesReturnMsg) -> None:
        self._record.add(self._tasks[self._left[number]])
        self.seconds[self._left[number]] = result.runtime
