"""The JSON file that says how the training of a model of many labels went."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from spacer_like.chips.messages import MultilabelFigures
from spacer_like.chips.models.multilabel_course import EpochFigures

FORMAT = "spacer_like.multilabel_metrics"
FORMAT_VERSION = 1


def training_report(
    history: Sequence[EpochFigures],
    figures: dict[str, MultilabelFigures],
    **facts: Any,
) -> bytes:
    """JSON: ``epochs``, a list of what `EpochFigures` says, and the figures of the finished model by their names.

    The same training gives the same bytes.

    Args:
        facts: other JSON-able values by their names, such as the thresholds.
    """
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        **facts,
        **{name: found.serialize() for name, found in figures.items()},
        "epochs": [asdict(entry) for entry in history],
    }
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()
