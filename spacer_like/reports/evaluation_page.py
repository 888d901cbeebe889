"""An evaluation as one HTML page that needs nothing beside itself: no script, no font, no picture from elsewhere.

Every text of the report is escaped, and the page's own policy forbids scripts and requests, so that a class named
``<script>`` is only a strange name.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np

from spacer_like.drawing.class_style import plain_text, shorten
from spacer_like.drawing.figures import Destination, as_location, html_table, new_figure, svg_element
from spacer_like.exceptions import SpacerInputError
from spacer_like.location import DataLocation
from spacer_like.reports.curves import draw_calibration, draw_epochs, draw_thresholds
from spacer_like.reports.evaluation import DEFAULT_THRESHOLD, Evaluation, percent, read_evaluation
from spacer_like.reports.image_evaluation import METRICS_HEADING, SOURCES_HEADING, metric_rows, sentences, source_rows

LARGEST_MATRIX = 150
_PICTURES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg"}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def evaluation_page(
    report: Mapping[str, Any],
    path: Destination,
    *,
    title: str = "",
    threshold: float = DEFAULT_THRESHOLD,
    pictures: Sequence[tuple[str, bytes]] = (),
) -> DataLocation:
    """Write an evaluation report as one self-contained HTML page.

    Args:
        report: what `train_classifier` writes at its message's `report_loc`, parsed.
        path: a file's path or a location.
        title: the page's title, such as the model's name.
        threshold: the confidence that the sentence speaks about.
        pictures: (caption, PNG or JPEG) of pictures to show at the end, such as annotated photographs.

    Raises:
        SpacerInputError: the report is no evaluation report, or a picture is neither PNG nor JPEG.
        MissingExtraError: matplotlib is not installed.
    """
    from spacer_like.storage import write_bytes

    location = as_location(path)
    write_bytes(location, render_page(read_evaluation(report), title, threshold, pictures).encode())
    return location


def render_page(
    evaluation: Evaluation,
    title: str = "",
    threshold: float = DEFAULT_THRESHOLD,
    pictures: Sequence[tuple[str, bytes]] = (),
) -> str:
    """The page's text."""
    name = escape(plain_text(title)) if title else "Evaluation of a classifier"
    style = files("spacer_like.reports").joinpath("page.css").read_text("utf-8")
    body = [
        f'<p class="quiet">{name}</p><h1>{escape(evaluation.headline())}</h1>',
        f'<p class="sentence">{escape(evaluation.sentence(threshold))}</p>',
        _previous(evaluation),
        _left_out(evaluation),
        _by_image(evaluation),
        _charts(evaluation, threshold),
        _classhtml_table(evaluation),
        _mistakes(evaluation),
        _matrix(evaluation),
        _thresholdhtml_table(evaluation),
        *(_picture(caption, data) for caption, data in pictures),
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{style}</style></head>'
        f"<body>{''.join(body)}</body></html>\n"
    )


def _previous(evaluation: Evaluation) -> str:
    if not evaluation.previous_accuracies:
        return ""
    shares = ", ".join(percent(share, 1) for share in evaluation.previous_accuracies)
    return f"<p>Previous models on the same points: {shares}.</p>"


def _left_out(evaluation: Evaluation) -> str:
    if not evaluation.left_out:
        return ""
    rows = [
        [escape(shorten(label, 60)), escape(plain_text(reason)), f"{count:,}"]
        for label, count, reason in evaluation.left_out
    ]
    return f"<h2>Classes left out</h2><p>{escape(evaluation.warning())}</p>" + html_table(
        ["class", "why, and what to do", "points"], rows, names=2
    )


def _by_image(evaluation: Evaluation) -> str:
    found = evaluation.by_image
    if found is None:
        return ""
    said = "".join(f"<p>{escape(one)}</p>" for one in sentences(found, len(evaluation.epoch_accuracies)))
    metrics = html_table(list(METRICS_HEADING), _escaped(metric_rows(found, evaluation.accuracy)))
    if not found.sources:
        return said + metrics
    return (
        f"{said}{metrics}<h2>Sources</h2><p class='quiet'>Far points lie farther from every point of the training than "
        "95 % of the training's points do from those of other images: 5 % are expected.</p>"
        + html_table(list(SOURCES_HEADING), _escaped(source_rows(found)))
    )


