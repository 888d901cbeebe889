"""Networks of timm and open_clip: their libraries' own vectors, by weights out of a file, and nothing downloaded."""

from __future__ import annotations

import pickle
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save

from spacer_like.data_classes import DataLocation
from spacer_like.embeddings import extractor_encoder
from spacer_like.exceptions import MessageError, MissingExtraError, SpacerInputError, WeightsError
from spacer_like.extractors import FeatureExtractor, OpenClipExtractor, TimmExtractor, extractor_named
from spacer_like.extras import import_torchvision
from spacer_like.storage import write_bytes

import_torchvision()
timm = pytest.importorskip("timm", reason="the extra encoders is not installed")
open_clip = pytest.importorskip("open_clip", reason="the extra encoders is not installed")

HERE = DataLocation("memory", "weights")
SMALL = "ViT-S-32-alt"


def kept(state: dict[str, torch.Tensor], form: str = "safetensors", entry: str | None = None) -> DataLocation:
    """The place of a weights file."""
    stream = BytesIO()
    if form == "safetensors":
        stream.write(save({key: value.contiguous() for key, value in state.items()}))
    else:
        torch.save(state if entry is None else {entry: state, "epoch": 3}, stream)
    write_bytes(HERE, stream.getvalue())
    return HERE


def vector_of(extractor: FeatureExtractor, image: Image.Image) -> np.ndarray:
    """By the way that whole images of a set are encoded."""
    stream = BytesIO()
    image.save(stream, "PNG")
    encoder = extractor_encoder(extractor, whole_images=True)
    pixels = np.empty((1, encoder.size, encoder.size, 3), np.uint8)
    extractor.preprocessing.fill()(pixels[0], stream.getvalue(), "7.png")
    return encoder.features(pixels)[0]


def assert_same(found: np.ndarray, expected: torch.Tensor) -> None:
    wanted = expected.numpy()[0]
    assert found.shape == wanted.shape
    assert wanted.std() > 1e-3
    np.testing.assert_allclose(found, wanted, atol=1e-4 * np.abs(wanted).max())


@pytest.fixture
def image(photo) -> Image.Image:
    return Image.fromarray(photo)


class TestTimm:
    def expected(self, network, image):
        config = timm.data.resolve_model_data_config(network)
        with torch.no_grad():
            return network.eval()(timm.data.create_transform(**config)(image)[None])

    @pytest.mark.parametrize(("form", "entry"), [("safetensors", None), ("torch", None), ("torch", "state_dict")])
    def test_vectors_are_those_of_timms_transform_and_model(self, image, form, entry):
        torch.manual_seed(0)
        network = timm.create_model("resnet10t", num_classes=7)
        extractor = TimmExtractor({"weights": kept(network.state_dict(), form, entry)}, model="resnet10t")
        expected = self.expected(network.reset_classifier(0) or network, image)
        assert extractor.feature_dim == 512
        assert_same(vector_of(extractor, image), expected)

    def test_a_vit_takes_another_size_and_colours_than_its_weights_have(self, image):
        torch.manual_seed(0)
        name = "vit_tiny_patch16_224"
        state = timm.create_model(name).state_dict()
        other = {"img_size": 96, "num_classes": 0}
        network = timm.create_model(name, pretrained=True, pretrained_cfg_overlay={"state_dict": state}, **other)
        given = {"size": 96, "mean": (0, 0.1, 0), "std": (1, 1, 0.9)}
        extractor = TimmExtractor({"weights": kept(state)}, model=name, **given)
        square = extractor.preprocessing.square(image)
        assert square.shape == (96, 96, 3)
        colours = (square / 255 - given["mean"]) / given["std"]
        with torch.no_grad():
            expected = network.eval()(torch.from_numpy(colours.transpose(2, 0, 1)[None].astype(np.float32)))
        assert_same(vector_of(extractor, image), expected)

    def test_a_pooling_that_the_weights_were_not_trained_for_is_refused(self, photo):
        """Timm itself would leave the layer that follows it untrained."""
        weights = kept(timm.create_model("vit_tiny_patch16_224").state_dict())
        with pytest.raises(WeightsError, match=r"it lacks fc_norm\.weight"):
            TimmExtractor({"weights": weights}, model="vit_tiny_patch16_224", pooling="avg")(photo, [(5, 5)])

    def test_what_is_not_given_is_timms_configuration(self):
        found = TimmExtractor({"weights": HERE}, model="vit_small_patch14_dinov2")
        assert found.preprocessing.size == found.preprocessing.shortest_side == 518
        assert found.preprocessing.mean == (0.485, 0.456, 0.406)
        assert found.feature_dim == 384

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ({"model": "resnet10x"}, "timm has no network 'resnet10x'. Did you mean resnet10t?"),
            ({"model": "resnet10t.own"}, "timm knows no weights 'resnet10t.own': .* c3_in1k"),
            ({"model": "resnet10t", "pooling": "sum"}, "timm does not build resnet10t with .* pooling sum"),
        ],
    )
    def test_what_timm_does_not_have_is_refused(self, arguments, said):
        with pytest.raises(MessageError, match=said):
            _ = TimmExtractor({"weights": HERE}, **arguments).feature_dim

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ({}, "needs as model the name"),
            ({"model": "resnet10t", "size": 0}, "size must be an integer from 1"),
            ({"model": "resnet10t", "mean": (0, 1)}, "mean must be three numbers"),
            ({"model": "resnet10t", "pooling": 3}, "pooling must be a text"),
        ],
    )
    def test_arguments_that_cannot_be_are_refused_at_once(self, arguments, said):
        with pytest.raises(MessageError, match=said):
            TimmExtractor({"weights": HERE}, **arguments)


