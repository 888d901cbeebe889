"""Tables and sentences about rarity: a row for each collection, what was not scored and why, and the files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from spacer_like.cli.rendering import MOST_ROWS, name, table
from spacer_like.drawing.class_style import plain_text
from spacer_like.reports.evaluation import count_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import RenderableType

    from spacer_like.workflows.rarity import CollectionReport, RarityReport

_MOST_NAMED = 5
_GOOD = ("scored", "good")


def rarity_report(report: RarityReport, output: Path, pictures: Sequence[str]) -> list[RenderableType]:
    """The collections, those first that need attention, how many images were scored, and the files to look at."""
    shown = _collections(report)
    if any(one.correlations for one in report.scored):
        shown.append(Text("agrees: the best Spearman correlation of a score with the metadata's rarity"))
    shown += _counts(report)
    if report.buckets or report.comparisons:
        shown.append(Text(f"Rankings: {output / 'scores'}"))
    if pictures:
        shown.append(Text(f"Pictures: {output / 'pictures'}"))
    return [*shown, *_earlier_files(report)]


def rarity_check(report: RarityReport, lists: Mapping[str, str]) -> list[RenderableType]:
    """The collections, those first that need attention, and the list of each state."""
    counts: Counter[str] = Counter(one.state for one in report.collections)
    sentences = [Text(f"{counts[state]} {state}: {loc}") for state, loc in lists.items()]
    return [*_collections(report), *sentences]


def _collections(report: RarityReport) -> list[RenderableType]:
    rows = table("collection", "", "images", "scored", "distinct", "unreadable", "agrees", names=2)
    rows.add_column("", overflow="fold")
    ordered = sorted(report.collections, key=lambda one: (one.state in _GOOD, one.collection_id))
    for one in ordered[:MOST_ROWS]:
        rows.add_row(
            name(one.collection_id),
            Text(one.state, style={**dict.fromkeys(_GOOD, "green"), "failed": "red"}.get(one.state, "yellow")),
            str(one.n_images),
            "" if one.state == "good" else str(one.n_scored),
            str(one.n_distinct),
            str(len(one.unreadable)),
            _agreement(one),
            Text(plain_text(remark) if (remark := _remark(one)) else ""),
        )
    shown: list[RenderableType] = [rows]
    if len(ordered) > MOST_ROWS:
        shown.append(Text(f"… and {len(ordered) - MOST_ROWS} more"))
    return shown


def _counts(report: RarityReport) -> list[Text]:
    """Numbers of images that were scored, and of those that were not, by reason."""
    if not report.scored:
        return [Text("No collection could be scored.", style="red")]
    scored = f"Scored {count_of(report.n_scored, 'image')} of {count_of(len(report.scored), 'collection')}."
    counts = (
        (sum(len(one.left_out) for one in report.scored), "image", "without a row in the metadata of its collection"),
        (sum(one.n_without_image for one in report.scored), "row", "of the metadata without an image"),
        (sum(len(one.unreadable) for one in report.scored), "file", "that cannot be read as an image"),
    )
    return [
        Text(scored, style="green" if report.ok else "yellow"),
        *(Text(f"Not scored: {count_of(count, what)} {why}.", style="yellow") for count, what, why in counts if count),
    ]


def _earlier_files(report: RarityReport) -> list[Text]:
    sentences = []
    if report.removed:
        files = count_of(len(report.removed), "file")
        sentences.append(Text(f"Removed {files} of an earlier run with other options, such as {report.removed[0]}."))
    if report.left_over:
        sentences.append(
            Text(f"Of an earlier run, and no part of this result: {_listed(report.left_over)}.", style="yellow")
        )
    return sentences


def _agreement(one: CollectionReport) -> str:
    found = [values["spearman_score"] for values in one.correlations.values() if values["spearman_score"] is not None]
    return f"{max(found):.2f}" if found else ""


def _remark(one: CollectionReport) -> str:
    if one.state == "failed":
        # It was said already.
        return ""
    if one.reason:
        return one.reason
    if one.left_out:
        return f"{count_of(len(one.left_out), 'image')} without a row in the metadata: {_listed(one.left_out)}"
    if one.unreadable:
        return f"{one.unreadable[0]['name']}: {one.unreadable[0]['reason']}"
    return ""


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_MOST_NAMED]) + (", …" if len(names) > _MOST_NAMED else "")
