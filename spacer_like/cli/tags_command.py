"""``spacer-like tags``: tags for whole images by example, from embeddings to classified images and corrections."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from spacer_like.cli.engines import LOCAL, EngineName, engine_named
from spacer_like.cli.from_message import Given, from_message, run_and_show
from spacer_like.cli.locations import location
from spacer_like.cli.options import group_on_demand
from spacer_like.location import DataLocation

if TYPE_CHECKING:
    from spacer_like.messages import ProcessImagesMsg, TaskOutcome

FOLDER = "output"
EMBEDDINGS, MODELS, TAGGED = f"{FOLDER}/embeddings.parquet", f"{FOLDER}/models", f"{FOLDER}/tagged"
EXTRACTOR = {"extractor": "lite0"}
ORIGINAL_FILES = {
    "metadata_json_loc": "input-metadata.json",
    "tag_to_hash_json_loc": "input-tag-to-image-hash-list.json",
    "hash_to_tag_json_loc": "input-image-hash-to-tag-list.json",
    "database_loc": "stage1.db",
}
"""What `--original` writes, by the fields of the message."""

_ORIGINAL = Annotated[
    str | None,
    typer.Option(metavar="FOLDER", help="Write the JSON files and stage1.db of image-tagging-tools there as well."),
]
_PRECISION_HELP = (
    "The precision that tags are to have, with a confidence of 95 %, such as 0.95; less sure images go to a person."
)


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    tags = group_on_demand("Tags for whole images by example.", _add_commands)
    app.add_typer(tags, name="tags", short_help="Tags for whole images by example, and people's corrections.")


def _add_commands(tags: typer.Typer) -> None:
    from spacer_like.cli import tag_files_commands, wrong_labels_commands
    from spacer_like.tags.messages import ClassifyImagesMsg, ProcessImagesMsg, SuggestReviewMsg, TrainTagsMsg

    tags.command("process", short_help="Make a table of embeddings of images.")(
        from_message(
            ProcessImagesMsg,
            _process,
            arguments={"images_loc": "IMAGES"},
            names={"embeddings_loc": "out"},
            defaults={"embeddings_loc": EMBEDDINGS, **EXTRACTOR},
            left_out=("part",),
            more={"original": (_ORIGINAL, None), "engine": (EngineName, LOCAL)},
        )
    )
    tags.command("train", short_help="Train a model for each tag.")(
        from_message(
            TrainTagsMsg,
            _train,
            arguments={"embeddings_loc": "EMBEDDINGS"},
            names={"models_loc": "models", "reports_loc": "reports"},
            defaults={"embeddings_loc": EMBEDDINGS, "models_loc": MODELS, "reports_loc": f"{FOLDER}/reports"},
            helps={"precision": _PRECISION_HELP},
        )
    )
    tags.command("classify", short_help="Score images, and sort them by their tags.")(
        from_message(
            ClassifyImagesMsg,
            _classify,
            arguments={"images_loc": "IMAGES"},
            names={"output_loc": "out"},
            defaults={"models_loc": MODELS, "output_loc": TAGGED, **EXTRACTOR},
        )
    )
    tags.command("review", short_help="Choose images to ask a person about.")(
        from_message(
            SuggestReviewMsg,
            _review,
            arguments={"images_loc": "IMAGES"},
            names={"contact_sheet_loc": "sheet", "n_uncertain": "uncertain", "n_likely": "likely"},
            defaults={
                "embeddings_loc": EMBEDDINGS,
                "models_loc": MODELS,
                "suggestions_loc": f"{FOLDER}/suggestions.csv",
            },
        )
    )
    wrong_labels_commands.add_for_tags(tags, EMBEDDINGS, f"{FOLDER}/wrong-labels.csv")
    tag_files_commands.add_to(tags)


def _process(given: Given) -> int:
    from spacer_like.cli.rendering import written
    from spacer_like.cli.tags_rendering import processed

    if (folder := given["original"]) is not None:
        of_tags = ("tag_to_hash_json_loc", "hash_to_tag_json_loc")
        for field, name in ORIGINAL_FILES.items():
            if given["tagged"] or field not in of_tags:
                given.fields.setdefault(field, location(folder).below(name))
    files = {"Embeddings": given["out"], "Failures": given["failures"], "Files of image-tagging-tools": folder}
    by = None if given["engine"] == LOCAL else partial(_processed_by, given["engine"])
    return run_and_show(given, given["images"], lambda result: [*processed(result), *written(files)], by)


def _processed_by(engine: str, message: ProcessImagesMsg) -> TaskOutcome:
    from spacer_like.workflows.tags import process_in_parts

    table = message.embeddings_loc
    folder = DataLocation(table.storage_type, table.key.rpartition("/")[0], table.bucket_name)
    with engine_named(engine, None, folder.below("submissions")) as worker:
        return process_in_parts(message, worker)


def _train(given: Given) -> int:
    from spacer_like.cli.rendering import written
    from spacer_like.cli.tags_rendering import trained

    if given["metadata_json"] is not None and given["embeddings"] == EMBEDDINGS:
        # They stand in place of the table that is there by default.
        given.fields.pop("embeddings_loc", None)
    files = {"Models": given["models"], "Reports": given["reports"]}
    name = given["metadata_json"] or given["embeddings"]
    return run_and_show(given, name, lambda result: [*trained(result), *written(files)])


def _classify(given: Given) -> int:
    from spacer_like.cli.rendering import written
    from spacer_like.cli.tags_rendering import classified

    files = {"Images and output.json": given["out"], "Database": given["database"], "Failures": given["failures"]}
    return run_and_show(given, given["images"], lambda result: [*classified(result), *written(files)])


def _review(given: Given) -> int:
    from spacer_like.cli.rendering import written
    from spacer_like.cli.tags_rendering import suggested

    files = {
        "Page": given["page"],
        "Contact sheet": given["sheet"],
        "Suggestions": given["suggestions"],
    }
    return run_and_show(given, given["embeddings"], lambda result: [*suggested(result), *written(files)])
