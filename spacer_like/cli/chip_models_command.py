"""``spacer-like chips train, label, encode, index, similar, rank``: models of chips, and chips that look alike."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from spacer_like.cli.extractors import extractor_described
from spacer_like.cli.from_message import REQUIRED, Given, from_message, run_and_show
from spacer_like.cli.locations import location
from spacer_like.cli.wrong_labels_commands import add_for_chips

MODEL, EMBEDDINGS, INDEX = "labels.safetensors", "embeddings.safetensors", "index.safetensors"
DEFAULT_EXTRACTOR = "lite0"

_QUERY = Annotated[str, typer.Argument(metavar="CHIP|IMAGE", help="A chip of the index by name, or an image.")]
_SAME_PLACE = Annotated[bool, typer.Option("--same-place", help="Find the same location at other times, too.")]


def add_to(chips: typer.Typer) -> None:
    """Add this module's commands."""
    from spacer_like.chips.messages import (
        BuildIndexMsg,
        EncodeChipsMsg,
        FindSimilarMsg,
        LabelChipsMsg,
        RankPlacesMsg,
        TrainMultilabelMsg,
    )

    chips.command("train", short_help="Train a model of labels.")(
        from_message(
            TrainMultilabelMsg,
            _train,
            arguments={"table_loc": "TABLE", "chips_loc": "CHIPS"},
            names={"unfreeze_epochs": "unfreeze", "validation_share": "validation"},
            defaults={"model_loc": MODEL},
            helps={"weights_loc": "Weights of the extractor, or a state dict that the network starts from."},
        )
    )
    chips.command("label", short_help="Let a model label chips.")(
        from_message(
            LabelChipsMsg,
            _label,
            arguments={"chips_loc": "CHIPS"},
            names={"table_locs": "out"},
            defaults={"model_loc": MODEL, "table_locs": "predicted.csv"},
        )
    )
    chips.command("encode", short_help="Make a vector of every chip.")(
        from_message(
            EncodeChipsMsg,
            _encode,
            arguments={"chips_loc": "CHIPS"},
            names={"embeddings_loc": "out"},
            defaults={"embeddings_loc": EMBEDDINGS},
            helps={
                "extractor": "Its features are the vectors; with --model the one that the model was trained with. "
                f"Without both: {DEFAULT_EXTRACTOR}."
            },
        )
    )
    chips.command("index", short_help="Make an index of vectors.")(
        from_message(
            BuildIndexMsg,
            _index,
            arguments={"embeddings_locs": "EMBEDDINGS..."},
            names={"index_loc": "out", "n_lists": "lists"},
            defaults={"index_loc": INDEX},
        )
    )
    chips.command("similar", short_help="Find chips that look like one.")(
        from_message(
            FindSimilarMsg,
            _similar,
            names={
                "ard_loc": "tiles",
                "n_probe": "probe",
                "embeddings_locs": "embeddings",
                "contact_sheet_loc": "sheet",
                "results_locs": "out",
            },
            defaults={"index_loc": INDEX},
            helps={
                "extractor": f"For an image: that which the index was made with. Without --model: {DEFAULT_EXTRACTOR}.",
                "model_loc": "For an image: the model that the index was made with, if any.",
                "ard_loc": "The root of the tree in which the tile of each chip is looked up.",
            },
            left_out=("chip", "image_loc", "other_places"),
            more={"query": (_QUERY, REQUIRED), "same_place": (_SAME_PLACE, False)},
        )
    )
    chips.command("rank", short_help="Rank chips by examples of what is looked for.")(
        from_message(
            RankPlacesMsg,
            _rank,
            arguments={"embeddings_locs": "EMBEDDINGS..."},
            names={"results_locs": "out"},
        )
    )
    add_for_chips(chips, EMBEDDINGS)


def _train(given: Given) -> int:
    from spacer_like.cli.chip_rendering import multilabel_training
    from spacer_like.cli.rendering import written

    if given["extractor"] is not None:
        # They are the extractor's, and no network's.
        given.fields.pop("weights_loc", None)
    files = {"Figures": given["metrics"], "Picture": given["plot"]}
    return run_and_show(
        given, given["table"], lambda result: [*multilabel_training(result, given["model"]), *written(files)]
    )


def _label(given: Given) -> int:
    from spacer_like.cli.chip_rendering import labelled_chips
    from spacer_like.cli.rendering import written

    files = {"The same with 0 and 1": given["given"]}
    return run_and_show(given, given["chips"], lambda result: [*labelled_chips(result, given["out"]), *written(files)])


def _encode(given: Given) -> int:
    from spacer_like.cli.chip_rendering import encoded

    if given["model"] is None and given["extractor"] is None:
        given.fields["extractor"] = _default_extractor()
    return run_and_show(given, given["chips"], lambda result: encoded(result, given["out"]))


def _index(given: Given) -> int:
    from spacer_like.cli.chip_rendering import indexed

    return run_and_show(given, given["out"], lambda result: indexed(result, given["out"]))


def _similar(given: Given) -> int:
    from spacer_like.cli.chip_rendering import similar_chips
    from spacer_like.cli.rendering import written
    from spacer_like.storage import exists

    query = given["query"]
    if exists(location(query)):
        given.fields["image_loc"] = location(query)
        if given["model"] is None and given["extractor"] is None:
            given.fields["extractor"] = _default_extractor()
    else:
        given.fields["chip"] = query
    given.fields["other_places"] = not given["same_place"]
    files = {"Tables": given["out"]}
    return run_and_show(given, query, lambda result: [*similar_chips(result, given["sheet"]), *written(files)])


def _rank(given: Given) -> int:
    from spacer_like.cli.chip_rendering import ranked_places
    from spacer_like.cli.rendering import written

    files = {"Tables": given["out"]}
    return run_and_show(
        given, given["embeddings"][0], lambda result: [*ranked_places(result, given["maps"]), *written(files)]
    )


def _default_extractor() -> dict[str, Any]:
    return extractor_described(DEFAULT_EXTRACTOR, None, None)
