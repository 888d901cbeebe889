"""``spacer-like classify``: what is at each point of an image, or of a feature file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spacer_like.cli import options
from spacer_like.cli.locations import location
from spacer_like.cli.terminal import Terminal
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import SpacerError, SpacerInputError
from spacer_like.overwriting import Place, places

if TYPE_CHECKING:
    from spacer_like.cli.point_files import PointTable
    from spacer_like.cli.point_jobs import ImagePoints
    from spacer_like.cli.running import Answers, Failure

PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".svg", ".pdf", ".webp")
HEADING = ("image", "row", "col", "label", "score", "decided")


def add_to(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command(short_help="What is at points of images.")(classify)


def classify(
    inputs: options.Inputs = None,
    model: Annotated[str, typer.Option(metavar="FILE", help="The classifier: a path or a URI.")] = "",
    points: options.Points = None,
    grid: options.Grid = None,
    random: options.RandomCount = None,
    seed: options.Seed = 0,
    out: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write every point: .csv (best class) or .json (all scores).")
    ] = None,
    annotate: Annotated[
        str | None, typer.Option(metavar="FILE.png", help="Draw the points; of several images: a folder.")
    ] = None,
    threshold: options.Threshold = 0.8,
    extractor: options.Extractor = "lite0",
    weights: options.Weights = None,
    definition: options.Definition = None,
    json_mode: options.JsonMode = False,
) -> int:
    """Classify points of images, or of feature files, and tell how much each class covers."""
    from spacer_like.cli.extractors import extractor_described
    from spacer_like.cli.point_jobs import is_feature_file

    terminal = Terminal(json_mode=json_mode)
    model_loc = options.required(model, "model", "the classifier's path or URI")
    table, sampled = options.table(points), options.sampling(grid, random, seed)
    _check_output(out)
    used = places({"--out": options.optional(out)}, {"--points": options.source(points)})
    if annotate is not None:
        from spacer_like.drawing.figures import check_drawing

        check_drawing()
    pictures: dict[str, DataLocation] = {}
    if inputs and all(map(is_feature_file, inputs)):
        if sampled or annotate:
            raise SpacerInputError(
                "A feature file has its points already and no picture: leave out --grid, --random and --annotate."
            )
        files = [location(one) for one in inputs]
        classified, answers = _classify_features(files, model_loc, table, terminal, used)
    else:
        from spacer_like.cli.point_jobs import images_with_points

        found, unsampled = images_with_points(inputs or [], table, points, sampled)
        described = extractor_described(extractor, weights, definition)
        pictures = _pictures(found, annotate, is_one=len(found) + len(unsampled) == 1)
        used += [Place("--annotate", picture, is_output=True) for picture in pictures.values()]
        classified, answers = _classify_images(found, described, model_loc, terminal, used, unsampled)
    # The numbers first: a picture that cannot be drawn is no reason to lose them.
    _write(classified, out, threshold)
    if pictures:
        answers = answers.with_failures(_annotate(found, classified, pictures, threshold), terminal)
    terminal.answer({"ok": not answers.failures, "images": classified, "failures": answers.failures})
    if not json_mode:
        from spacer_like.cli.rendering import cover

        terminal.show(*cover(classified, threshold))
    return int(answers.exit_code)


def _check_output(out: str | None) -> None:
    if out is not None and PurePosixPath(out).suffix.lower() not in (".csv", ".json"):
        raise SpacerInputError(f"The name of --out must end in .csv or .json, and '{out}' does not.")


def _classify_images(
    found: list[ImagePoints],
    extractor: dict[str, Any],
    model: DataLocation,
    terminal: Terminal,
    used: Sequence[Place],
    unsampled: list[Failure],
) -> tuple[list[dict[str, Any]], Answers]:
    from spacer_like.cli.point_jobs import classify_job
    from spacer_like.cli.running import run_for_answers

    names = [one.name for one in found]
    answers = run_for_answers(classify_job(found, extractor, model), terminal, names, used, unsampled)
    truths = [one.truth for one in found]
    return _classified(names, answers, truths), answers


def _classify_features(
    files: list[DataLocation],
    model: DataLocation,
    table: PointTable | None,
    terminal: Terminal,
    used: Sequence[Place],
) -> tuple[list[dict[str, Any]], Answers]:
    from spacer_like.cli.point_jobs import classify_features_job, image_name, truth_of
    from spacer_like.cli.running import run_for_answers

    names = [image_name(file.filename) for file in files]
    answers = run_for_answers(classify_features_job(files, model), terminal, names, used)
    return _classified(names, answers, [truth_of(name, table) for name in names]), answers


def _classified(names: list[str], answers: Answers, truths: list[dict[tuple[int, int], Any]]) -> list[dict[str, Any]]:
    """For each image that could be classified: its name, the classes, and its points with best class and all scores."""
    images = []
    for name, result, truth in zip(names, answers.results, truths, strict=True):
        if result is None:
            continue
        points = []
        for row, col, scores in result.scores:
            best = max(range(len(scores)), key=scores.__getitem__)
            point = {"row": row, "col": col, "label": result.classes[best], "score": scores[best], "scores": scores}
            if (row, col) in truth:
                point["truth"] = truth[row, col]
            points.append(point)
        images.append({"image": name, "classes": result.classes, "points": points})
    return images


def _write(classified: list[dict[str, Any]], out: str | None, threshold: float) -> None:
    if out is None:
        return
    from spacer_like.storage import write_bytes
    from spacer_like.tables.cells import csv_bytes

    if out.lower().endswith(".json"):
        data = json.dumps({"images": classified}).encode()
    else:
        rows = [
            (
                image["image"], point["row"], point["col"], point["label"], f"{point['score']:.4f}",
                "yes" if point["score"] >= threshold else "no",
            )
            for image in classified
            for point in image["points"]
        ]  # fmt: skip
        data = csv_bytes(HEADING, rows)
    write_bytes(location(out), data)


def _pictures(found: list[ImagePoints], annotate: str | None, is_one: bool) -> dict[str, DataLocation]:
    """Where each image is drawn, by its name: the file, or, of several images, in the folder that `annotate` names."""
    if annotate is None:
        return {}
    from spacer_like.cli.locations import inside, name_inside

    target = location(annotate)
    if is_one and target.filename.lower().endswith(PICTURE_ENDINGS):
        return {found[0].name: target}
    return {one.name: inside(target, f"{name_inside(one.name)}.png") for one in found}


def _annotate(
    found: list[ImagePoints], classified: list[dict[str, Any]], pictures: dict[str, DataLocation], threshold: float
) -> list[Failure]:
    """Draw each classified image; returns those that could not be drawn."""
    from spacer_like.cli.running import failure_of
    from spacer_like.images.decode import load_image
    from spacer_like.reports import annotated_picture

    failures = []
    by_name = {one.name: one for one in found}
    for image in classified:
        one, target = by_name[image["image"]], pictures[image["image"]]
        points = [(point["row"], point["col"], point["label"], point["score"]) for point in image["points"]]
        try:
            annotated_picture(load_image(one.image), points, target, truth=one.truth, threshold=threshold)
        except SpacerError as error:
            failures.append(failure_of(one.name, error))
    return failures
