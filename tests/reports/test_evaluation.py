"""The sentences that people are to trust."""

import pytest

from spacer_like.drawing.class_style import plain_text, shorten, shorten_all
from spacer_like.reports.evaluation import percent, read_evaluation


@pytest.mark.parametrize(
    ("share", "digits", "text"),
    [
        (0.5, 0, "50 %"),
        (1.0, 0, "100 %"),
        (0.9999, 0, "more than 99 %"),
        (0.9999, 1, "more than 99.9 %"),
        (0.0001, 0, "less than 1 %"),
        (0.0, 0, "0 %"),
        (float("nan"), 0, "–"),
    ],
)
def test_a_percentage_never_claims_all_or_nothing_where_it_is_not(share, digits, text):
    assert percent(share, digits) == text


def test_a_threshold_that_no_point_reaches_is_said_to_decide_none(report_of):
    report = report_of(40, points=200, skill=0)
    assert read_evaluation(report).sentence(0.99) == "Above 0.99 the machine decides no point."


def test_the_largest_confusions_are_shares_of_the_true_class(report_of):
    evaluation = read_evaluation(report_of(4, points=1000))
    first = evaluation.largest_confusions(1)[0]
    row, column = evaluation.classes.index(first[0]), evaluation.classes.index(first[1])
    assert first[2] == evaluation.confusion[row, column]
    assert first[3] == pytest.approx(first[2] / evaluation.support[row])
    assert row != column


def test_the_calibration_error_is_the_reports(report_of):
    report = report_of(6)
    assert read_evaluation(report).calibration_error() == pytest.approx(report["calibration_error"])


def test_control_and_direction_characters_leave_a_name():
    assert plain_text("a\x1b[31mb\u202ec\n d") == "a [31mb c d"
    assert plain_text(" \n ") == "(no name)"


def test_a_shortened_name_keeps_both_ends():
    assert (
        shorten("Acropora branching, bleached", 15) == "Acropo…leached"
        or len(shorten("Acropora branching, bleached", 15)) <= 15
    )
    assert shorten("short", 15) == "short"


def test_names_that_become_equal_are_numbered():
    assert shorten_all(["abcdefghij1xyzuvwrst", "abcdefghij2xyzuvwrst"], 9) == ["abcd…wrst", "abcd…wrst (2)"]
