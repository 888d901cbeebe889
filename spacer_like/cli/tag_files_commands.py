"""``spacer-like tags similar, duplicates, models, cache``: look among images, models and cached files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from spacer_like.cli.from_message import REQUIRED, Given, from_message, run_and_show
from spacer_like.cli.locations import location
from spacer_like.cli.options import JsonMode, UsageError
from spacer_like.cli.terminal import Terminal
from spacer_like.exceptions import visible

if TYPE_CHECKING:
    from spacer_like.tags.file_cache import AddedFiles

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
    models: Annotated[str, typer.Argument(metavar="FOLDER", help="A folder of models, or one model's file.")] = MODELS,
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
        typer.Argument(
            metavar="ACTION",
            help="create a cache, add images to it, find one by the hash of its pixels, show one at random, clear the "
            "cache, or delete its file.",
        ),
    ],
    what: Annotated[
        str | None, typer.Argument(metavar="WHAT", help="For add: a folder, an archive or an image; for find: a hash.")
    ] = None,
    folder: Annotated[str, typer.Option(metavar="FOLDER", help="The folder of the cache.")] = "output",
    name: Annotated[str, typer.Option(metavar="FILE", help="The name of the cache.")] = "file_cache.sqlite",
    json_mode: JsonMode = False,
) -> int:
    """Keep the hashes of image files, and of those in archives, in a SQLite database."""
    from spacer_like.mailman import ExitCode
    from spacer_like.tags.file_cache import FileCache

    terminal, cache, path = Terminal(json_mode=json_mode), FileCache(), f"{folder.rstrip('/')}/{name}"
    if what is None and action in ("add", "find"):
        raise UsageError(f"Say what to {action}: {'images' if action == 'add' else 'a hash'}.")
    if action == "add":
        return _added(terminal, path, cache.add_folder_to_file_cache(str(what), folder, name))
    problem = answer = None
    if action == "create":
        if cache.create_file_cache(folder, name) is None:
            problem = f"The cache '{path}' is there already, and was left as it is."
    elif action in ("find", "random"):
        answer = cache.get_img_by_hash(path, str(what)) if action == "find" else cache.get_random_image(path)
        if answer is None:
            problem = f"The cache '{path}' has no such image." if action == "find" else f"The cache '{path}' is empty."
    else:
        cache.clear_cache(path, delete_cache=action == "delete")
    terminal.answer({"ok": problem is None, "cache": path, "image": answer})
    if problem is not None:
        terminal.complain(problem)
        return ExitCode.PERMANENT_FAILURE
    terminal.show(*([f"{key}: {visible(str(value))}" for key, value in answer.items()] if answer else [_named(path)]))
    return 0


def _added(terminal: Terminal, path: str, added: AddedFiles) -> int:
    """Show what came of adding files."""
    from rich.text import Text

    from spacer_like.cli.tags_rendering import failures
    from spacer_like.mailman import ExitCode
    from spacer_like.reports.evaluation import count_of

    failed = [entry.model_dump() for entry in added.unreadable]
    counts = {"n_added": added.n_added, "n_known": added.n_known, "n_failed": len(failed), "failed": failed}
    terminal.answer({"ok": not failed, "cache": path, **counts})
    summary = f"{count_of(added.n_added, 'file')} added, {added.n_known:,} known before."
    terminal.show(*failures(added.unreadable, len(failed)), Text(summary, style="green"), _named(path))
    return ExitCode.PERMANENT_FAILURE if failed else 0


def _named(path: str) -> str:
    return f"Cache: {visible(path)}"
