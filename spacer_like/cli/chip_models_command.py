"""``spacer-like chips train, label, encode, index, similar``: models of chips, and places that look alike."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from spacer_like.cli import options
from spacer_like.cli.chip_requests import (
    Chips,
    Extractor,
    Model,
    extractor,
    place,
    places,
    run_and_show,
    whole_numbers,
)
from spacer_like.exceptions import SpacerInputError


def add_to(chips: typer.Typer) -> None:
    """Add this module's commands."""
    chips.command(short_help="Train a model of labels.")(train)
    chips.command(short_help="Let a model label chips.")(label)
    chips.command(short_help="Make a vector of every chip.")(encode)
    chips.command(short_help="Make an index of vectors.")(index)
    chips.command(short_help="Find chips that look like one.")(similar)


def train(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="A table of 0 and 1 of spacer-like chips label-table.")],
    chips: Chips,
    model: Annotated[str, typer.Option(metavar="FILE", help="Where the model goes.")] = "labels.safetensors",
    extractor_name: Annotated[
        str | None, typer.Option("--extractor", metavar="NAME", help="Train a head on its features: lite0, resnet50.")
    ] = None,
    network: Annotated[
        Literal["resnet50", "small"], typer.Option(help="Without --extractor: train resnet50 or small as a whole.")
    ] = "resnet50",
    weights: options.Weights = None,
    unfreeze: Annotated[
        str, typer.Option(metavar="EPOCHS", help="With weights: epochs at which a stage more learns, by commas.")
    ] = "",
    size: Annotated[int, typer.Option(min=32, max=1024, help="Width of chips for a network.")] = 224,
    epochs: Annotated[int, typer.Option(min=1, max=10_000, help="Passes over the training set.")] = 15,
    batch_size: Annotated[int, typer.Option(min=2, max=4096)] = 32,
    learning_rate: Annotated[float, typer.Option(min=0.0, max=1.0)] = 1e-3,
    validation: Annotated[float, typer.Option(min=0.0, max=1.0, help="The share of chips that validate.")] = 0.2,
    threshold: Annotated[str, typer.Option(help="The probability that gives a label, or per_label.")] = "0.35",
    seed: Annotated[int, typer.Option(min=0)] = 0,
    snapshots: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="A training that was broken off goes on from here.")
    ] = None,
    metrics: Annotated[str | None, typer.Option(metavar="FILE.json", help="The figures of every epoch.")] = None,
    plot: Annotated[str | None, typer.Option(metavar="FILE", help="A picture of them.")] = None,
    json_mode: options.JsonMode = False,
) -> int:
    """Train a model that says which labels a chip bears, and validate it on cells that it has not learnt from."""
    from spacer_like.chips.messages import TrainMultilabelMsg
    from spacer_like.cli.chip_rendering import multilabel_training
    from spacer_like.cli.locations import location
    from spacer_like.cli.rendering import written

    message = TrainMultilabelMsg(
        table_loc=location(table),
        chips_loc=location(chips),
        model_loc=location(model),
        extractor=None if extractor_name is None else extractor(extractor_name, weights),
        network=network,
        weights_loc=place(weights) if extractor_name is None else None,
        unfreeze_epochs=whole_numbers(unfreeze, "unfreeze"),
        size=size,
        nbr_epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        validation_share=validation,
        threshold=_threshold(threshold),  # type: ignore[arg-type]
        seed=seed,
        snapshots_loc=place(snapshots),
        metrics_loc=place(metrics),
        plot_loc=place(plot),
    )
    return run_and_show(
        message,
        table,
        json_mode,
        lambda result: [*multilabel_training(result, model), *written({"Figures": metrics, "Picture": plot})],
    )


def _threshold(text: str) -> float | str:
    try:
        return text if text == "per_label" else float(text)
    except ValueError:
        raise SpacerInputError(f"--threshold must be a number or per_label, and is '{text}'.") from None


def label(
    chips: Chips,
    model: Annotated[str, typer.Option(metavar="FILE", help="Of spacer-like chips train.")] = "labels.safetensors",
    out: Annotated[
        str, typer.Option(metavar="FILES", help="Probabilities, .csv or .parquet, separated by commas.")
    ] = "predicted.csv",
    given: Annotated[str | None, typer.Option(metavar="FILES", help="The same with 0 and 1.")] = None,
    extractor_name: Annotated[
        str | None, typer.Option("--extractor", metavar="NAME", help="The one that the model was trained with, if any.")
    ] = None,
    weights: options.Weights = None,
    json_mode: options.JsonMode = False,
) -> int:
    """Let a trained model say which labels chips bear."""
    from spacer_like.chips.messages import LabelChipsMsg
    from spacer_like.cli.chip_rendering import labelled_chips
    from spacer_like.cli.locations import location
    from spacer_like.cli.rendering import written

    message = LabelChipsMsg(
        chips_loc=location(chips),
        model_loc=location(model),
        table_locs=places(out),
        given_locs=places(given),
        extractor=extractor(extractor_name, weights),
    )
    return run_and_show(
        message,
        chips,
        json_mode,
        lambda result: [*labelled_chips(result, out), *written({"The same with 0 and 1": given})],
    )


