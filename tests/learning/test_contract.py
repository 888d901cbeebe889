"""Our trainer passes the suite that is shipped, with either kind of classifier and of file."""

import pytest

from spacer_like.testing.trainer import TrainerContract
from spacer_like.train_classifier import MiniBatchTrainer


class TestNetwork(TrainerContract):
    nbr_epochs = 60

    @pytest.fixture
    def trainer(self):
        return MiniBatchTrainer(mlp_hidden_layer_sizes=(16,), mlp_learning_rate_init=0.02)


class TestLinear(TrainerContract):
    clf_type = "LR"
    model = "model.safetensors"

    @pytest.fixture
    def trainer(self):
        return MiniBatchTrainer()
