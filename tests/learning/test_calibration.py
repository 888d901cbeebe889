import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.calibration import _SigmoidCalibration

from spacer_like.learning.calibration import calibrated, fit_sigmoids, sigmoid

RANDOM = np.random.default_rng(1)
STEPS = np.linspace(-1, 1, 100)
COINS = RANDOM.integers(0, 2, 100)

CASES = {
    "overlapping": (RANDOM.normal(size=100) + COINS, COINS),
    "separable": (STEPS, STEPS > 0),
    "reversed": (-STEPS, STEPS > 0),
    "all scores alike": (np.full(100, 0.4), COINS),
    "one positive": (RANDOM.normal(size=100), np.arange(100) == 0),
    "none positive": (RANDOM.normal(size=100), np.zeros(100)),
    "all positive": (RANDOM.normal(size=100), np.ones(100)),
    "huge": (1e6 * (RANDOM.normal(size=100) + COINS), COINS),
    "one far away": (np.r_[1e8, RANDOM.normal(size=99)], COINS),
    "next to nothing": (1e-9 * RANDOM.normal(size=100), COINS),
    "two points": (np.array([0.0, 1.0]), np.array([0, 1])),
}


@pytest.mark.parametrize("name", CASES)
def test_probabilities_are_those_of_scikit_learn(name: str) -> None:
    scores, positive = CASES[name]
    positive = np.asarray(positive).astype(int)
    theirs = _SigmoidCalibration().fit(scores, positive)
    slopes, bias = fit_sigmoids(scores[:, None], positive[:, None] > 0)
    found = sigmoid(-(slopes * scores[:, None] + bias))[:, 0]
    np.testing.assert_allclose(found, theirs.predict(scores), atol=1e-6)


def test_columns_do_not_influence_each_other() -> None:
    names = ["overlapping", "separable", "huge", "none positive"]
    scores = np.stack([CASES[name][0] for name in names], axis=1)
    positive = np.stack([np.asarray(CASES[name][1]) > 0 for name in names], axis=1)
    slopes, bias = fit_sigmoids(scores, positive)
    for column in range(len(names)):
        alone = fit_sigmoids(scores[:, column : column + 1], positive[:, column : column + 1])
        np.testing.assert_allclose((slopes[column], bias[column]), np.ravel(alone), rtol=1e-5, atol=1e-9)


@given(
    scores=arrays(float, st.tuples(st.integers(1, 5), st.integers(1, 4)), elements=st.floats(-1e6, 1e6)),
    slope=st.floats(-100, 100),
    offset=st.floats(-100, 100),
)
def test_probabilities_sum_to_one(scores: np.ndarray, slope: float, offset: float) -> None:
    columns = scores.shape[1]
    probabilities = calibrated(scores, np.full(columns, slope), np.full(columns, offset))
    assert probabilities.shape == (len(scores), max(columns, 2))
    assert ((probabilities >= 0) & (probabilities <= 1 + 1e-12)).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)


def test_where_every_class_vanishes_all_are_alike() -> None:
    assert calibrated(np.zeros((1, 4)), np.ones(4), np.full(4, 1e6)).tolist() == [[0.25] * 4]
