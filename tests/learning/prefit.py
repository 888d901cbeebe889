"""Calibration of a fitted classifier, as each version of scikit-learn has it."""

from typing import Any

from sklearn.calibration import CalibratedClassifierCV

try:
    from sklearn.frozen import FrozenEstimator
except ImportError:
    FrozenEstimator = None


def prefit_calibration(fitted: Any, **options: Any) -> CalibratedClassifierCV:
    """A calibration of a classifier that is not trained again; it is still to be fitted itself."""
    if FrozenEstimator is None:
        return CalibratedClassifierCV(fitted, cv="prefit", **options)
    return CalibratedClassifierCV(FrozenEstimator(fitted), **options)
