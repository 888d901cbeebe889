"""Evaluation results, point by point."""

import re

import pytest

from spacer_like.data_classes import ValResults
from spacer_like.exceptions import MessageError


def test_results_survive_the_journey():
    assert ValResults.deserialize(ValResults.example().serialize()) == ValResults.example()
    assert list(ValResults.example().serialize()) == ["scores", "gt", "est", "classes"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (([0.5], [0, 1], [0, 1], ["a", "b"]), "as many scores (1) as gt (2) and est (2)"),
        (([0.5], [0], [0, 1], ["a", "b"]), "as many scores (1) as gt (1) and est (2)"),
        (([0.5], [1], [0], ["a"]), "gt points outside the 1 classes"),
        (([0.5], [0], [1], ["a"]), "est points outside the 1 classes"),
        (([0.5], [-1], [0], ["a"]), "gt points outside the 1 classes"),
        (([], [], [], ["a"]), "gt is empty: there is nothing to evaluate"),
    ],
)
def test_results_that_cannot_be_are_refused(arguments, sentence):
    with pytest.raises(MessageError, match=re.escape(sentence)):
        ValResults(*arguments)