class TestOpenClip:
    def model(self, quick: bool):
        torch.manual_seed(0)
        return open_clip.create_model(SMALL, force_quick_gelu=quick).eval()

    @pytest.mark.parametrize("form", ["safetensors", "torch"])
    def test_vectors_are_encode_image_of_its_transform(self, image, form):
        model = self.model(quick=False)
        extractor = OpenClipExtractor({"weights": kept(model.state_dict(), form)}, model=SMALL)
        transform = open_clip.image_transform(224, is_train=False)
        with torch.no_grad():
            expected = model.encode_image(transform(image)[None])
        assert abs(float(expected.norm()) - 1) > 0.01
        assert_same(vector_of(extractor, image), expected)

    def test_weights_of_openai_make_it_the_variant_with_quick_gelu(self):
        named, variant = "ViT-B-32", "ViT-B-32-quickgelu"
        openai = OpenClipExtractor({"weights": HERE}, model=named, pretrained="openai")
        assert openai.facts().variant == ("quick_gelu", "openai")
        assert OpenClipExtractor({"weights": HERE}, model=variant).facts().variant[0] == "quick_gelu"
        assert OpenClipExtractor({"weights": HERE}, model=named, pretrained="own").facts().variant[0] == "gelu"
        assert openai.feature_dim == 512

    def test_the_activation_makes_another_vector(self, image):
        """What is at stake: weights that fit both."""
        model = self.model(quick=True)
        transform = open_clip.image_transform(224, is_train=False)
        with torch.no_grad():
            expected = model.encode_image(transform(image)[None]).numpy()[0]
        found = vector_of(OpenClipExtractor({"weights": kept(model.state_dict())}, model=SMALL), image)
        assert np.abs(found - expected).max() > 1e-3 * np.abs(expected).max()

    @pytest.mark.parametrize(
        ("model", "pretrained", "said"),
        [
            ("ViT-B-33", None, "open_clip has no model 'ViT-B-33'. Did you mean ViT-B-32?"),
            ("ViT-B-32", None, "Weights of ViT-B-32 are of several kinds, .* openai, laion400m_e31, .* or 'own'"),
            ("ViT-B-32", "opanai", "knows no weights 'opanai' of ViT-B-32: .* Did you mean openai?"),
            ("coca_ViT-B-32", None, "writes texts"),
        ],
    )
    def test_what_open_clip_does_not_have_is_refused(self, model, pretrained, said):
        with pytest.raises(MessageError, match=said):
            _ = OpenClipExtractor({"weights": HERE}, model=model, pretrained=pretrained).feature_dim

    def test_the_preprocessing_of_published_weights_is_that_of_their_tag(self):
        siglip = OpenClipExtractor({"weights": HERE}, model="ViT-B-16-SigLIP").preprocessing
        assert (siglip.mean, siglip.shortest_side) == ((0.5, 0.5, 0.5), None)
        clip = OpenClipExtractor({"weights": HERE}, model="ViT-B-32", pretrained="openai").preprocessing
        assert (clip.size, clip.shortest_side) == (224, 224)


EXTRACTORS = [
    (TimmExtractor, {"model": "resnet10t"}),
    (OpenClipExtractor, {"model": SMALL}),
]


