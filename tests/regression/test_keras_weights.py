"""Weights of Keras, whatever file they come in, become our networks' and give what Keras gives."""

import numpy as np
import pytest

from spacer_like.exceptions import WeightsError
from spacer_like.regression.architectures import ARCHITECTURES
from spacer_like.regression.keras_weights import (
    NETWORKS,
    ImportedWeights,
    KerasLayer,
    imported_weights,
    is_weight,
    layers_of_checkpoint,
)


def keras_layers(network: str = "model4", size: int = 32, n_outputs: int = 1) -> list[KerasLayer]:
    """Layers of these shapes; each number is its place in its array."""
    architecture = ARCHITECTURES[network]
    shapes: list[tuple[tuple[int, ...], ...]] = []
    channels = 3
    for block in architecture.blocks:
        for made in block.channels:
            shapes.append(((3, 3, channels, made), (made,)))
            channels = made
        if block.has_norm:
            shapes.append(((channels,),) * 4)
    numbers = architecture.n_features(size)
    for units in (*architecture.units, n_outputs):
        shapes.append(((numbers, units), (units,)))
        numbers = units
    arrays = [tuple(np.arange(np.prod(one), dtype=np.float32).reshape(one) for one in layer) for layer in shapes]
    return [KerasLayer(f"layer_with_weights-{number}", layer) for number, layer in enumerate(arrays)]


def checkpoint(layers: list[KerasLayer]) -> dict[str, np.ndarray]:
    parts = {2: ("kernel", "bias"), 4: ("gamma", "beta", "moving_mean", "moving_variance")}
    return {
        f"{layer.name}/{part}/.ATTRIBUTES/VARIABLE_VALUE": array
        for layer in layers
        for part, array in zip(parts[len(layer.arrays)], layer.arrays, strict=True)
    }


def without(imported: ImportedWeights) -> tuple[str, int, int | None]:
    return imported[:3]


class TestTheNetworkIsTold:
    @pytest.mark.parametrize("network", NETWORKS)
    @pytest.mark.parametrize("size", [96, 128])
    def test_by_its_shapes(self, network, size):
        assert without(imported_weights(keras_layers(network, size), "reef")) == (network, size, None)

    @pytest.mark.parametrize("network", ["model4", "model6"])
    def test_by_its_shapes_for_small_images(self, network):
        assert without(imported_weights(keras_layers(network, 64, 2), "reef")) == (network, 64, 2)

    def test_and_the_size_may_be_said_where_several_lead_to_the_same_shapes(self):
        layers = keras_layers("model4", 61)
        assert imported_weights(layers, "reef").size == 64
        assert imported_weights(layers, "reef", size=61).size == 61


class TestAWeight:
    def test_of_a_convolution_has_its_channels_first(self):
        weights = imported_weights(keras_layers(), "reef").weights
        kernel = keras_layers()[1].arrays[0]
        assert weights["conv1.weight"].shape == (16, 16, 3, 3)
        assert weights["conv1.weight"][5, 7, 1, 2] == kernel[1, 2, 7, 5]

    def test_of_the_first_dense_layer_takes_channels_first_and_of_others_as_they_are(self):
        weights = imported_weights(keras_layers(), "reef").weights
        dense = [layer.arrays[0] for layer in keras_layers() if layer.arrays[0].ndim == 2]
        side, channels = 2, 32
        row, column, channel, unit = 1, 0, 9, 100
        assert (
            weights["dense0.weight"][unit, (channel * side + row) * side + column]
            == dense[0][(row * side + column) * channels + channel, unit]
        )
        np.testing.assert_array_equal(weights["dense1.weight"], dense[1].T)
        np.testing.assert_array_equal(weights["out.weight"], dense[-1].T)

    def test_of_a_norm_keeps_its_moments(self):
        layers = keras_layers()
        norm = KerasLayer("norm", tuple(np.full(32, number, np.float32) for number in range(4)))
        weights = imported_weights([*layers[:4], norm, *layers[5:]], "reef").weights
        parts = ("weight", "bias", "running_mean", "running_var")
        assert [weights[f"norm0.{part}"][0] for part in parts] == [0, 1, 2, 3]

    def test_may_be_of_other_floating_point_numbers(self):
        layers = [KerasLayer(name, tuple(one.astype(np.float64) for one in arrays)) for name, arrays in keras_layers()]
        assert {one.dtype for one in imported_weights(layers, "reef").weights.values()} == {np.dtype(np.float32)}


