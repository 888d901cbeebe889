"""The metrics after each batch of a training, as JSON and as a picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from spacer_like.drawing.charts import DPI, bare, heading, name_axes
from spacer_like.drawing.class_style import BLUE, FAINT, VERMILLION
from spacer_like.drawing.figures import new_figure, write_figure
from spacer_like.learning.training_loop import Epoch

if TYPE_CHECKING:
    from spacer_like.location import DataLocation

LEAST_SPREAD = 0.01
"""Of outputs, in units of the targets, below which they are all alike: a quarter of a degree."""
METRICS = ("loss", "mse", "mae", "accuracy")
PANELS = {"mse": "MSE", "mae": "MAE", "accuracy": "accuracy", "loss": "cross entropy"}
_WIDTH, _HEIGHT = 10, 5
_MARKED_STEPS = 40


def metrics_json(history: Sequence[Epoch], order: Sequence[int], names: Sequence[str | None]) -> bytes:
    """The metrics by the number of the step from 0, as InclinET has them.

    ``mae`` is over the step's batch as it was learnt from, ``val_mae`` of the validation after it, and so on, in units
    of the targets, of which one is 22.5 degrees. ``batchNo`` and ``batchFile`` say which batch it was.

    Args:
        order: the number of the batch of each step.
        names: of the batches' files; None: a batch has none.
    """
    entries: dict[str, dict[str, Any]] = {}
    for step, (entry, number) in enumerate(zip(history, order, strict=False)):
        parts = {"": entry.train, "val_": entry.validation}
        # In one order: a snapshot's is another one.
        metrics = {f"{part}{name}": of[name] for part, of in parts.items() for name in METRICS if name in of}
        entries[str(step)] = {**metrics, "batchNo": number, "batchFile": names[number]}
    return json.dumps(entries, indent=1).encode()


def doubts_about(step: Epoch) -> list[str]:
    """Sentences about what has gone wrong up to a step: that the network says the same of all images.

    Its last layers are dead or saturated then, and further steps seldom bring them back.
    """
    of_validation, of_batch = step.validation.get("spread"), step.train.get("spread")
    spread, images = (of_batch, "the last batch") if of_validation is None else (of_validation, "the validation")
    # Snapshots of earlier versions do not hold it.
    if spread is None or spread >= LEAST_SPREAD:
        return []
    return [
        f"The network says the same of all images of {images}: it has learnt nothing. Train it with a smaller "
        "learning_rate, another seed, or more batches."
    ]


def draw_metrics(history: Sequence[Epoch], loc: DataLocation) -> None:
    """Draw two panels of the metrics over the steps: of a number MSE and MAE, of classes cross entropy and accuracy.

    Args:
        history: one step or more.
        loc: where the picture goes; the ending decides the format.

    Raises:
        SpacerInputError: the picture's name has an unknown ending.
        MissingExtraError: matplotlib is not installed.
    """
    from matplotlib.ticker import MaxNLocator

    names = ("mse", "mae") if "mse" in history[0].train else ("loss", "accuracy")
    figure = new_figure(_WIDTH, _HEIGHT)
    steps = range(len(history))
    mark = "o" if len(history) < _MARKED_STEPS else ""
    for number, name in enumerate(names):
        axes = figure.add_subplot(1, 2, number + 1)
        bare(axes)
        axes.grid(axis="y", color=FAINT)
        parts = [("train", VERMILLION, 1.0)] + ([("validation", BLUE, 0.5)] if history[0].validation else [])
        for part, colour, alpha in parts:
            values = [getattr(entry, part)[name] for entry in history]
            axes.plot(steps, values, color=colour, alpha=alpha, marker=mark, markersize=4, label=part)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        heading(axes, PANELS[name])
        name_axes(axes, "step", "")
        axes.legend(frameon=False)
    figure.tight_layout()
    write_figure(figure, loc, DPI)
