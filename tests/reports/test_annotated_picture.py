"""A photograph with its points: colours, shapes, a legend, and the wrong ones marked."""

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.text import Text
from PIL import Image

from spacer_like.drawing.class_style import OTHER, marks
from spacer_like.reports import annotated_picture
from spacer_like.reports.annotated_picture import annotated_figure

PHOTOGRAPH = np.full((60, 90, 3), 128, np.uint8)


def words(figure) -> list[str]:
    return [one.get_text() for one in figure.findobj(Text) if one.get_text()]


def size_of(path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def places(figure, marker_size_above: float = 0) -> set[tuple[float, float]]:
    photograph = figure.axes[0]
    return {
        (float(y), float(x))
        for collection in photograph.findobj(PathCollection)
        if collection.get_sizes()[0] > marker_size_above
        for x, y in collection.get_offsets()
    }


def test_each_point_lies_on_its_pixel():
    points = [(0, 0, "a", 0.9), (59, 89, "b", None), (30, 45, "a", 0.2)]
    figure = annotated_figure(PHOTOGRAPH, points)
    assert places(figure) == {(0, 0), (59, 89), (30, 45)}
    assert figure.axes[0].get_xlim() == (-0.5, 89.5)
    assert figure.axes[0].get_ylim() == (59.5, -0.5)


def test_a_photograph_that_is_scaled_down_keeps_its_coordinates():
    large = Image.new("RGB", (4000, 3000), "white")
    figure = annotated_figure(large, [(2999, 3999, "a", None)])
    assert places(figure) == {(2999, 3999)}
    drawn = figure.axes[0].images[0].get_array()
    assert drawn.shape[1] < 1500


def test_the_legend_counts_the_classes_most_frequent_first():
    points = [(number, 5, "sand", None) for number in range(3)] + [(9, 9, "coral", None)]
    shown = words(annotated_figure(PHOTOGRAPH, points))
    assert shown.index("sand") < shown.index("coral")
    assert {"3 (75 %)", "1 (25 %)", "4 points"} <= set(shown)


def test_wrong_points_get_a_ring_and_their_true_class():
    points = [(10, 10, "sand", 0.9), (20, 20, "sand", 0.9), (30, 30, "coral", 0.9)]
    figure = annotated_figure(PHOTOGRAPH, points, truth={(10, 10): "sand", (20, 20): "rubble"})
    shown = words(figure)
    assert "3 points, 1 of 2 right (50 %)" in shown
    assert "rubble" in shown
    assert any(text.startswith("wrong: 1") for text in shown)
    largest = max(collection.get_sizes()[0] for collection in figure.axes[0].findobj(PathCollection))
    assert places(figure, largest - 1) == {(20, 20)}


def test_a_label_that_is_a_number_equals_the_same_number_as_text():
    assert "1 point, 1 of 1 right (100 %)" in words(annotated_figure(PHOTOGRAPH, [(1, 1, 17, 0.5)], {(1, 1): "17"}))


def test_points_below_the_threshold_are_hollow():
    figure = annotated_figure(PHOTOGRAPH, [(1, 1, "a", 0.9), (2, 2, "a", 0.7)], threshold=0.8)
    hollow = {
        (float(y), float(x))
        for collection in figure.axes[0].findobj(PathCollection)
        if len(collection.get_facecolors()) == 0
        for x, y in collection.get_offsets()
    }
    assert hollow == {(2, 2)}
    assert "score below 0.80: 1" in words(figure)


@pytest.mark.parametrize("size", [(1, 1), (2000, 30), (30, 2000)])
def test_any_shape_of_photograph_is_drawn(tmp_path, size):
    annotated_picture(Image.new("L", size), [(0, 0, "a", None)], tmp_path / "points.png", threshold=0.5)
    assert max(size_of(tmp_path / "points.png")) < 2500


def test_hostile_names_are_drawn_as_text(tmp_path):
    names = ["$\\frac{1", "_hidden", "<script>", "日本語のサンゴ" * 20, "a\nb\x1b[31m", "", "x" * 500]
    points = [(number, number, name, 0.5) for number, name in enumerate(names)]
    truth = {(row, col): f"not {name}" for row, col, name, _ in points}
    annotated_picture(PHOTOGRAPH, points, tmp_path / "points.png", truth=truth)
    assert size_of(tmp_path / "points.png")[0] > 1000


def test_no_name_runs_into_the_counts_of_the_legend():
    figure = annotated_figure(PHOTOGRAPH, [(1, 1, "W" * 60, None), (2, 2, "i" * 60, None)])
    figure.draw_without_rendering()
    texts = [one for one in figure.findobj(Text) if one.get_text()]
    counts = [one for one in texts if one.get_text().endswith("%)")]
    names = [one for one in texts if set(one.get_text()) <= {"W", "i", "…"}]
    assert len(names) == len(counts) == 2
    for name in names:
        assert not any(name.get_window_extent().overlaps(count.get_window_extent()) for count in counts)


def test_forty_nine_classes_have_marks_of_their_own_and_further_ones_share_one():
    assert len(set(marks(49))) == 49
    assert marks(60)[49:] == [OTHER] * 11
    assert all(
        one.colour != two.colour and one.shape != two.shape for one, two in zip(marks(49), marks(49)[1:], strict=False)
    )


def test_a_photograph_without_points_is_drawn():
    assert "0 points" in words(annotated_figure(PHOTOGRAPH, []))
