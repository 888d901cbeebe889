"""One picture of how good a classifier is, legible for 2 classes and for 40."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from spacer_like.data_classes import DataLocation
from spacer_like.drawing.charts import compact
from spacer_like.exceptions import SpacerInputError
from spacer_like.reports import evaluation_picture
from spacer_like.reports.evaluation_picture import evaluation_figure
from spacer_like.storage import read_bytes

HOSTILE = ["$\\frac{1", "_hidden", "<script>", "日本語のサンゴ", "a\nb\x1b[31m", "", "x" * 500, "\u202egnp.exe", 17]
SPECIES = [f"Genus{number} species with a rather long name number {number}" for number in range(40)]


def texts(figure) -> list[Text]:
    """Every text that is drawn."""
    figure.draw_without_rendering()
    return [one for one in figure.findobj(Text) if one.get_visible() and one.get_text().strip()]


def size_of(path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def boxes(figure):
    return [(one.get_text(), one.get_window_extent()) for one in texts(figure)]


@pytest.fixture(scope="module", params=[2, 8, SPECIES], ids=["2", "8", "40 long names"])
def figure(report_of, request):
    return evaluation_figure(report_of(request.param, points=600), title="Model of the north reef")


def test_no_text_leaves_the_picture(figure):
    frame = figure.bbox.padded(2)
    outside = [text for text, box in boxes(figure) if not (frame.contains(*box.min) and frame.contains(*box.max))]
    # Ticks beyond an axis's range keep a text that is never drawn.
    assert [text for text in outside if not text.rstrip(" %").replace(".", "").lstrip("−-").isdigit()] == []


def test_headings_do_not_overlap(figure):
    ours = [one for one in texts(figure) if one.get_fontsize() >= 9.5 and len(one.get_text()) > 8]
    large = [(one.get_text(), one.get_window_extent()) for one in ours if "Genus" not in one.get_text()]
    clashes = [
        (a, b) for i, (a, one) in enumerate(large) for b, other in large[i + 1 :] if one.overlaps(other) and a != b
    ]
    assert clashes == []


def test_it_says_what_may_be_decided_by_the_machine(report_of):
    report = report_of(8, points=2000)
    row = next(row for row in report["thresholds"] if row["threshold"] == 0.8)
    words = " ".join(one.get_text() for one in texts(evaluation_figure(report))).replace("\n", " ")
    assert (
        f"Above 0.80 the machine is right {100 * row['accuracy']:.0f} % of the time "
        f"and decides {100 * row['coverage']:.0f} % of the points." in words
    )
    assert f"Right on {100 * report['accuracy']:.1f} % of 2,000 points in 8 classes" in words


def test_every_count_of_the_confusion_matrix_is_written(report_of):
    report = report_of(5, points=300)
    words = {one.get_text().split("\n")[0] for one in texts(evaluation_figure(report))}
    assert {str(count) for row in report["confusion_matrix"] for count in row if count} <= words


def test_beyond_forty_classes_the_rarest_are_one(report_of):
    report = report_of(60, points=2000)
    words = [one.get_text() for one in texts(evaluation_figure(report))]
    support = sorted((row["support"] for row in report["per_class"]), reverse=True)
    assert words.count("21 rarer classes") == 2
    assert f"{sum(support[39:]):,}" in words


def test_hostile_names_are_drawn_as_text(report_of, tmp_path):
    evaluation_picture(report_of(HOSTILE, points=300), tmp_path / "hostile.png", title="$\\bad{ <b>")
    assert size_of(tmp_path / "hostile.png")[0] > 1000


def test_names_that_differ_only_in_their_middle_stay_apart(report_of):
    names = [f"Montipora encrusting, {colour} form, north-eastern slope" for colour in ("brown", "green")]
    drawn = [one.get_text() for one in texts(evaluation_figure(report_of(names)))]
    assert len({text for text in drawn if text.startswith("Montip")}) == 2


@pytest.mark.parametrize(("ending", "start"), [("svg", b"<?xml"), ("pdf", b"%PDF"), ("jpg", b"\xff\xd8\xff")])
def test_the_name_tells_the_format(report_of, tmp_path, ending, start):
    evaluation_picture(report_of(2), tmp_path / f"picture.{ending}")
    assert (tmp_path / f"picture.{ending}").read_bytes().startswith(start)


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_the_same_numbers_give_the_same_file(report_of, ending):
    places = [evaluation_picture(report_of(2), DataLocation("memory", f"{number}.{ending}")) for number in (1, 2)]
    first, second = map(read_bytes, places)
    assert first == second


def test_a_picture_goes_to_any_storage(report_of):
    place = evaluation_picture(report_of(2), DataLocation("memory", "evaluation.png"))
    assert read_bytes(place).startswith(b"\x89PNG")


def test_an_unknown_ending_is_refused(report_of, tmp_path):
    with pytest.raises(SpacerInputError, match="must end in one of png, svg"):
        evaluation_picture(report_of(2), tmp_path / "picture.docx")


@pytest.mark.parametrize("report", [{}, {"classes": ["a"]}, {"classes": 7}, [], None], ids=str)
def test_what_is_no_report_is_refused(report, tmp_path):
    with pytest.raises(SpacerInputError, match="not an evaluation report"):
        evaluation_picture(report, tmp_path / "picture.png")


def test_one_class_without_points_and_no_epochs_is_drawn(report_of, tmp_path):
    report = report_of(["never", "always"], epochs=0, skill=50)
    report["confusion_matrix"], report["per_class"][0] = [[0, 0], [0, 400]], {
        "label": "never", "precision": None, "recall": None, "f1": None, "support": 0,
    }  # fmt: skip
    words = [one.get_text() for one in texts(evaluation_figure(report))]
    assert "no scores" in words
    assert "How did training go?" not in words


def test_classes_that_the_model_does_not_know_are_told(report_of):
    report = report_of(3)
    report["left_out"] = [{"label": "rare", "train": 2, "ref": 0, "val": 1, "reason": "too few points"}]
    drawn = " ".join(one.get_text() for one in texts(evaluation_figure(report)))
    assert "The model does not know 1 labelled class (3 points left out)." in drawn


def test_the_picture_is_not_blank(report_of, tmp_path):
    evaluation_picture(report_of(8), tmp_path / "evaluation.png")
    with Image.open(tmp_path / "evaluation.png") as picture:
        pixels = np.asarray(picture.convert("L"))
    assert 0.5 < (pixels > 250).mean() < 0.97


def test_without_matplotlib_one_sentence_tells_what_to_install():
    code = """
import sys
sys.modules["matplotlib"] = None
from spacer_like.drawing.figures import new_figure
try:
    new_figure(1, 1)
except ImportError as error:
    print(type(error).__name__, error)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == (
        "MissingExtraError Drawing pictures needs packages that are not installed:"
        " run pip install 'spacer_like[plots]'."
    )


def test_counts_fit_a_small_cell():
    assert [compact(number) for number in (0, 9999, 12_345, 999_499, 999_500)] == ["0", "9999", "12k", "999k", "1.0M"]
