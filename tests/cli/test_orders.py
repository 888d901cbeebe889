"""What the terminal and requests list is in an order of its own, whatever order it came in."""

from __future__ import annotations

from rich.console import Console

from spacer_like.chips.messages.labels import BuildLabelTableReturnMsg
from spacer_like.chips.messages.models import MultilabelFigures, TrainMultilabelReturnMsg
from spacer_like.cli.chip_labels_command import _by_zone
from spacer_like.cli.chip_rendering import label_counts, multilabel_training

CELLS = ["Z34-031111212322", "Z33-031111212323", "Z33-031111212320", "Z33-031111212321", "Z01-031111212322"]


def listed(shown, labels):
    """The labels in the order in which the lines show them."""
    console = Console(width=200)
    with console.capture() as captured:
        console.print(*shown)
    words = captured.get().split()
    return sorted(labels, key=words.index)


def test_labels_of_a_table_come_by_their_chips_and_then_by_their_names():
    counts = {"water": 40, "forest": 40, "building": 300, "bridge": 40}
    result = BuildLabelTableReturnMsg.example().model_copy(update={"counts": counts})
    assert listed(label_counts(result, "out"), counts) == ["building", "bridge", "forest", "water"]


def test_labels_of_a_model_come_by_their_chips_and_then_as_the_model_has_them():
    support = {"forest": 5, "water": 7, "bridge": 5, "building": 9}
    metrics = {name: dict.fromkeys(support, 0.5) for name in ("precision", "recall", "f1")}
    figures = MultilabelFigures.example().model_copy(update={**metrics, "support": support})
    result = TrainMultilabelReturnMsg.example().model_copy(
        update={"labels": [*support], "thresholds": dict.fromkeys(support, 0.5), "figures": figures}
    )
    assert listed(multilabel_training(result, "m.safetensors"), support) == ["building", "water", "forest", "bridge"]


def test_cells_whose_labels_are_fetched_come_by_zone_and_quadkey():
    found = _by_zone(CELLS, "ard")
    assert list(found.items()) == [
        (1, ["031111212322"]),
        (33, ["031111212320", "031111212321", "031111212323"]),
        (34, ["031111212322"]),
    ]
