"""The labelled points that the demo learns from."""

import csv
from collections import Counter

import pytest

from spacer_like.examples import LABELS

HEIGHT, WIDTH = 427, 640


@pytest.fixture(scope="module")
def points() -> list[tuple[str, int, int, str]]:
    with LABELS.open(newline="") as file:
        return [(line["image"], int(line["row"]), int(line["col"]), line["label"]) for line in csv.DictReader(file)]


def test_there_are_at_least_two_hundred_on_the_two_photographs(points):
    assert len(points) >= 200
    assert {image for image, *_ in points} == {"china.jpg", "flower.jpg"}


def test_each_lies_in_its_photograph_and_is_labelled_once(points):
    assert all(0 <= row < HEIGHT and 0 <= col < WIDTH for _, row, col, _ in points)
    assert max(Counter((image, row, col) for image, row, col, _ in points).values()) == 1


def test_some_lie_at_the_very_border(points):
    assert sum(min(row, col, HEIGHT - 1 - row, WIDTH - 1 - col) < 5 for _, row, col, _ in points) >= 8


def test_every_class_has_points_enough_for_three_sets(points):
    counts = Counter(label for *_, label in points)
    assert len(counts) == 8
    assert min(counts.values()) >= 20
