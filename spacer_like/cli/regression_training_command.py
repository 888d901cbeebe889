"""``spacer-like regression augment, train, good-bad``: steps of many requests, one for each sub-sample or batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spacer_like.cli.from_message import Given, from_message
from spacer_like.cli.locations import location

if TYPE_CHECKING:
    from rich.console import RenderableType

    from spacer_like.message_base import Message

SAMPLES, AUGMENTED, MODELS = "samples", "augmented", "models"
SAMPLES_OPTION = Annotated[
    str, typer.Option("--samples", "-i", metavar="FOLDER", help="The folder with the parts of a split.")
]
SIZE_OPTION = Annotated[
    int, typer.Option("--size", "-s", min=1, max=4096, help="Width and height of the images in pixels.")
]
_SUB_SAMPLES = Annotated[
    int,
    typer.Option("--sub-samples", "-n", min=0, max=100, help="Sub-samples, beside 0, all that is trained on."),
]
_BATCHES = Annotated[int, typer.Option("--batches", "-b", min=1, max=100_000, help="Batches of each sub-sample.")]
_PROCESSES = Annotated[int | None, typer.Option(min=1, help="Requests at once; without it as many as cores.")]
_PROCESSES_OF_TRAINING = Annotated[int, typer.Option(min=1, help="Networks trained at once, with fewer cores each.")]
_AUGMENTED = Annotated[
    str | None,
    typer.Option(
        "--augmented",
        "-a",
        metavar="FOLDER",
        help="The folder with the batches; without it they are made of the samples while the network learns.",
    ),
]
_MODELS = Annotated[str, typer.Option("--out", "-o", metavar="FOLDER", help="The folder where the models go.")]
_FILES = ("model_loc", "batch_locs", "sample_locs", "validation_locs", "snapshots_loc", "metrics_loc", "figure_loc")
_LETTERS = {"network": "m", "passes": "N", "minibatch": "z"}


def add_to(regression: typer.Typer) -> None:
    """Add this module's commands."""
    from spacer_like.regression.messages import AugmentDatasetMsg, TrainGoodBadMsg, TrainRegressorMsg

    of_many = {"samples": (SAMPLES_OPTION, SAMPLES), "size": (SIZE_OPTION, 128), "sub_samples": (_SUB_SAMPLES, 3)}
    regression.command("augment", short_help="Make batches of changed images.")(
        from_message(
            AugmentDatasetMsg,
            _augment,
            defaults={"out_loc": AUGMENTED},
            left_out=("sample_locs", "sub_sample", "batch"),
            letters={"out_loc": "o", "per_bin": "z"},
            more={**of_many, "batches": (_BATCHES, 3), "processes": (_PROCESSES, None)},
        )
    )
    training: dict[str, Any] = {
        "left_out": (*_FILES, "sub_sample", "n_batches"),
        "letters": _LETTERS,
        "more": {
            "augmented": (_AUGMENTED, None),
            **of_many,
            "out": (_MODELS, MODELS),
            "batches": (_BATCHES, 3),
            "processes": (_PROCESSES_OF_TRAINING, 1),
        },
    }
    regression.command("train", short_help="Train a network on each sub-sample.")(
        from_message(TrainRegressorMsg, _train, **training)
    )
    regression.command("good-bad", short_help="Train networks that tell which galaxies have an inclination.")(
        from_message(TrainGoodBadMsg, _train, **training)
    )


def _augment(given: Given) -> int:
    from spacer_like.cli.regression_rendering import augmented
    from spacer_like.workflows.regression_requests import augment_requests

    samples = location(given["samples"])
    requests = augment_requests(samples, given["size"], given["sub_samples"], given["batches"], given.fields)
    return _run(given, requests, given["processes"], lambda results: augmented(results, given["out"]))


def _train(given: Given) -> int:
    from spacer_like.cli.regression_rendering import trained
    from spacer_like.workflows.regression_requests import Folders, train_requests

    if given["extractor"] is not None:
        given.fields["network"] = "extractor"
    folders = Folders(
        location(given["samples"]),
        location(given["out"]),
        None if given["augmented"] is None else location(given["augmented"]),
    )
    requests = train_requests(
        given.message_class, folders, given["size"], given["sub_samples"], given["batches"], given.fields
    )
    return _run(given, requests, given["processes"], lambda results: trained(results, given["out"]))


def _run(
    given: Given,
    requests: dict[str, Message],
    processes: int | None,
    shown: Callable[[dict[str, Any]], Sequence[RenderableType]],
) -> int:
    """Run requests by their names, and show the results by theirs."""
    from spacer_like.cli.running import run_by_processes

    answers = run_by_processes(list(requests.values()), given.terminal, list(requests), processes)
    results = {name: result for name, result in zip(requests, answers.results, strict=True) if result is not None}
    given.terminal.answer(
        {
            "ok": not answers.failures,
            "results": {name: result.serialize() for name, result in results.items()},
            "failures": answers.failures,
        }
    )
    if not given.terminal.json_mode:
        given.terminal.show(*shown(results))
    return int(answers.exit_code)
