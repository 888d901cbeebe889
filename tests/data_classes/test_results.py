"""Evaluation results, point by point."""

import pytest

from spacer_like.data_classes import ValResults
from spacer_like.exceptions import MessageError


def test_results_survive_the_journey():
    assert ValResults.deserialize(ValResults.example().serialize()) == ValResults.example()
    assert list(ValResults.example().serialize()) == ["scores", "gt", "est", "classes"]


@pytest.mark.parametrize(
    "arguments",
    [
        ([0.5], [0, 1], [0, 1], ["a", "b"]),
        ([0.5], [0], [0, 1], ["a", "b"]),
        ([0.5], [1], [0], ["a"]),
        ([0.5], [0], [1], ["a"]),
        ([0.5], [-1], [0], ["a"]),
        ([], [], [], ["a"]),
    ],
)
def test_results_that_cannot_be_are_refused(arguments):
    with pytest.raises(MessageError):
        ValResults(*arguments)
