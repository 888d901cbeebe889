"""The options of a rarity workflow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast, get_args

from spacer_like.exceptions import MessageError, nearest
from spacer_like.location import DataLocation
from spacer_like.rarity.messages import Method, Resample

LOCAL_METHODS: tuple[Method, ...] = ("raw",)
GLOBAL_METHODS: tuple[Method, ...] = ("ratio", "log", "surprisal", "top_surprisal")


@dataclass(frozen=True)
class RarityOptions:
    """Options of a rarity workflow.

    Attributes:
        methods: scores against all collections; local_methods: scores against the image's own collection.
        bucketized: the method whose scores are sorted into buckets and drawn.
        size, resample, background: how images become squares, see `spacer_like.rarity.messages.PreparationMsg`.
        keep_stacks: decode every image once and keep its pixels (150 kB an image), instead of decoding it three times:
            to check, to count and to score.
        pre_reveal_share: the share that one image must have of a collection for it to be set aside as pre-reveal.
        whitelist, blacklist: CSV files with a column ``collection_id``.
        processes: how many collections are worked on at once; None: one for each processor core.
    """

    methods: tuple[Method, ...] = GLOBAL_METHODS
    local_methods: tuple[Method, ...] = LOCAL_METHODS
    bucketized: Method = "ratio"
    size: int = 224
    resample: Resample = "bicubic"
    background: str = "drop"
    keep_stacks: bool = True
    pre_reveal_share: float = 1.0
    whitelist: DataLocation | None = None
    blacklist: DataLocation | None = None
    processes: int | None = None

    @property
    def preparation(self) -> dict[str, Any]:
        return {"size": self.size, "resample": self.resample, "background": self.background}


def methods_named(text: str) -> tuple[Method, ...]:
    """The methods in a list like ``ratio,log``.

    Raises:
        MessageError: one of them is unknown.
    """
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    if unknown := [name for name in names if name not in get_args(Method)]:
        raise MessageError(
            f"The method '{unknown[0]}' is unknown: it must be one of {', '.join(get_args(Method))}."
            f"{nearest(unknown[0], get_args(Method))}"
        )
    return cast("tuple[Method, ...]", names)
