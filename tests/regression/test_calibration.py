"""Intervals around predicted inclinations: how often they hold, what is merged, and what is out of bounds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacer_like.exceptions import TableError
from spacer_like.regression.calibration import ANY, Calibration, Holding, Rows, fit_bands
from spacer_like.regression.evaluation import fit_bias

from .predictions import simulated


def rows_of(count: int, seed: int, spread: float = 3.0) -> Rows:
    ids, bands, labels, predictions = simulated(count, seed, spread)
    return Rows(ids, bands, labels, np.median(predictions, axis=0))


def red(count: int, seed: int) -> Rows:
    rows = rows_of(count, seed)
    return rows.where(rows.bands == "r")


def calibrated(rows: Rows, bag: Rows | None = None, coverage: float = 0.9, least: int = 30) -> Calibration:
    return Calibration(coverage, ("model4_0",), "median", fit_bands(rows, bag, coverage, least))


def holding(calibration: Calibration, rows: Rows) -> Holding:
    return Holding.of(rows.labels, *calibration.applied(rows.predictions, rows.bands.tolist()))


def test_nine_in_ten_labels_lie_inside_in_every_bin_of_prediction_and_of_label():
    bag = red(3000, 1)
    shares = [holding(calibrated(red(2000, seed), bag), red(20_000, 100 + seed)) for seed in range(6)]
    for axis in ("by_prediction", "by_label"):
        mean = np.mean([[share for _, share in getattr(one, axis)] for one in shares], axis=0)
        assert np.abs(mean - 0.9).max() <= 0.02, (axis, mean)


def test_it_holds_in_each_band_too():
    calibration, new = calibrated(rows_of(4000, 0)), rows_of(4000, 1)
    for band in ("g", "r", "i"):
        assert holding(calibration, new.where(new.bands == band)).share == pytest.approx(0.9, abs=0.015)


def test_cross_validation_says_what_new_galaxies_will_find():
    calibration = calibrated(rows_of(2000, 3))
    measured = calibration.bands["r"].holding
    new = rows_of(6000, 4)
    found = holding(calibration, new.where(new.bands == "r"))
    assert measured.count == 2000
    assert measured.share == pytest.approx(found.share, abs=0.02)
    assert measured.width == pytest.approx(found.width, abs=0.2)


@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 2**31), count=st.integers(60, 150), coverage=st.floats(0.5, 0.95), spread=st.floats(0.01, 15)
)
def test_an_interval_holds_its_prediction_and_inclinations_that_there_are(seed, count, coverage, spread):
    rows = rows_of(count, seed, spread)
    corrected, lows, highs = calibrated(rows, None, coverage).applied(rows.predictions, rows.bands.tolist())
    assert (lows >= 45).all()
    assert (highs <= 90).all()
    assert (lows <= corrected).all()
    assert (corrected <= highs).all()
    assert np.mean((rows.labels >= lows) & (rows.labels <= highs)) >= coverage - 1e-9


def test_more_coverage_takes_wider_intervals():
    rows = rows_of(500, 5)
    widths = [calibrated(rows, None, coverage).bands[ANY].holding.width for coverage in (0.5, 0.8, 0.95)]
    assert widths == sorted(widths)


def test_the_bias_is_taken_out_by_the_line_of_the_rows_out_of_bag_alone():
    rows, bag = rows_of(400, 6), rows_of(400, 7)
    shifted = Rows(bag.ids, bag.bands, bag.labels, bag.predictions - 2)
    calibration = calibrated(rows, shifted)
    own = shifted.where(shifted.bands == "i")
    assert calibration.bands["i"].bias == fit_bias(own.labels, own.predictions)
    assert calibration.bands["i"].n_bias == 400
    assert calibrated(rows).bands["i"].bias is None


def test_bins_with_few_rows_share_a_width_with_the_next():
    rows = rows_of(100, 8)
    groups = calibrated(rows.where(rows.bands == "g"), None, 0.9, 30).bands["g"].half_widths
    assert groups[0].low == 45
    assert groups[-1].high == 90
    assert all(group.count >= 30 for group in groups)
    assert sum(group.count for group in groups) == 100
    assert [one.high for one in groups[:-1]] == [one.low for one in groups[1:]]


def test_a_band_with_few_rows_has_the_intervals_of_all():
    rows = rows_of(300, 9)
    few = rows.where((rows.bands != "i") | (rows.ids < 20))
    calibration = calibrated(few)
    assert sorted(calibration.bands) == [ANY, "g", "r"]
    assert calibration.of_band("i") is calibration.of_band("u") is calibration.bands[ANY]


def test_rows_without_a_prediction_have_no_interval():
    rows = rows_of(100, 1)
    corrected, lows, highs = calibrated(rows).applied([70.0, np.nan], ["g", None])
    assert np.isfinite([corrected[0], lows[0], highs[0]]).all()
    assert np.isnan([corrected[1], lows[1], highs[1]]).all()


def test_too_few_rows_for_the_coverage_are_refused():
    rows = rows_of(4, 1)
    with pytest.raises(TableError, match=r"There are 12 rows .* hold 95% need 19"):
        fit_bands(rows, None, 0.95, 2)


def test_a_bias_that_cannot_be_fitted_is_not_taken_out():
    rows = rows_of(50, 1)
    same = Rows(rows.ids, rows.bands, np.full(150, 60.0), rows.predictions)
    assert fit_bands(rows, same, 0.9, 30) == fit_bands(rows, None, 0.9, 30)


def test_many_rows_are_thinned_and_hold_as_well():
    calibration = calibrated(rows_of(8000, 2))
    assert calibration.bands[ANY].holding.share == pytest.approx(0.9, abs=0.005)
