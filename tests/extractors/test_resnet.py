"""ResNet-50 computes what torchvision computes, and refuses weights that are not its own."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
import torch

from spacer_like.config import override
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import ConfigError, WeightsError
from spacer_like.extractors import FeatureExtractor, ResNet50Extractor
from spacer_like.extractors.networks import network_cache
from spacer_like.extractors.onnx_conversion import natural_patches, relative_difference
from spacer_like.extractors.resnet_layout import layout_of, weight_shapes
from spacer_like.extractors.resnet_network import BATCH_COUNT, Normalised, ResNet, random_resnet
from spacer_like.extras import import_torchvision
from spacer_like.storage import write_bytes


@pytest.fixture(scope="module")
def oracle():
    """torchvision's network, with weights whose batch norms have seen something."""
    import_torchvision()
    from torchvision.models import resnet50

    torch.manual_seed(0)
    network = resnet50(weights=None)
    # Only its names and shapes are torchvision's: residuals as large as these stay within bounds.
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def weights(oracle) -> bytes:
    stream = BytesIO()
    # As in torchvision's own files, which do not count batches.
    torch.save({name: value for name, value in oracle.state_dict().items() if not name.endswith(BATCH_COUNT)}, stream)
    return stream.getvalue()


@pytest.fixture
def extractor(weights) -> ResNet50Extractor:
    location = DataLocation("memory", "resnet50.pth")
    write_bytes(location, weights)
    return ResNet50Extractor({"weights": location})


def oracle_features(oracle, patches) -> np.ndarray:
    """As torchvision's own example of features does it: normalise, and leave out the last layer."""
    from torchvision.transforms.functional import normalize

    batch = torch.from_numpy(patches).permute(0, 3, 1, 2).float() / 255
    batch = normalize(batch, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    return torch.nn.Sequential(*list(oracle.children())[:-1])(batch).flatten(1).numpy()


@pytest.mark.parametrize("use_onnx", [True, False])
def test_features_are_those_of_torchvision(extractor, oracle, use_onnx, tmp_path):
    patches = natural_patches(2, 224)
    network_cache.clear()
    with override(use_onnx=use_onnx, onnx_cache_dir=str(tmp_path)):
        features, loaded_remotely = extractor.patches_to_features(patches)
        runtime = type(extractor._network(takes_pixels=True)[0]).__name__
    assert runtime == ("OnnxNetwork" if use_onnx else "TorchNetwork")
    assert features.shape == (2, extractor.feature_dim) == (2, 2048)
    assert relative_difference(features, oracle_features(oracle, patches)) < 1e-4
    assert not loaded_remotely
    network_cache.clear()


def test_it_travels_in_a_message(extractor):
    assert FeatureExtractor.deserialize(extractor.serialize()) == extractor
    assert FeatureExtractor.deserialize(
        {**extractor.serialize(), "class_path": "spacer_like.extractors.ResNet50Extractor"}
    )
    assert len(extractor.extractor_id) == 40


def test_an_untrained_instance_runs():
    torch.manual_seed(0)
    with override(use_onnx=False):
        features, _ = ResNet50Extractor.untrained_instance("untrained.pt").patches_to_features(natural_patches(1, 224))
    assert np.isfinite(features).all()
    network_cache.clear()


def test_weights_of_another_network_are_named(oracle):
    stream = BytesIO()
    torch.save({"net": ResNet("small").state_dict()}, stream)
    stream.seek(0)
    with pytest.raises(WeightsError, match=r"another network than ResNet: it lacks layer1\.1\.conv1\.weight"):
        ResNet50Extractor.load_weights(stream)


@pytest.mark.parametrize("name", ["resnet50", "small"])
def test_the_shapes_of_weights_are_known_without_torch(name):
    with torch.device("meta"):
        state = ResNet(name).state_dict()
    assert weight_shapes(name) == {
        key: tuple(value.shape) for key, value in state.items() if not key.endswith(BATCH_COUNT)
    }


def test_an_unknown_network_is_refused():
    with pytest.raises(ConfigError, match="There is no network 'resnet51': it must be one of resnet50, small"):
        layout_of("resnet51")


def test_random_weights_are_those_of_their_generator_alone():
    def numbers(seed):
        network = random_resnet("small", torch.Generator().manual_seed(seed))
        return torch.cat([value.flatten() for value in network.state_dict().values()])

    torch.manual_seed(1)
    first = numbers(0)
    torch.manual_seed(2)
    assert torch.equal(numbers(0), first)
    assert not torch.equal(numbers(1), first)


def test_the_small_network_works_on_small_chips():
    network = Normalised(random_resnet("small", torch.Generator().manual_seed(0))).eval()
    assert network.extract_features(torch.rand(2, 3, 32, 32)).shape == (2, layout_of("small").dimension)
