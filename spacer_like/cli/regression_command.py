"""``spacer-like regression``: from images of galaxies and a catalog to networks that tell inclinations."""

from __future__ import annotations

from typing import Annotated

import typer

from spacer_like.cli.from_message import Given, from_message, run_and_show
from spacer_like.cli.locations import location
from spacer_like.cli.options import group_on_demand

PREPARED, PACKED = "prepared", "packed"
_SIZE = Annotated[int, typer.Option("--size", "-s", min=1, max=4096, help="Width and height of the images in pixels.")]
_PACKED = Annotated[str, typer.Option("--packed", "-i", metavar="FOLDER", help="The folder with the packed images.")]


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    regression = group_on_demand("Inclinations of galaxies, a number for each image.", _add_commands)
    app.add_typer(regression, name="regression", short_help="A number for each image: inclinations of galaxies.")


def _add_commands(regression: typer.Typer) -> None:
    from spacer_like.cli import regression_results_command, regression_run_commands, regression_training_command
    from spacer_like.cli.regression_training_command import SAMPLES
    from spacer_like.regression.messages import PackDatasetMsg, PrepareImagesMsg, SplitDatasetMsg

    regression.command("prepare", short_help="Prepare the images of a catalog's galaxies.")(
        from_message(
            PrepareImagesMsg,
            _prepare,
            names={"out_loc": "out"},
            defaults={"images_loc": "galaxies", "out_loc": PREPARED},
            letters={"images_loc": "p", "root": "r", "catalog_loc": "c", "band": "b", "size": "s", "out_loc": "o"},
        )
    )
    regression.command("pack", short_help="Pack prepared images into one file.")(
        from_message(
            PackDatasetMsg,
            _pack,
            defaults={"out_loc": PACKED},
            letters={"images_loc": "i", "size": "s", "out_loc": "o"},
        )
    )
    regression.command("split", short_help="Hold galaxies out, and draw sub-samples.")(
        from_message(
            SplitDatasetMsg,
            _split,
            defaults={"out_loc": SAMPLES},
            left_out=("packed_locs",),
            letters={"out_loc": "o", "sub_samples": "n"},
            more={"packed": (_PACKED, PACKED), "size": (_SIZE, 128)},
        )
    )
    regression_training_command.add_to(regression)
    regression_results_command.add_to(regression)
    regression_run_commands.add_to(regression)


def _prepare(given: Given) -> int:
    from spacer_like.cli.regression_rendering import prepared
    from spacer_like.cli.rendering import written

    files = {"Images": given["out"], "Failures": given["failures"]}
    return run_and_show(given, given["images"], lambda result: [*prepared(result), *written(files)])


def _pack(given: Given) -> int:
    from spacer_like.cli.regression_rendering import packed

    return run_and_show(given, given["images"], lambda result: packed(result, given["out"]))


def _split(given: Given) -> int:
    from spacer_like.cli.regression_rendering import split
    from spacer_like.cli.rendering import written
    from spacer_like.regression.folders import packed_bands

    given.fields["packed_locs"] = packed_bands(location(given["packed"]), given["size"])
    return run_and_show(given, given["packed"], lambda result: [*split(result), *written({"Parts": given["out"]})])