class TestACheckpoint:
    def test_has_its_layers_in_the_order_of_their_numbers(self):
        tensors = checkpoint(keras_layers("model5", 96))
        layers = layers_of_checkpoint(dict(sorted(tensors.items())), "reef")
        assert [layer.name for layer in layers] == [layer.name for layer in keras_layers("model5", 96)]

    def test_has_other_tensors_than_weights(self):
        kernel = "layer_with_weights-0/kernel"
        value = "/.ATTRIBUTES/VARIABLE_VALUE"
        assert is_weight(f"{kernel}{value}")
        assert is_weight(f"model/_functional/_operations/1/_kernel{value}")
        assert not is_weight(f"{kernel}/.OPTIMIZER_SLOT/optimizer/m{value}")
        assert not is_weight(f"optimizer/_variables/3{value}")
        assert not is_weight("_CHECKPOINTABLE_OBJECT_GRAPH")

    def test_of_two_models_is_refused(self):
        tensors = checkpoint(keras_layers())
        both = {f"{model}/{key}": array for model in "ab" for key, array in tensors.items()}
        with pytest.raises(
            WeightsError, match=r"^reef: the checkpoint holds several models: a/layer_with_weights-, b/"
        ):
            layers_of_checkpoint(both, "reef")


class TestWhatDoesNotFit:
    def replaced(self, number: int, *arrays: np.ndarray) -> list[KerasLayer]:
        layers = keras_layers()
        layers[number] = KerasLayer(layers[number].name, arrays)
        return layers

    def test_names_the_layer(self):
        kernel, bias = keras_layers()[1].arrays
        for layers in (self.replaced(1, kernel[:, :2], bias), self.replaced(1, kernel[:, :, :5], bias)):
            with pytest.raises(WeightsError, match=r"^reef: the layer layer_with_weights-1 does not fit conv1: .+\.$"):
                imported_weights(layers, "reef")

    def test_names_a_layer_of_another_kind(self):
        with pytest.raises(
            WeightsError, match=r"layer_with_weights-1 is none of InclinET's: its weights are \(3,\)\.$"
        ):
            imported_weights(self.replaced(1, np.zeros(3, np.float32)), "reef")

    def test_names_a_layer_that_holds_no_numbers(self):
        kernel, bias = keras_layers()[2].arrays
        with pytest.raises(WeightsError, match=r"layer_with_weights-2 holds what is no number\.$"):
            imported_weights(self.replaced(2, kernel, bias * np.nan), "reef")

    @pytest.mark.parametrize(
        ("layers", "why"),
        [
            ([], "convolutions of no channels and dense layers of no units are those of none of the networks"),
            (keras_layers()[:4] + keras_layers()[5:], "4 convolutions, 0 norms and 4 dense layers, and model4 has 4"),
            (keras_layers(n_outputs=3), "it ends in 3 units, and only 1 and 2 are known"),
        ],
    )
    def test_is_another_network(self, layers, why):
        with pytest.raises(WeightsError, match=f"^reef: .*{why}"):
            imported_weights(layers, "reef")

    def test_is_another_network_than_the_one_that_is_named(self):
        with pytest.raises(WeightsError, match="and model5 has 6 convolutions, 2 norms and 5 dense layers"):
            imported_weights(keras_layers(), "reef", "model5", 96)

    def test_is_of_another_size(self):
        with pytest.raises(WeightsError, match=r"layer_with_weights-5 takes 128 numbers.* images of 64 .* 1152\.$"):
            imported_weights(keras_layers(), "reef", size=64)
        first = (np.zeros((100, 256), np.float32), np.zeros(256, np.float32))
        with pytest.raises(WeightsError, match=r"layer_with_weights-5 takes 100 numbers, which images of no size lead"):
            imported_weights(self.replaced(5, *first), "reef")
