"""The evaluation as one HTML page that needs nothing beside itself and runs nothing."""

import re
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from spacer_like.exceptions import MessageError, SpacerInputError
from spacer_like.learning.baselines import Nearest
from spacer_like.learning.image_metrics import Points, evaluation_by_image
from spacer_like.reports import evaluation_page, evaluation_picture
from spacer_like.reports.evaluation import read_evaluation
from spacer_like.reports.evaluation_page import render_page

HOSTILE = ["<script>alert(1)</script>", '" onmouseover="alert(1)', "</style><img src=x onerror=alert(1)>", "&amp;", "'"]


class Reader(HTMLParser):
    """Which elements and attributes a browser would see, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def page_of(report, tmp_path, **options) -> str:
    evaluation_page(report, tmp_path / "page.html", **options)
    return (tmp_path / "page.html").read_text("utf-8")


def test_it_tells_what_the_report_tells(report_of, tmp_path):
    report = report_of(8, points=2000)
    read = Reader(page_of(report, tmp_path, title="North reef"))
    assert f"Right on {100 * report['accuracy']:.1f} % of 2,000 points in 8 classes" in read.text
    assert "Above 0.80 the machine is right" in read.text
    assert "North reef" in read.text
    for row in report["per_class"]:
        assert row["label"] in read.text
    assert read.text.count("class 3") >= 3


def test_classes_come_by_their_points_in_the_table_and_in_the_matrix(report_of, tmp_path):
    report = report_of(5, points=2000)
    points = {row["label"]: row["support"] for row in report["per_class"]}
    expected = sorted(points, key=lambda label: -points[label])
    assert expected != list(points)
    text = page_of(report, tmp_path)
    of_classes = text.split("<h2>Classes</h2>")[1].split("</table>")[0]
    assert re.findall(r"class \d", of_classes) == expected
    assert re.findall(r'<tr><th title="(class \d)"', text) == expected


def test_names_of_classes_are_only_names(report_of, tmp_path):
    text = page_of(report_of(HOSTILE), tmp_path, title=HOSTILE[0])
    read = Reader(text)
    assert not {"script", "img", "iframe", "object", "link"} & {tag for tag, _ in read.elements}
    assert not [name for _, attributes in read.elements for name in attributes if name.startswith("on")]
    assert HOSTILE[0] in read.text
    assert sum(tag == "style" for tag, _ in read.elements) == 1


def test_it_asks_for_nothing_from_elsewhere(report_of, tmp_path):
    text = page_of(report_of(3), tmp_path)
    assert not re.search(r"src=|@import", text)
    assert set(re.findall(r"(?:href=\"|url\()(.)", text)) == {"#"}
    assert "default-src 'none'" in text


def test_pictures_are_held_in_the_page(report_of, tmp_path):
    stream = BytesIO()
    Image.new("RGB", (4, 4)).save(stream, "PNG")
    read = Reader(page_of(report_of(2), tmp_path, pictures=[("china <b>", stream.getvalue())]))
    sources = [attributes["src"] for tag, attributes in read.elements if tag == "img"]
    assert [source[:22] for source in sources] == ["data:image/png;base64,"]
    assert "china <b>" in read.text


def test_a_picture_of_another_kind_is_refused(report_of, tmp_path):
    with pytest.raises(SpacerInputError, match="neither PNG nor JPEG"):
        page_of(report_of(2), tmp_path, pictures=[("drawing", b"<svg onload=alert(1)>")])


@pytest.mark.parametrize("skill", [0, 50], ids=["always guessing", "always right"])
def test_extreme_classifiers_have_a_page(report_of, tmp_path, skill):
    report = report_of(3, points=60, skill=skill)
    assert "</html>" in page_of(report, tmp_path)
    report["ref_accs"] = [1.0]
    report["accuracy"] = 1.0
    assert "</html>" in page_of(report, tmp_path)


def test_an_always_right_classifier_confuses_nothing(report_of, tmp_path):
    assert "None: every point is right." in page_of(report_of(3, points=60, skill=50), tmp_path)


def test_two_hundred_classes_stay_a_page_of_bearable_size(report_of, tmp_path):
    text = page_of(report_of(200, points=5000), tmp_path)
    assert len(text) < 2_000_000
    assert "The 150 classes with most points." in text


def test_what_is_known_by_image_is_shown_with_the_sources_that_are_unlike_the_training(report_of, tmp_path):
    points = Points(np.repeat(np.arange(8), 50), *np.random.default_rng(0).integers(0, 4, (2, 400)))
    near = Nearest(np.ones(400, np.bool_), points.true == 1, points.image >= 6)
    sources = np.where(points.image >= 6, "new <reef>", "known").tolist()
    by_image = evaluation_by_image(points, 0, near, sources, [0.9, 0.8, 0.7, 0.9, 0.9], 3).serialize()
    text = render_page(read_evaluation(report_of(4) | {"by_image": by_image}))
    assert "Kept is epoch 3 of 5, which had the least loss on the reference points, which also calibrated it." in text
    assert "All figures are of the validation points" in text
    for said in ("This source is unlike the training: new &lt;reef&gt;.", "Kept is epoch 3 of 5", "too few images"):
        assert said in text
    assert "always the commonest class" in text
    evaluation_picture(report_of(4) | {"by_image": by_image}, tmp_path / "picture.png")


@pytest.mark.parametrize("change", [{"interval": "high"}, {"sources": [3]}, {"baselines": [{"name": "x"}]}])
def test_a_damaged_part_by_image_is_refused(report_of, change):
    points = Points(np.arange(4), np.array([0, 1, 0, 1]), np.array([0, 1, 1, 1]))
    by_image = evaluation_by_image(points, 0).serialize()
    with pytest.raises(MessageError):
        read_evaluation(report_of(4) | {"by_image": by_image | change})
