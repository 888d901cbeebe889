"""Tests that need TensorFlow, which has an environment of its own: make test-tensorflow."""

import os
import warnings
from importlib.util import find_spec

import pytest

collect_ignore_glob = [] if find_spec("tensorflow") else ["test_*.py"]

if not collect_ignore_glob:
    # What TensorFlow says of itself when it begins, and looks for.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    with warnings.catch_warnings():
        # Of Python's own, in the packages of others.
        warnings.simplefilter("ignore")
        import tensorflow
        import tf_keras

    @pytest.fixture(scope="session")
    def keras3():
        return tensorflow.keras

    @pytest.fixture(scope="session")
    def keras2():
        return tf_keras
