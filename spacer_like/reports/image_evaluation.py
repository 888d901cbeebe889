"""What is said of an evaluation by images and sources: its rows and sentences, for pages, pictures and terminals."""

from __future__ import annotations

from collections.abc import Sequence

from spacer_like.drawing.class_style import plain_text, shorten
from spacer_like.learning.image_metrics import ImageEvaluation
from spacer_like.reports.evaluation import count_of, percent

_BASELINES = {"majority": "always the commonest class", "nearest": "the class of the most similar point"}
METRICS_HEADING = ("metric", "value", "95 % by image")
SOURCES_HEADING = ("source", "images", "points", "right", "95 % by image", "balanced", "far points", "")


def interval_text(interval: Sequence[float] | None) -> str:
    """
    >>> interval_text((0.712, 0.789)), interval_text(None)
    ('71.2 to 78.9 %', 'too few images')
    """
    return "too few images" if interval is None else f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f} %"


def metric_rows(found: ImageEvaluation, accuracy: float) -> list[list[str]]:
    """Name, value and interval of each metric and baseline that is known."""
    rows = [["right", percent(accuracy, 1), interval_text(found.interval)]]
    for one in found.baselines:
        name = _BASELINES.get(one.name, plain_text(one.name))
        rows.append([f"{name} is right", percent(one.accuracy, 1), interval_text(one.interval)])
    shares = {"balanced accuracy (mean recall)": found.balanced_accuracy}
    rows += [[name, percent(value, 1), ""] for name, value in shares.items() if value is not None]
    numbers = {
        "Matthews' correlation": found.mcc,
        "log loss": found.log_loss,
        "R² of the cover of images": found.cover_r2,
    }
    return rows + [[name, f"{value:.3f}", ""] for name, value in numbers.items() if value is not None]


def source_rows(found: ImageEvaluation) -> list[list[str]]:
    """A row for each source, the least accurate first."""
    return [
        [
            shorten(one.source, 60) or "(unknown)",
            f"{one.images:,}",
            f"{one.points:,}",
            percent(one.accuracy, 1),
            interval_text(one.interval),
            "" if one.balanced_accuracy is None else percent(one.balanced_accuracy, 1),
            "" if one.far is None else percent(one.far),
            "unlike the training" if one.unlike else "",
        ]
        for one in found.sources
    ]


def sentences(found: ImageEvaluation, epochs: int) -> list[str]:
    """What a person should know before trusting the accuracy."""
    said = []
    best = max((one.accuracy for one in found.baselines), default=None)
    if best is not None:
        by_image = "" if found.interval is None else f"By image, it is right on {interval_text(found.interval)}. "
        said.append(f"{by_image}The best baseline is right on {percent(best, 1)}.")
    if unlike := [one.source for one in found.sources if one.unlike]:
        names = ", ".join(shorten(source, 30) for source in unlike[:3]) + (" …" if len(unlike) > 3 else "")
        subject = "This source is" if len(unlike) == 1 else f"{count_of(len(unlike), 'source')} are"
        said.append(f"{subject} unlike the training: {names}.")
    if found.kept_epoch is not None and (found.kept_epoch < epochs or found.stopping_points):
        held_back = f"{count_of(found.stopping_points, 'point')} held back from learning"
        which = held_back if found.stopping_points else "the reference points, which also calibrated it"
        said.append(f"Kept is epoch {found.kept_epoch} of {epochs}, which had the least loss on {which}.")
    said.append("All figures are of the validation points, which had no part in the training.")
    return said
