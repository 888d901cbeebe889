"""The report of a rarity workflow: counts and reasons by collection, and what is left of earlier runs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from spacer_like.exceptions import SpacerError
from spacer_like.location import DataLocation
from spacer_like.mailman import is_transient

State = Literal["scored", "good", "empty", "pre-reveal", "failed", "not scored"]


@dataclass
class CollectionReport:
    """The result of a collection.

    Attributes:
        state: ``scored``, or ``good`` where it was only checked; ``empty``, ``pre-reveal`` or ``failed``, with the
            reason; or ``not scored``, because a step that needs all collections has failed.
        n_images: images that can be decoded; n_scored: those of them that have a score.
        left_out: tokens with an image that have no row in the metadata, and therefore no score.
        n_without_image: rows of the metadata that have no image, and therefore no score.
        unreadable: files that are no images.
        correlations: with the metadata's rarity, by scope and method.
        transient: whether what failed may succeed later.
    """

    collection_id: str
    state: State = "not scored"
    reason: str | None = None
    n_images: int = 0
    n_distinct: int = 0
    n_scored: int = 0
    left_out: list[str] = field(default_factory=list)
    n_without_image: int = 0
    unreadable: list[dict[str, str]] = field(default_factory=list)
    correlations: dict[str, Any] = field(default_factory=dict)
    transient: bool = False

    def fail(self, reason: str, transient: bool = False) -> None:
        """Mark the collection as failed."""
        self.state, self.reason, self.transient = "failed", reason, transient
        self.n_scored = 0


@dataclass
class RarityReport:
    """The report of a rarity workflow.

    Attributes:
        missing: ids of the whitelist that have no folder.
        n_images: images of the collections that are scored; n_scored: those of them that have a score.
        buckets: how many images lie in each bucket.
        failures: what went wrong with more than one collection, by step.
        left_over: folders of the output that an earlier run has made, and that are no part of this result.
        transient: whether one of the failures may not come again.
        images: where the images of each scored collection are, decoded ones if they were kept; not serialised.
        removed: files of an earlier run with other options that were removed; not serialised.
        steps_done: names of the steps whose files are of this result; not serialised.
        steps_run: how many steps had to be run; 0 when nothing had changed; not serialised.
    """

    collections: list[CollectionReport]
    missing: list[str]
    n_images: int = 0
    n_scored: int = 0
    buckets: dict[str, int] = field(default_factory=dict)
    comparisons: list[dict[str, Any]] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    left_over: list[str] = field(default_factory=list)
    transient: bool = False
    images: dict[str, DataLocation] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    steps_done: set[str] = field(default_factory=set)
    steps_run: int = 0

    @property
    def scored(self) -> list[CollectionReport]:
        return [one for one in self.collections if one.state == "scored"]

    @property
    def failed(self) -> list[CollectionReport]:
        return [one for one in self.collections if one.state == "failed"]

    @property
    def ok(self) -> bool:
        """Whether something was scored, and nothing went wrong."""
        return bool(self.scored) and not self.failed and not self.failures and not self.missing

    def fail(self, step: str, error: SpacerError) -> None:
        """Add a failure of something that concerns more than one collection."""
        self.failures[step] = str(error)
        self.transient = self.transient or is_transient(error)

    def serialize(self) -> dict[str, Any]:
        """The report as numbers, texts, lists and dictionaries; the same for the same collections."""
        return {
            "ok": self.ok,
            "transient": self.transient,
            "n_images": self.n_images,
            "n_scored": self.n_scored,
            "collections": [asdict(one) for one in self.collections],
            "missing": self.missing,
            "buckets": self.buckets,
            "comparisons": self.comparisons,
            "failures": self.failures,
            "left_over": self.left_over,
        }
