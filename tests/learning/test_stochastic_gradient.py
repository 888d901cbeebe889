import numpy as np
import pytest
from sklearn.linear_model import SGDClassifier

from spacer_like.learning.stochastic_gradient import StochasticGradient


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("count", [1, 63, 64, 65, 200])
def test_it_takes_the_steps_of_scikit_learn(classes: int, count: int) -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, classes, count)
    features = 0.3 * (random.normal(size=(classes, 10))[labels] + random.normal(size=(count, 10)))
    targets = labels[:, None] == (np.arange(classes) if classes > 2 else np.array([1]))
    orders = [np.random.default_rng(seed).permutation(count) for seed in range(3)]
    ours = StochasticGradient(targets.shape[1], 10)
    for order in orders:
        ours.learn(features, order, targets[order])

    # In one call: between calls scikit-learn loses the intercepts that it has not averaged.
    everything = np.concatenate(orders)
    theirs = SGDClassifier(loss="log_loss", average=True, shuffle=False)
    theirs.partial_fit(features[everything], labels[everything], classes=np.arange(classes))
    for found, wanted in (
        (ours.weights, np.atleast_2d(theirs._standard_coef)),
        (ours.mean_weights, theirs.coef_),
        (ours.mean_bias, theirs.intercept_),
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-8)
    assert ours.step == theirs.t_
