"""``spacer-like classify``: what is at each point of an image, or of a feature file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import PurePosixPath
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Annotated

import typer

from spacer_like import interruption
from spacer_like.cli import options
from spacer_like.cli.locations import location
from spacer_like.cli.terminal import Terminal
from spacer_like.exceptions import SpacerInputError
from spacer_like.location import DataLocation

if TYPE_CHECKING:
    from spacer_like.cli.classified import GrowingFile
    from spacer_like.cli.point_jobs import ImagePoints
    from spacer_like.cli.running import Answers, Failure

PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".svg", ".pdf", ".webp")
PIECE_BYTES = 2**20


def add_to(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command(short_help="What is at points of images.")(classify)


def classify(
    model: Annotated[str, typer.Option(metavar="FILE", help="The classifier: a path or a URI.")],
    inputs: options.Inputs = None,
    points: options.Points = None,
    grid: options.Grid = None,
    random: options.RandomCount = None,
    stratified: options.Stratified = None,
    seed: options.Seed = 0,
    margin: options.Margin = None,
    area: options.Area = None,
    out: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write every point: .csv (best class) or .json (all scores).")
    ] = None,
    coralnet: Annotated[
        bool, typer.Option("--coralnet", help="Write the .csv as CoralNet exports it, with five suggestions.")
    ] = False,
    annotate: Annotated[
        str | None, typer.Option(metavar="FILE.png", help="Draw the points; of several images: a folder.")
    ] = None,
    threshold: options.Threshold = 0.8,
    extractor: options.Extractor = "lite0",
    weights: options.Weights = None,
    definition: options.Definition = None,
    precision: options.Precision = "fp32",
    calibration: options.Calibration = None,
    json_mode: options.JsonMode = False,
) -> int:
    """Classify points of images, or of feature files, and show how much each class covers."""
    from spacer_like.cli.classified import Classified, GrowingFile, writing
    from spacer_like.cli.extractors import calibration_location, prepared_extractor
    from spacer_like.cli.point_jobs import (
        classify_features_job,
        classify_job,
        images_with_points,
        is_feature_file,
        truth_of,
    )
    from spacer_like.cli.running import run_for_answers
    from spacer_like.learning.labels_split import image_name
    from spacer_like.learning.model_files import check_extractor, load_classifier
    from spacer_like.overwriting import NamedLocation, check_locations, check_outputs, named_locations

    terminal = Terminal(json_mode=json_mode)
    model_loc = options.required(model, "model", "the classifier's path or URI")
    table, sampled = options.table(points, terminal), options.sampling(grid, random, seed, stratified, margin, area)
    out_loc = _output(out)
    calibration_loc = calibration_location(precision, calibration, None)
    if coralnet and (out_loc is None or not out_loc.filename.lower().endswith(".csv")):
        raise options.UsageError("The option --coralnet is of a table: name one that ends in .csv with --out.")
    used = named_locations({"--out": out_loc}, {"--points": options.source(points)})
    check_locations([*used, NamedLocation("classifier_loc", model_loc, is_output=False)])
    check_outputs(used)
    if annotate is not None:
        from spacer_like.drawing.figures import check_drawing

        check_drawing()
    found: list[ImagePoints] = []
    pictures: dict[str, DataLocation] = {}
    unsampled: list[Failure] = []
    if inputs and all(map(is_feature_file, inputs)):
        if sampled or annotate:
            raise SpacerInputError(
                "A feature file has its points already and no picture: leave out --grid, --random and --annotate."
            )
        files = [location(one) for one in inputs]
        names = [image_name(file.filename) for file in files]
        truths = [truth_of(name, table) for name in names]
        load_classifier(model_loc)
        job = classify_features_job(files, model_loc)
    else:
        tabled = out_loc is not None and out_loc.filename.lower().endswith(".csv")
        described = prepared_extractor(extractor, weights, definition, calibration_loc)
        check_extractor(load_classifier(model_loc), described, model_loc.display_name)
        found, unsampled = images_with_points(inputs or [], table, points, sampled, terminal, tabled)
        names, truths = [one.name for one in found], [one.truth for one in found]
        pictures = _pictures(found, annotate, is_one=len(found) + len(unsampled) == 1)
        used += [NamedLocation("--annotate", picture, is_output=True) for picture in pictures.values()]
        job = classify_job(found, described, model_loc)
    classified = Classified(names, truths, threshold)
    with TemporaryFile() as spool:
        images = GrowingFile(spool)
        with writing(classified, out_loc, coralnet=coralnet):
            if json_mode:
                classified.write_json(images)
            # After the numbers: a picture that cannot be drawn is no reason to lose them.
            undrawn = classified.draw(found, pictures) if pictures else []
            answers = run_for_answers(
                job, terminal, names, used, unsampled, classified.take, table.row_of if table else None
            )
        answers = answers.with_failures(undrawn, terminal)
        if table is not None:
            files_of = [one.image.filename for one in found] or names
            looked_at = [one.rowcols for one in found] or [list(truth) for truth in truths]
            _note_learned(model_loc, files_of, looked_at, terminal)
        terminal.answer_in_parts(_answer(answers, images, spool))
    if not json_mode:
        from spacer_like.cli.rendering import cover, written

        terminal.show(*cover(classified.cover), *written({"Every point": out, "Pictures": annotate}))
    return int(answers.exit_code)


def _note_learned(
    model: DataLocation, files: list[str], points: list[list[tuple[int, int]]], terminal: Terminal
) -> None:
    """Note how many points the model was trained on: their accuracy says nothing about other points."""
    from spacer_like.learning.labels_split import count_learned
    from spacer_like.learning.model_files import load_classifier

    metrics = getattr(load_classifier(model), "metrics", {})
    total = sum(map(len, points))
    count = count_learned(
        metrics, ((file, row, col) for file, some in zip(files, points, strict=True) for row, col in some)
    )
    if count:
        terminal.note(
            f"The model learned from {count:,} of these {total:,} points (as far as the names of images show): how "
            "well it does on them does not show how well it does on others."
        )


def _output(out: str | None) -> DataLocation | None:
    if out is not None and PurePosixPath(out).suffix.lower() not in (".csv", ".json"):
        raise SpacerInputError(f"The name of --out must end in .csv or .json, and '{out}' does not.")
    return options.optional(out)


def _answer(answers: Answers, images: GrowingFile, spool: IO[bytes]) -> Iterator[str]:
    """The JSON of the whole answer; that of the images comes from a file."""
    images.end()
    spool.seek(0)
    yield f'{{"ok": {json.dumps(not answers.failures)}, "images": ['
    while data := spool.read(PIECE_BYTES):
        yield data.decode("ascii")
    interrupted = ', "interrupted": true' if interruption.heard() else ""
    yield f'], "failures": {json.dumps(answers.failures)}{interrupted}}}'


def _pictures(found: list[ImagePoints], annotate: str | None, is_one: bool) -> dict[str, DataLocation]:
    """The picture's location of each image by its name: `annotate` itself, or for several images a file in it."""
    if annotate is None:
        return {}
    from spacer_like.cli.locations import inside, name_inside

    target = location(annotate)
    if is_one and target.filename.lower().endswith(PICTURE_ENDINGS):
        return {found[0].name: target}
    return {one.name: inside(target, f"{name_inside(one.name)}.png") for one in found}