@pytest.mark.parametrize(("kind", "arguments"), EXTRACTORS)
class TestBoth:
    def test_without_weights_it_is_said_at_once_what_to_give(self, kind, arguments):
        with pytest.raises(MessageError, match=f"downloads nothing: give as weights.* of {arguments['model']}"):
            kind(**arguments)

    @pytest.mark.parametrize(
        ("data", "said"),
        [
            (b"no weights", "weights"),
            ((2).to_bytes(8, "little") + b"{}" + bytes(9), "weights"),
            (save({"a": torch.zeros(2)}), "another network"),
        ],
    )
    def test_a_file_without_its_weights_is_refused(self, photo, kind, arguments, data, said):
        write_bytes(HERE, data)
        with pytest.raises(WeightsError, match=said):
            kind({"weights": HERE}, **arguments)(photo, [(5, 5)])

    @pytest.mark.parametrize("as_torch_file", [True, False])
    def test_a_file_that_would_run_a_command_does_not_run_it(self, tmp_path, photo, kind, arguments, as_torch_file):
        mark = tmp_path / "was_here"

        class Hostile:
            def __reduce__(self):
                return Path.touch, (mark,)

        stream = BytesIO()
        torch.save({"state_dict": Hostile()}, stream) if as_torch_file else stream.write(pickle.dumps(Hostile()))
        write_bytes(HERE, stream.getvalue())
        with pytest.raises(WeightsError):
            kind({"weights": HERE}, **arguments)(photo, [(5, 5)])
        assert not mark.exists()

    def test_a_library_that_is_not_installed_is_named_with_its_extra(self, monkeypatch, kind, arguments):
        monkeypatch.setitem(sys.modules, kind.LIBRARY, None)
        facts = [name for name in sys.modules if name.endswith(("timm_network", "open_clip_network"))]
        for name in facts:
            monkeypatch.delitem(sys.modules, name)
        with pytest.raises(MissingExtraError, match=r"spacer_like\[encoders\]"):
            _ = kind({"weights": HERE}, **arguments).feature_dim

    def test_the_id_depends_on_every_argument(self, kind, arguments):
        hashes = {"weights": "ab" * 32}
        more = (
            [{"size": 96}, {"mean": (0, 0, 0)}, {"std": (1, 1, 1)}, {"pooling": "max"}, {"model": "resnet14t"}]
            if kind is TimmExtractor
            else [{"pretrained": "own"}, {"model": "ViT-S-16-alt"}]
        )
        ids = {kind({"weights": HERE}, hashes, **{**arguments, **one}).known_id() for one in [{}, *more]}
        assert len(ids) == len(more) + 1
        one, other = (kind({"weights": HERE}, hashes, **arguments) for _ in range(2))
        assert one == other
        assert one.extractor_id == other.extractor_id


@pytest.mark.parametrize("name", ["timm:resnet10t", "open_clip:ViT-B-32:openai"])
def test_naming_comparing_and_serialising_loads_no_library(name):
    code = f"""
import sys
from spacer_like.extractors import FeatureExtractor, extractor_named
from spacer_like.location import DataLocation
one, other = (extractor_named({name!r}, DataLocation("memory", "w")) for _ in range(2))
assert one == other and FeatureExtractor.deserialize(one.serialize()) == one
print([name for name in ("numpy", "torch", "timm", "open_clip", "huggingface_hub") if name in sys.modules])
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


class TestNames:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("timm:resnet10t", TimmExtractor({"weights": HERE}, model="resnet10t")),
            ("open_clip:RN50", OpenClipExtractor({"weights": HERE}, model="RN50")),
            ("open_clip:RN50:openai", OpenClipExtractor({"weights": HERE}, model="RN50", pretrained="openai")),
        ],
    )
    def test_a_librarys_network_has_its_model_after_a_colon(self, name, expected):
        assert extractor_named(name, HERE) == expected

    @pytest.mark.parametrize(
        ("name", "weights", "said"),
        [
            ("timm:resnet10t", None, "The extractor timm:resnet10t needs --weights"),
            ("timm:", HERE, "'timm:' lacks a model: spell it as in timm:"),
            ("open_clip:RN50:", HERE, "lacks a model: spell it as in open_clip:ViT-B-32:openai"),
            ("tim:resnet10t", HERE, "'tim:resnet10t' is unknown"),
            ("lite2", HERE, "takes no --weights"),
            ("lite3", None, "Did you mean lite2?|Did you mean lite0?"),
        ],
    )
    def test_what_is_no_name_is_refused(self, name, weights, said):
        with pytest.raises(SpacerInputError, match=said):
            extractor_named(name, weights)
