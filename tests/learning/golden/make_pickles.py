"""Writes the golden pickles of one version of scikit-learn: run it with a Python that has that version.

    python make_pickles.py FOLDER

Each ``<kind><classes>_<version>.pkl`` is a calibrated classifier pickled as PySpacer does it; the ``.json`` beside it
holds feature vectors and what that version of scikit-learn answers for them.
"""

import json
import pickle
import sys
import warnings
from pathlib import Path

import numpy as np
import sklearn
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import SGDClassifier
from sklearn.neural_network import MLPClassifier

DIMENSION = 5


def calibrate(classifier, features, labels):
    try:
        from sklearn.frozen import FrozenEstimator
    except ImportError:
        return CalibratedClassifierCV(classifier, cv="prefit").fit(features, labels)
    return CalibratedClassifierCV(FrozenEstimator(classifier)).fit(features, labels)


def main(folder):
    warnings.simplefilter("ignore")
    random = np.random.RandomState(0)
    loss = "log_loss" if tuple(int(part) for part in sklearn.__version__.split(".")[:2]) >= (1, 1) else "log"
    for classes in ([3, 8, 21], ["coral", "sand"]):
        labels = random.randint(0, len(classes), 90)
        features = random.normal(size=(90, DIMENSION)) + labels[:, None]
        names = np.array(classes)[labels]
        for kind, classifier in (
            ("mlp", MLPClassifier(hidden_layer_sizes=(4, 3))),
            ("lr", SGDClassifier(loss=loss, average=True, random_state=0)),
        ):
            np.random.seed(0)
            for _ in range(5):
                classifier.partial_fit(features, names, classes=classes)
            calibrated = calibrate(classifier, features, names)
            stem = Path(folder) / f"{kind}{len(classes)}_{sklearn.__version__}"
            stem.with_name(stem.name + ".pkl").write_bytes(pickle.dumps(calibrated, protocol=2))
            wanted = {
                "classes": classes,
                "features": features[:6].tolist(),
                "probabilities": calibrated.predict_proba(features[:6]).tolist(),
            }
            stem.with_name(stem.name + ".json").write_text(json.dumps(wanted))


if __name__ == "__main__":
    main(*sys.argv[1:])
