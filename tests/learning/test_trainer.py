import json
import subprocess
import sys
from typing import Any

import pytest

from spacer_like import config
from spacer_like.exceptions import MessageError
from spacer_like.messages import TrainClassifierMsg
from spacer_like.registry import register
from spacer_like.train_classifier import ClassifierTrainer, MiniBatchTrainer, trainer_factory

ARGUMENTS: dict[str, Any] = {
    "batch_size": 200,
    "mlp_hidden_layer_sizes": (50, 20),
    "mlp_learning_rate_init": 0.01,
    "mlp_large_data_threshold": 100,
    "sgd_loss": "hinge",
    "sgd_average": False,
    "sgd_random_state": 5,
    "patience": 4,
    "class_weight": "balanced",
    "balanced_subsample": 50,
    "stopping_share": 0.2,
}


@register
class OwnTrainer(ClassifierTrainer):
    def __init__(self, strength: int = 1) -> None:
        self.strength = strength

    def arguments(self) -> dict[str, Any]:
        return {"strength": self.strength}

    def __call__(self, labels: Any, nbr_epochs: int, pc_models: Any, clf_type: str) -> Any:
        raise NotImplementedError


class TestMiniBatchTrainer:
    def test_only_its_path_is_written_when_all_is_default(self) -> None:
        assert MiniBatchTrainer().serialize() == {"class_path": "spacer_like.learning.trainer.MiniBatchTrainer"}

    def test_it_survives_json(self) -> None:
        trainer = MiniBatchTrainer(**ARGUMENTS)
        back = ClassifierTrainer.deserialize(json.loads(json.dumps(trainer.serialize())))
        assert back == trainer
        assert isinstance(back, MiniBatchTrainer)
        assert back.mlp_hidden_layer_sizes == (50, 20)

    @pytest.mark.parametrize("name", ARGUMENTS)
    def test_each_argument_distinguishes(self, name: str) -> None:
        trainer = MiniBatchTrainer(**{name: ARGUMENTS[name]})
        assert trainer != MiniBatchTrainer()
        assert list(trainer.arguments()) == [name]

    def test_the_batch_size_follows_the_setting(self) -> None:
        with config.override(training_batch_label_count=77):
            assert MiniBatchTrainer().batch_size == 77
            assert MiniBatchTrainer(77) == MiniBatchTrainer()

    @pytest.mark.parametrize(
        ("arguments", "count", "network"),
        [
            ({}, 49_999, ((100,), 1e-3)),
            ({}, 50_000, ((200, 100), 1e-4)),
            ({"mlp_large_data_threshold": 10}, 10, ((200, 100), 1e-4)),
            ({"mlp_hidden_layer_sizes": (7,)}, 50_000, ((7,), 1e-3)),
            ({"mlp_learning_rate_init": 0.5}, 10, ((100,), 0.5)),
            ({"mlp_learning_rate_init": 0.5}, 50_000, ((200, 100), 0.5)),
        ],
    )
    def test_network_for_a_training_set(self, arguments: Any, count: int, network: Any) -> None:
        assert MiniBatchTrainer(**arguments).network(count) == network

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("batch_size", 0),
            ("mlp_hidden_layer_sizes", []),
            ("mlp_hidden_layer_sizes", [0]),
            ("mlp_hidden_layer_sizes", "50"),
            ("mlp_learning_rate_init", 0),
            ("mlp_large_data_threshold", -1),
            ("sgd_loss", 3),
            ("sgd_average", "yes"),
            ("sgd_random_state", -1),
            ("patience", 0),
            ("class_weight", "heavy"),
            ("balanced_subsample", 0),
            ("stopping_share", 0),
            ("stopping_share", 0.6),
        ],
    )
    def test_arguments_out_of_range_are_named(self, name: str, value: Any) -> None:
        with pytest.raises(MessageError, match=name):
            MiniBatchTrainer(**{name: value})


class TestFactory:
    @pytest.mark.parametrize(
        "name",
        [
            "minibatch",
            "spacer_like.train_classifier.MiniBatchTrainer",
            "spacer_like.learning.trainer.MiniBatchTrainer",
            "spacer.train_classifier.MiniBatchTrainer",
        ],
    )
    def test_by_name(self, name: str) -> None:
        assert trainer_factory(name) == MiniBatchTrainer()

    def test_an_instance_is_itself(self) -> None:
        trainer = OwnTrainer(3)
        assert trainer_factory(trainer) is trainer

    def test_a_registered_trainer_of_ones_own(self) -> None:
        back = ClassifierTrainer.deserialize(json.loads(json.dumps(OwnTrainer(3).serialize())))
        assert back == OwnTrainer(3)
        assert trainer_factory(OwnTrainer().serialize()["class_path"]) == OwnTrainer()

    @pytest.mark.parametrize("name", ["unknown", "collections.OrderedDict", "spacer_like.extractors.DummyExtractor"])
    def test_what_is_no_trainer_is_refused(self, name: str) -> None:
        with pytest.raises(MessageError, match=rf"'{name}' is (unknown: register it|not a kind of ClassifierTrainer)"):
            trainer_factory(name)

    def test_a_message_carries_it(self) -> None:
        msg = TrainClassifierMsg.example().model_copy(update={"trainer": MiniBatchTrainer(**ARGUMENTS)})
        assert TrainClassifierMsg.deserialize(json.loads(json.dumps(msg.serialize()))).trainer == msg.trainer


def test_importing_a_trainer_imports_nothing_heavy() -> None:
    program = """
import sys
from spacer_like.train_classifier import MiniBatchTrainer
MiniBatchTrainer(mlp_hidden_layer_sizes=(5,)).serialize()
print(sorted({"numpy", "sklearn", "scipy", "torch", "boto3", "PIL", "joblib"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
