"""``spacer-like extract``: features of points, for those who have no message to write."""

from __future__ import annotations

from typing import Annotated

import typer

from spacer_like.cli import options
from spacer_like.cli.terminal import Terminal


def add_to(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command(short_help="Features of points in images.")(extract)


def extract(
    out: Annotated[str, typer.Option(metavar="FOLDER", help="Where feature files go: a folder or URI prefix.")],
    images: options.Images = None,
    points: options.Points = None,
    grid: options.Grid = None,
    random: options.RandomCount = None,
    seed: options.Seed = 0,
    points_out: Annotated[
        str | None, typer.Option(metavar="FILE.csv", help="Write the points that were set, to be labelled.")
    ] = None,
    extractor: options.Extractor = "lite0",
    weights: options.Weights = None,
    definition: options.Definition = None,
    json_mode: options.JsonMode = False,
) -> int:
    """Extract the features of points in images, one feature file for each image."""
    from spacer_like.cli.extractors import prepared_extractor
    from spacer_like.cli.point_jobs import extract_job, images_with_points
    from spacer_like.cli.running import run_for_answers
    from spacer_like.overwriting import check_outputs, named_locations
    from spacer_like.storage import write_bytes
    from spacer_like.tables.cells import csv_bytes

    terminal = Terminal(json_mode=json_mode)
    folder = options.required(out, "out", "the folder or URI prefix for feature files")
    sampled = options.sampling(grid, random, seed)
    points_loc = options.optional(points_out)
    used = named_locations({"--points-out": points_loc}, {"--points": options.source(points)})
    check_outputs(used)
    described = prepared_extractor(extractor, weights, definition)
    table, tabled = options.table(points, terminal), points_out is not None
    found, failures = images_with_points(images or [], table, points, sampled, terminal, tabled)
    job = extract_job(found, described, folder)
    answers = run_for_answers(
        job, terminal, [one.name for one in found], used, failures, row_of=table.row_of if table else None
    )
    if points_loc is not None:
        rows = [(one.name, row, col) for one in found for row, col in one.rowcols]
        write_bytes(points_loc, csv_bytes(("image", "row", "col"), rows))
    files = [
        {
            "image": one.name,
            "features": task.feature_loc.display_name,
            "points": len(one.points),
            "runtime": result.runtime,
        }
        for one, task, result in zip(found, job.tasks, answers.results, strict=True)
        if result is not None
    ]
    terminal.answer({"ok": not answers.failures, "files": files, "failures": answers.failures})
    if not json_mode:
        from spacer_like.cli.rendering import extraction, written

        terminal.show(*extraction(files), *written({"Points": points_out}))
    return int(answers.exit_code)
