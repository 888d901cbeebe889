"""``spacer-like tags similar, duplicates, models, cache``: look among images, models and cached files."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from spacer_like.cli.from_message import REQUIRED, Given, from_message, run_and_show
from spacer_like.cli.locations import location
from spacer_like.cli.options import JsonMode, UsageError
from spacer_like.cli.terminal import Terminal

EMBEDDINGS, MODELS = "output/embeddings.parquet", "output/models"
_QUERY = Annotated[str, typer.Argument(metavar="PATH|IMAGE", help="An image of the table by its path, or another one.")]


def add_to(tags: typer.Typer) -> None:
    """Add this module's commands."""
    from spacer_like.tags.messages import FindDuplicatesMsg, FindSimilarImagesMsg

    tags.command("similar", short_help="Find images that look like one.")(
        from_message(
            FindSimilarImagesMsg,
            _similar,
            names={"results_loc": "out"},
            defaults={"embeddings_loc": EMBEDDINGS, "extractor": "lite0"},
            left_out=("path", "image_loc"),
            more={"query": (_QUERY, REQUIRED)},
        )
    )
    tags.command("duplicates", short_help="Find images that are the same, or nearly.")(
        from_message(
            FindDuplicatesMsg,
            _duplicates,
            arguments={"embeddings_loc": "EMBEDDINGS"},
            names={"groups_loc": "out"},
            defaults={"embeddings_loc": EMBEDDINGS},
        )
    )
    tags.command("models", short_help="List the models in a folder.")(_models)
    tags.command("cache", short_help="Keep the hashes of image files in a database.")(_cache)


def _similar(given: Given) -> int:
    from spacer_like.cli.rendering import written
    from spacer_like.cli.tags_rendering import similar
    from spacer_like.storage import exists

    query = given["query"]
    loc = location(query)
    # What is no file of its own is a member of an archive, or was there when the table was made.
    given.fields.update({"image_loc": loc} if exists(loc) else {"path": loc.display_name})
    return run_and_show(given, query, lambda result: [*similar(result), *written({"Table": given["out"]})])


def _duplicates(given: Given) -> int:
    from spacer_like.cli.rendering import written
    from spacer_like.cli.tags_rendering import duplicates

    return run_and_show(
        given, given["embeddings"], lambda result: [*duplicates(result), *written({"Table": given["out"]})]
    )


def _models(
    models: Annotated[str, typer.Argument(metavar="[FOLDER]", help="A folder of models.")] = MODELS,
    json_mode: JsonMode = False,
) -> int:
    """List the models in a folder, by their types."""
    from spacer_like.cli.tags_rendering import listed_models
    from spacer_like.tags.model_folder import tags_by_type

    found = tags_by_type(location(models))
    terminal = Terminal(json_mode=json_mode)
    terminal.answer({"ok": True, "models": found})
    terminal.show(*listed_models(found))
    return 0


def _cache(
    action: Annotated[
        Literal["create", "add", "find", "random", "clear", "delete"],
        typer.Argument(help="create a cache, add images to it, find one by its hash, clear it, or delete its file."),
    ],
    what: Annotated[str | None, typer.Argument(help="Of add: images; of find: a hash.")] = None,
    folder: Annotated[str, typer.Option(metavar="FOLDER", help="The folder of the cache.")] = "output",
    name: Annotated[str, typer.Option(metavar="FILE", help="The name of the cache.")] = "file_cache.sqlite",
    json_mode: JsonMode = False,
) -> int:
    """Keep the hashes of image files, and of those in archives, in a SQLite database."""
    from spacer_like.tags.file_cache import FileCache

    terminal, cache, path = Terminal(json_mode=json_mode), FileCache(), f"{folder.rstrip('/')}/{name}"
    if what is None and action in ("add", "find"):
        raise UsageError(f"Say what to {action}: {'images' if action == 'add' else 'a hash'}.")
    answer = None
    if action == "create":
        cache.create_file_cache(folder, name)
    elif action == "add":
        cache.add_folder_to_file_cache(str(what), folder, name)
    elif action == "find":
        answer = cache.get_img_by_hash(path, str(what))
    elif action == "random":
        answer = cache.get_random_image(path)
    else:
        cache.clear_cache(path, delete_cache=action == "delete")
    terminal.answer({"ok": answer is not None or action not in ("find", "random"), "cache": path, "image": answer})
    if answer is None and action in ("find", "random"):
        from spacer_like.mailman import ExitCode

        terminal.complain(f"The cache '{path}' has no such image.")
        return ExitCode.PERMANENT_FAILURE
    terminal.show(*([f"{key}: {value}" for key, value in answer.items()] if answer else [f"Cache: {path}"]))
    return 0
