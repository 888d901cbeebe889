"""What people see of rarity: a row for each collection, and where the rankings lie."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from spacer_like.cli.rendering import MOST_ROWS, name, table
from spacer_like.drawing.labels import plain_text
from spacer_like.reports.evaluation import count_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from spacer_like.workflows.rarity import CollectionReport, RarityReport


def rarity_report(report: RarityReport, output: Path, pictures: Sequence[str]) -> list[RenderableType]:
    """The collections, those first that need attention, and the files to look at."""
    rows = table("collection", "", "images", "distinct", "unreadable", "agrees", names=2)
    rows.add_column("", overflow="fold")
    ordered = sorted(report.collections, key=lambda one: (one.state == "scored", one.collection_id))
    for one in ordered[:MOST_ROWS]:
        rows.add_row(
            name(one.collection_id),
            Text(one.state, style={"scored": "green", "failed": "red"}.get(one.state, "yellow")),
            str(one.n_images),
            str(one.n_distinct),
            str(len(one.unreadable)),
            _agreement(one),
            Text(plain_text(told) if (told := one.reason or _unreadable(one)) else ""),
        )
    more = [Text(f"… and {len(ordered) - MOST_ROWS} more")] if len(ordered) > MOST_ROWS else []
    shown: list[RenderableType] = [rows, *more]
    if any(one.correlations for one in report.scored):
        shown.append(Text("agrees: the best Spearman correlation of a score with the metadata's rarity"))
    if report.scored:
        collections = count_of(len(report.scored), "collection")
        shown.append(Text(f"Scored {count_of(report.n_images, 'image')} of {collections}.", style="green"))
        shown.append(Text(f"Rankings: {output / 'scores'}"))
    else:
        shown.append(Text("No collection could be scored.", style="red"))
    if pictures:
        shown.append(Text(f"Pictures: {output / 'pictures'}"))
    return shown


def _agreement(one: CollectionReport) -> str:
    found = [values["spearman_score"] for values in one.correlations.values() if values["spearman_score"] is not None]
    return f"{max(found):.2f}" if found else ""


def _unreadable(one: CollectionReport) -> str:
    if not one.unreadable:
        return ""
    first = one.unreadable[0]
    return f"{first['name']}: {first['reason']}"