def _escaped(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    return [[escape(cell) for cell in row] for row in rows]


def _charts(evaluation: Evaluation, threshold: float) -> str:
    calibration, thresholds = new_figure(5, 4.3), new_figure(5, 4.3)
    upper, lower = calibration.subplots(2, sharex=True, height_ratios=(5, 2))
    draw_calibration(upper, lower, evaluation)
    draw_thresholds(thresholds.subplots(), evaluation, threshold)
    charts = [(calibration, "Accuracy over confidence"), (thresholds, "Accuracy and coverage over the threshold")]
    if evaluation.epoch_accuracies:
        epochs = new_figure(5, 4.3)
        draw_epochs(epochs.subplots(), evaluation)
        charts.append((epochs, "Accuracy by epoch"))
    for figure, _ in charts:
        figure.subplots_adjust(left=0.14, right=0.95, top=0.84, bottom=0.12)
    return f'<div class="charts">{"".join(svg_element(figure, text) for figure, text in charts)}</div>'


def _classhtml_table(evaluation: Evaluation) -> str:
    rows = []
    for index in np.argsort(-evaluation.support, kind="stable"):
        precision, recall, f1 = (
            float(scores[index]) for scores in (evaluation.precision, evaluation.recall, evaluation.f1)
        )
        meter = "" if np.isnan(f1) else f'<span class="meter"><i style="width:{100 * f1:.0f}%"></i></span>'
        name, support = escape(evaluation.classes[index]), f"{evaluation.support[index]:,}"
        rows.append([name, support, percent(precision, 1), percent(recall, 1), percent(f1, 1) + meter])
    return (
        "<h2>Classes</h2><p class='quiet'>Precision: of the points given a class, the share that are of it. "
        "Recall: of the points of a class, the share that were given it. F1: their harmonic mean.</p>"
        + html_table(["class", "points", "precision", "recall", "F1"], rows)
    )


def _mistakes(evaluation: Evaluation) -> str:
    rows = [
        [escape(true), escape(given), f"{count:,}", percent(share)]
        for true, given, count, share in evaluation.largest_confusions()
    ]
    if not rows:
        return "<h2>Largest confusions</h2><p>None: every point is right.</p>"
    return "<h2>Largest confusions</h2>" + html_table(
        ["true class", "taken for", "points", "of the true class"], rows, names=2
    )


def _matrix(evaluation: Evaluation) -> str:
    order = np.argsort(-evaluation.support, kind="stable")[:LARGEST_MATRIX]
    names = [evaluation.classes[index] for index in order]
    counts = evaluation.confusion[np.ix_(order, order)]
    shares = counts / np.maximum(evaluation.confusion[order].sum(axis=1, keepdims=True), 1)
    head = "".join(
        f'<th title="{escape(name)}"><div class="turned">{escape(shorten(name, 40))}</div></th>' for name in names
    )
    rows = "".join(
        f'<tr><th title="{escape(name)}">{escape(shorten(name, 40))}</th>'
        + "".join(
            _cell(name, names[column], int(counts[row, column]), float(shares[row, column]), row == column)
            for column in range(len(names))
        )
        + "</tr>"
        for row, name in enumerate(names)
    )
    cut = f" The {LARGEST_MATRIX} classes with most points." if len(evaluation.classes) > LARGEST_MATRIX else ""
    return (
        '<h2>Confusion matrix</h2><p class="quiet">Points by true class (row) and predicted class (column), shaded by '
        f'their share of the row.{cut}</p><div class="scroll"><table class="matrix"><thead><tr><th>true \\ predicted'
        f"</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _cell(true: str, given: str, count: int, share: float, hit: bool) -> str:
    if not count:
        return "<td></td>"
    classes = " ".join(word for word, holds in (("hit", hit), ("dark", share > 0.55)) if holds)
    tip = escape(f"{true} → {given}: {percent(share)}")
    return f'<td class="{classes}" style="background:rgba(8,81,156,{share:.2f})" title="{tip}">{count}</td>'


def _thresholdhtml_table(evaluation: Evaluation) -> str:
    rows, last = [], -1.0
    table = (evaluation.thresholds, evaluation.threshold_accuracy, evaluation.threshold_coverage)
    for threshold, accuracy, coverage in zip(*(column.tolist() for column in table), strict=True):
        # A finer table is thinned out: the curve above shows it all.
        if threshold - last >= 0.05 - 1e-9:
            last = threshold
            rows.append([f"{threshold:.2f}", percent(accuracy, 1), percent(coverage, 1)])
    return "<h2>Confidence thresholds</h2>" + html_table(["above", "right", "points decided"], rows, names=0)


def _picture(caption: str, data: bytes) -> str:
    kind = next((kind for start, kind in _PICTURES.items() if data.startswith(start)), None)
    if kind is None:
        raise SpacerInputError(
            f"The picture '{shorten(caption, 60)}' is neither PNG nor JPEG, and cannot stand in the page."
        )
    text = escape(plain_text(caption))
    source = f"data:{kind};base64,{b64encode(data).decode()}"
    return f'<figure><img alt="{text}" src="{source}"><figcaption>{text}</figcaption></figure>'
