"""The networks: their parts and sizes, their first weights, dropout, and which sizes of images they take."""

import numpy as np
import pytest
import torch

from spacer_like.exceptions import MessageError, ModelFileError
from spacer_like.regression.architectures import ARCHITECTURES, weight_shapes
from spacer_like.regression.networks import dropped, network, set_weights, weights_of

LEAST_SIZES = {"model4": 20, "model5": 76, "model6": 20, "small_cnn": 16}


def n_parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("name", "size", "count"),
    [
        ("model4", 128, 1_631_105),
        ("model5", 128, 2_521_681),
        ("model6", 128, 1_680_241),
        ("model4", 64, 320_385),
        ("model6", 64, 369_521),
        ("small_cnn", 64, 168_129),
        ("small_cnn", 128, 168_129),
    ],
)
def test_a_network_has_as_many_parameters_as_it_should(name, size, count):
    assert n_parameters(network(name, size)) == count


@pytest.mark.parametrize("n_outputs", [None, 2])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_weights_are_listed_without_torch_in_the_order_of_the_layers(name, n_outputs):
    shapes = weight_shapes(name, 80, n_outputs)
    weights = weights_of(network(name, 80, n_outputs))
    assert list(shapes.items()) == [(key, array.shape) for key, array in weights.items()]


def test_a_norm_stands_behind_the_second_convolution_of_a_block_and_before_its_pool():
    net = network("model4", 32).eval()
    torch.manual_seed(0)
    pixels = torch.rand(2, 3, 32, 32)
    values = torch.relu(net.conv1(torch.relu(net.conv0(pixels))))
    values = torch.max_pool2d(values, 2)
    values = torch.relu(net.conv3(torch.relu(net.conv2(values))))
    norm = net.norm0
    assert (norm.eps, norm.momentum) == (1e-3, 0.01)
    values = torch.max_pool2d(norm(values), 4).flatten(1)
    for name in ("dense0", "dense1", "dense2"):
        values = torch.relu(getattr(net, name)(values))
    assert torch.equal(net(pixels), net.out(values))


@pytest.mark.parametrize(("name", "least"), LEAST_SIZES.items())
def test_a_size_that_a_network_cannot_take_is_one_sentence(name, least):
    network(name, least)
    with pytest.raises(MessageError, match=rf"^The network {name} takes images of at least {least} pixels, and .*\.$"):
        network(name, least - 1)


def test_an_unknown_network_is_one_sentence():
    with pytest.raises(MessageError, match="'model7' is unknown: it must be one of model4, model5, model6, small_cnn"):
        network("model7", 64)


def test_first_weights_are_uniform_by_glorot_and_of_the_seed_alone():
    before = torch.get_rng_state()
    one, same, other = (weights_of(network("model4", 32, seed=seed)) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(np.array_equal(one[name], same[name]) for name in one)
    assert not np.array_equal(one["conv0.weight"], other["conv0.weight"])
    limit = (6 / (9 * 16 + 9 * 16)) ** 0.5
    assert 0.95 * limit < np.abs(one["conv1.weight"]).max() <= limit
    assert not one["conv1.bias"].any()
    assert not one["out.bias"].any()


def test_dropout_comes_from_its_generator_and_keeps_the_mean():
    net = network("model4", 32).eval()
    pixels = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    one, same, other = (net(pixels, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    kept = dropped(torch.ones(1000, 100), 0.25, torch.Generator().manual_seed(0))
    assert kept.unique().tolist() == pytest.approx([0, 4 / 3])
    assert kept.mean().item() == pytest.approx(1, abs=0.01)


def test_weights_of_another_network_are_refused():
    net = network("model4", 32)
    with pytest.raises(ModelFileError, match="do not fit the network"):
        set_weights(net, weights_of(network("model6", 32)))
