"""What trains is chosen by the message; what TensorFlow does is tested where it is installed, in tests/tensorflow."""

from importlib.util import find_spec

import pytest

from spacer_like.exceptions import MessageError, MissingExtraError
from spacer_like.location import DataLocation
from spacer_like.messages import TrainRegressorMsg
from spacer_like.tasks import train_regressor


def request(**other) -> TrainRegressorMsg:
    files = {"batch_locs": [DataLocation("memory", "batch.npz")], "model_loc": DataLocation("memory", "model4")}
    return TrainRegressorMsg(backend="tensorflow", **files, **other)


def test_a_network_that_inclinet_does_not_have_is_trained_by_torch_alone():
    with pytest.raises(MessageError, match=r"^TensorFlow trains model4, model5, model6, and not small_cnn"):
        train_regressor(request(network="small_cnn"))


def test_products_of_few_digits_are_of_torch_alone():
    with pytest.raises(MessageError, match=r"^TensorFlow trains in float32, and the precision is bfloat16"):
        train_regressor(request(precision="bfloat16"))


@pytest.mark.skipif(find_spec("tensorflow") is not None, reason="TensorFlow is installed")
def test_what_is_missing_is_said_before_a_file_is_read():
    with pytest.raises(MissingExtraError, match=r"pip install 'spacer_like\[tensorflow\]'\.$"):
        train_regressor(request())
