"""Tables and sentences about tags: a few rows, and the locations of the files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from spacer_like.cli.rendering import MOST_ROWS, name, table
from spacer_like.drawing.class_style import plain_text
from spacer_like.reports.evaluation import count_of, percent

if TYPE_CHECKING:
    from rich.console import RenderableType

    from spacer_like.message_base import Unreadable
    from spacer_like.tags.messages import (
        ClassifyImagesReturnMsg,
        FindDuplicatesReturnMsg,
        FindSimilarImagesReturnMsg,
        ProcessImagesReturnMsg,
        SuggestReviewReturnMsg,
        TrainTagsReturnMsg,
    )

Shown = list["RenderableType"]
_FAILURES_SHOWN = 10


def processed(result: ProcessImagesReturnMsg) -> Shown:
    """The images that have a vector, by their tags, and those that failed."""
    known = f", {result.n_reused:,} of them known before" if result.n_reused else ""
    summary = Text(f"Vectors of {count_of(result.n_images, 'image')}{known}.", style="green")
    shown: Shown = [*_by_tag(result.tags)] if result.tags else []
    return [*shown, *failures(result.failed, result.n_failed), *_patterns(result.unused_patterns), summary]


def trained(result: TrainTagsReturnMsg) -> Shown:
    """How good the model of each tag is on the images that were held out."""
    rows = table("tag", "model", "images", "held out", "AP", "threshold", names=2)
    for model in result.models[:MOST_ROWS]:
        quality = "" if model.average_precision is None else percent(model.average_precision, 1)
        threshold = "never" if model.threshold is None else f"{model.threshold:.2f}"
        rows.add_row(
            name(model.tag), name(model.model_type), f"{model.n_tag:,}", f"{model.n_test_tag:,}", quality, threshold
        )
    means = "; ".join(f"{kind} {percent(value, 1)}" for kind, value in result.mean_average_precision.items())
    left_out = [
        Text(f"No model of {plain_text(one.tag)}: {one.reason}", style="yellow") for one in result.without_model
    ]
    corrections = f", {count_of(result.n_corrections, 'correction')}" if result.n_corrections else ""
    unknown = result.n_unknown_corrections
    shown: Shown = [rows, *_more(len(result.models)), *left_out]
    if unknown:
        first = f", such as {plain_text(result.unknown_corrections[0])}" if result.unknown_corrections else ""
        shown.append(Text(f"{count_of(unknown, 'correction')} of images that are not there{first}.", style="yellow"))
    if result.n_contradicted_corrections:
        contradicted = count_of(result.n_contradicted_corrections, "correction")
        shown.append(Text(f"{contradicted} that a later one about the same image contradicts.", style="yellow"))
    if result.n_earlier_models:
        there = f"{count_of(result.n_earlier_models, 'model')} of earlier trainings stay in the folder and are used"
        shown.append(Text(f"{there}, such as {plain_text(result.earlier_models[0])}.", style="yellow"))
    learned = f"{count_of(len(result.models), 'model')} of {count_of(result.n_images, 'image')}{corrections}."
    mean = [Text(f"Mean average precision (AP) on images that were held out: {means}.")] if means else []
    return [*shown, *mean, Text(learned, style="green")]


def classified(result: ClassifyImagesReturnMsg) -> Shown:
    """How many images were given each tag."""
    scored = f"{count_of(result.n_images, 'image')} scored by {count_of(result.n_models, 'model')}"
    ended = f"{scored}; {result.n_untagged:,} without a tag, {result.n_review:,} to review."
    shown = _by_tag(result.tags) if result.tags else []
    return [
        *shown,
        *failures(result.failed, result.n_failed),
        *_patterns(result.unused_patterns),
        Text(ended, style="green"),
    ]


def suggested(result: SuggestReviewReturnMsg) -> Shown:
    """The images to ask a person about."""
    rows = table("tag", "image", "why", "score", names=3)
    for one in result.suggestions[:MOST_ROWS]:
        rows.add_row(name(one.tag), name(one.path), one.kind, f"{one.score:.2f}")
    summary = Text(f"{count_of(len(result.suggestions), 'question')}.", style="green")
    return [rows, *_more(len(result.suggestions)), summary]


def similar(result: FindSimilarImagesReturnMsg) -> Shown:
    """The images that look most like the query."""
    rows = table("image", "tags", "distance", names=2)
    for one in result.similar[:MOST_ROWS]:
        rows.add_row(name(one.path), name(", ".join(one.tags)), f"{one.distance:.3f}")
    return [rows, *_more(len(result.similar))]


def duplicates(result: FindDuplicatesReturnMsg) -> Shown:
    """The largest groups of images that are the same."""
    rows = table("images", "same by", "distance", names=2)
    for group in result.groups[:MOST_ROWS]:
        paths = f"{plain_text(group.paths[0])} and {len(group.paths) - 1:,} more"
        rows.add_row(Text(paths), group.kind, f"{group.largest_distance:.3f}")
    summary = f"{count_of(result.n_groups, 'group')}; {result.n_duplicates:,} of {result.n_images:,} images could go."
    return [*([rows] if result.groups else []), *_more(result.n_groups), Text(summary, style="green")]


def listed_models(models: Mapping[str, Sequence[str]]) -> Shown:
    """The tags of each type of models."""
    rows = table("type", "tag", names=2)
    for kind, tags in models.items():
        for tag in tags:
            rows.add_row(name(kind), name(tag))
    return [rows, Text(f"{count_of(sum(map(len, models.values())), 'model')}.", style="green")]


def _by_tag(tags: Mapping[str, int]) -> Shown:
    rows = table("tag", "images")
    for tag, count in list(tags.items())[:MOST_ROWS]:
        rows.add_row(name(tag), f"{count:,}")
    return [rows, *_more(len(tags))]


def failures(failed: Sequence[Unreadable], count: int) -> Shown:
    """The first of some files that failed, and how many there are."""
    if not count:
        return []
    rows = table("image", "", names=2)
    for one in failed[:_FAILURES_SHOWN]:
        rows.add_row(name(one.name), Text(plain_text(one.reason)))
    return [rows, Text(f"{count_of(count, 'file')} failed.", style="red")]


def _patterns(patterns: Sequence[str]) -> Shown:
    return [Text(f"No path matches the pattern '{plain_text(one)}'.", style="yellow") for one in patterns]


def _more(count: int) -> Shown:
    return [Text(f"… and {count - MOST_ROWS:,} more")] if count > MOST_ROWS else []
