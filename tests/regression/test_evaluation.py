"""Figures, ensembles, the correction of bias and intervals of predicted inclinations."""

import numpy as np
import pytest

from spacer_like.exceptions import SpacerInputError
from spacer_like.regression import evaluation, intervals


def test_errors_are_those_worked_out_by_hand():
    errors = evaluation.measure([50, 60, 70, 80], [53, 60, 70, 68])
    assert errors.count == 4
    assert errors.rms == pytest.approx(np.sqrt((9 + 144) / 4))
    assert (errors.mae, errors.bias, errors.outliers) == (3.75, 2.25, 0.25)


def test_groups_are_measured_alone():
    by_band = evaluation.measure_groups([50, 60, 70], [51, 60, 72], ["g", "r", "g"])
    assert by_band["g"].mae == 1.5
    assert by_band["r"].mae == 0


def test_bins_are_closed_on_the_right_but_for_the_first():
    assert evaluation.inclination_bins([45, 50, 50.1, 55, 90, 91, 40]).tolist() == [0, 0, 1, 1, 8, 8, 0]


@pytest.mark.parametrize("predictions", [[np.nan, 1], [1, 2, 3]])
def test_what_cannot_be_measured_is_said(predictions):
    with pytest.raises(SpacerInputError, match=r"cannot be measured|do not match"):
        evaluation.measure([50, 60], predictions)


def test_bootstrap_repeats_by_seed_and_holds_the_figure():
    generator = np.random.default_rng(1)
    labels = generator.uniform(45, 90, 400)
    predictions = labels + generator.normal(0, 3, 400)
    first = evaluation.bootstrap_intervals(labels, predictions, seed=5, resamples=200)
    assert first == evaluation.bootstrap_intervals(labels, predictions, seed=5, resamples=200)
    low, high = first["rms"]
    assert low < evaluation.measure(labels, predictions).rms < high


def test_ensemble_joins_views_then_nets_and_leaves_missing_out():
    table = np.array([[[50.0, np.nan], [52, np.nan]], [[60, np.nan], [60, np.nan]], [[70, np.nan], [np.nan, np.nan]]])
    assert evaluation.ensemble(table)[0] == 60
    assert evaluation.ensemble(table, "mean")[0] == pytest.approx((51 + 60 + 70) / 3)
    assert np.isnan(evaluation.ensemble(table)[1])


def test_bias_that_is_a_line_is_taken_out_exactly():
    labels = np.linspace(45, 90, 50)
    predictions = labels - (0.1 * labels - 6)
    line = evaluation.fit_bias(labels, np.append(predictions[:-1], 20.0))
    assert (line.slope, line.offset) == (pytest.approx(0.1), pytest.approx(-6))
    np.testing.assert_allclose(line.corrected(predictions), labels)


def test_bias_needs_two_labels():
    with pytest.raises(SpacerInputError, match="fewer than two labels"):
        evaluation.fit_bias([50, 50], [51, 52])


def _synthetic(generator, count):
    predictions = generator.uniform(45, 90, count)
    return generator.normal(0, 1 + (90 - predictions) / 10), evaluation.inclination_bins(predictions).tolist()


def test_ninety_per_cent_holds_in_every_bin_though_the_noise_differs():
    generator = np.random.default_rng(3)
    fitted = intervals.fit_intervals(*_synthetic(generator, 36_000))
    residuals, groups = _synthetic(generator, 90_000)
    held = np.abs(residuals) <= fitted.half_widths(groups)
    for group in range(9):
        assert 0.88 <= held[np.array(groups) == group].mean() <= 0.92


def test_few_residuals_promise_nothing_and_a_small_group_takes_the_width_of_all():
    assert intervals.conformal_half_width([1] * 8, 0.9) == np.inf
    assert intervals.conformal_half_width(range(1, 10), 0.9) == 9
    fitted = intervals.fit_intervals([1.0] * 20 + [5.0], ["g"] * 20 + ["r"])
    assert fitted.half_widths(["g", "r", "new"]).tolist() == [1, 1, 1]


def test_suspicious_labels_are_listed_farthest_first():
    listed = intervals.suspicious_labels([50, 60, 70, 80], [50, 75, 90, np.nan], [5, 5, 5, 5])
    assert listed == [(2, 4.0), (1, 3.0)]


def test_intervals_refuse_what_they_cannot_use():
    with pytest.raises(SpacerInputError, match="between 0 and 1"):
        intervals.conformal_half_width([1], 1.0)
    with pytest.raises(SpacerInputError, match="one group per residual"):
        intervals.fit_intervals([1.0], [])