def encode(
    chips: Chips,
    out: Annotated[str, typer.Option(metavar="FILE", help="Where the vectors go.")] = "embeddings.safetensors",
    extractor_name: Extractor = None,
    weights: options.Weights = None,
    model: Model = None,
    json_mode: options.JsonMode = False,
) -> int:
    """Make a vector of every chip, by an extractor (lite0 unless another is named) or a model."""
    from spacer_like.chips.messages import EncodeChipsMsg
    from spacer_like.cli.chip_rendering import encoded
    from spacer_like.cli.locations import location

    message = EncodeChipsMsg(
        chips_loc=location(chips),
        embeddings_loc=location(out),
        extractor=extractor(extractor_name or (None if model else "lite0"), weights),
        model_loc=place(model),
    )
    return run_and_show(message, chips, json_mode, lambda result: encoded(result, out))


def index(
    embeddings: Annotated[list[str], typer.Argument(metavar="EMBEDDINGS...", help="Of spacer-like chips encode.")],
    out: Annotated[str, typer.Option(metavar="FILE", help="Where the index goes.")] = "index.safetensors",
    kind: Annotated[
        Literal["exact", "ivf"], typer.Option(help="exact, or ivf for millions of vectors (the extra search).")
    ] = "exact",
    lists: Annotated[int | None, typer.Option(min=1, help="Of an ivf index.")] = None,
    json_mode: options.JsonMode = False,
) -> int:
    """Make one index of the vectors of any number of files."""
    from spacer_like.chips.messages import BuildIndexMsg
    from spacer_like.cli.chip_rendering import indexed
    from spacer_like.cli.locations import location

    message = BuildIndexMsg(
        embeddings_locs=[location(text) for text in embeddings],
        index_loc=location(out),
        kind=kind,
        n_lists=lists,
    )
    return run_and_show(message, out, json_mode, lambda result: indexed(result, out))


def similar(
    query: Annotated[str, typer.Argument(metavar="CHIP|IMAGE", help="A chip of the index by name, or an image.")],
    search_index: Annotated[
        str, typer.Option("--index", metavar="FILE", help="Of spacer-like chips index.")
    ] = "index.safetensors",
    k: Annotated[int, typer.Option("-k", min=1, max=10_000, help="How many are wanted.")] = 10,
    probe: Annotated[int, typer.Option(min=1, help="Lists that an ivf index looks into.")] = 16,
    same_place: Annotated[bool, typer.Option("--same-place", help="The same place at other times, too.")] = False,
    tiles: Annotated[str | None, typer.Option(metavar="FOLDER", help="The tree in which to look up tiles.")] = None,
    chips: Annotated[str | None, typer.Option(metavar="CHIPS", help="Where pictures of the chips are.")] = None,
    sheet: Annotated[str | None, typer.Option(metavar="FILE", help="A picture of what was found.")] = None,
    out: Annotated[str | None, typer.Option(metavar="FILES", help="The answer as tables.")] = None,
    extractor_name: Extractor = None,
    weights: options.Weights = None,
    model: Model = None,
    json_mode: options.JsonMode = False,
) -> int:
    """Find the places that look most like a chip of the index, or like an image."""
    from spacer_like.chips.messages import FindSimilarMsg
    from spacer_like.cli.chip_rendering import similar_chips
    from spacer_like.cli.locations import location
    from spacer_like.cli.rendering import written
    from spacer_like.storage import exists

    is_image = exists(location(query))
    message = FindSimilarMsg(
        index_loc=location(search_index),
        chip=None if is_image else query,
        image_loc=location(query) if is_image else None,
        extractor=extractor(extractor_name or ("lite0" if is_image and not model else None), weights),
        model_loc=place(model),
        k=k,
        n_probe=probe,
        other_places=not same_place,
        ard_loc=place(tiles),
        chips_loc=place(chips),
        contact_sheet_loc=place(sheet),
        results_locs=places(out),
    )
    return run_and_show(
        message, query, json_mode, lambda result: [*similar_chips(result, sheet), *written({"Tables": out})]
    )
