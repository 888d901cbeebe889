"""ONNX Runtime runs a network where its numbers agree with torch, and keeps what it made of it."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from spacer_like.config import override
from spacer_like.extractors import (
    EfficientNetExtractor,
    EfficientNetLite0Extractor,
    TorchExtractor,
    onnx_conversion,
    onnx_session,
)
from spacer_like.extractors.networks import TorchNetwork, network_cache
from spacer_like.extractors.onnx_conversion import natural_patches, relative_difference
from spacer_like.extractors.onnx_graph import UntranslatableError, to_onnx
from spacer_like.extractors.onnx_session import OnnxNetwork
from spacer_like.extractors.preprocessing import Preprocessing


def runtime_of(extractor: TorchExtractor) -> type:
    return type(extractor._network(takes_pixels=True)[0])


class Small(nn.Module):
    """One layer of each kind that is translated."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 6, (3, 5), stride=(2, 1), padding=(1, 2), bias=False),
            nn.BatchNorm2d(6),
            nn.SiLU(),
            nn.ZeroPad2d((0, 1, 2, 3)),
            nn.Conv2d(6, 8, 3, groups=2, dilation=2),
            nn.ReLU6(),
            nn.MaxPool2d(3, 2, 1, ceil_mode=True),
            nn.ReLU(),
            nn.Identity(),
        )
        self.gate = nn.Sequential(nn.Conv2d(8, 8, 1), nn.Sigmoid(), nn.Dropout())
        self.last = nn.Sequential(nn.Flatten(), nn.LazyLinear(5, bias=False), nn.Linear(5, 4))

    def extract_features(self, inputs: torch.Tensor) -> torch.Tensor:
        x = self.layers(inputs)
        x = x * self.gate(x.mean((2, 3), keepdim=True)) + x
        return self.last(x * x.sigmoid())


class TestTranslation:
    def test_computes_what_torch_does(self):
        torch.manual_seed(0)
        network = Small()
        network.extract_features(torch.rand(2, 3, 40, 40))
        network.eval()
        patches = natural_patches(3, 40)
        found = OnnxNetwork(to_onnx(network, 40, 100.0, 3.0).SerializeToString()).run(patches)
        expected = TorchNetwork(network, "cpu", 100.0, 3.0).run(patches)
        assert found.shape == (3, 4)
        assert relative_difference(found, expected) < 1e-5

    def test_is_a_valid_model(self):
        torch.manual_seed(0)
        network = EfficientNetLite0Extractor.untrained_model().eval()
        onnx.checker.check_model(to_onnx(network, 224, 127.0, 128.0))

    @pytest.mark.parametrize(
        ("layer", "why"),
        [
            (nn.GELU(), "GELU"),
            (nn.Conv2d(3, 3, 3, padding="same"), "padding"),
            (nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect"), "reflect"),
            (nn.BatchNorm2d(3, affine=False), "without parameters"),
            (nn.Flatten(2), "flattening"),
        ],
    )
    def test_of_an_unknown_layer_is_refused(self, layer, why):
        with pytest.raises(UntranslatableError, match=why):
            to_onnx(network_of(layer), 20, 0.0, 255.0)

    @pytest.mark.parametrize(
        ("compute", "why"),
        [
            (lambda x: x.mean(1), "a mean over the axes 1$"),
            (lambda x: x.mean((1, 2)), r"a mean over the axes \(1, 2\)$"),
            (lambda x: x * 3, "the value 3 is used in a way that is not translated"),
            (torch.sin, "translation of the call <built-in method sin "),
            (lambda x: x.clamp(0, 1), "translation of the call clamp$"),
            (lambda x: x if x.sum() > 0 else -x, "cannot be traced: "),
            (lambda x: nn.functional.pad(x, (1, 1)), "translation of the call <function pad "),
            (lambda x: torch.flatten(x, 0, 1), "translation of flattening the axes 0 to 1$"),
        ],
    )
    def test_of_an_unknown_call_is_refused(self, compute, why):
        with pytest.raises(UntranslatableError, match=why):
            to_onnx(network_of(compute), 20, 0.0, 255.0)


def network_of(compute: Callable[[torch.Tensor], torch.Tensor]) -> nn.Module:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            if isinstance(compute, nn.Module):
                self.layer = compute

        def extract_features(self, inputs: torch.Tensor) -> torch.Tensor:
            return compute(inputs) if not isinstance(compute, nn.Module) else self.layer(inputs)

    return Network().eval()


class Brightness(TorchExtractor):
    """A user's network of one number, by a call that is not translated."""

    feature_dim = 1

    @classmethod
    def untrained_model(cls) -> nn.Module:
        class Network(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.factor = nn.Parameter(torch.tensor(2.0))

            def extract_features(self, batch: torch.Tensor) -> torch.Tensor:
                return (batch * self.factor).mean((1, 2, 3))[:, None]

        return Network()


class Tiny(TorchExtractor):
    """A user's network that can be translated."""

    feature_dim = 2
    ONNX_VERSION = 1

    @classmethod
    def untrained_model(cls) -> nn.Module:
        class Network(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layer = nn.Conv2d(3, 2, 3)

            def extract_features(self, batch: torch.Tensor) -> torch.Tensor:
                return self.layer(batch).mean((2, 3))

        return Network()


class TinyClip(Tiny):
    """The same, of pixels that CLIP's mean and deviation of each channel have been taken off."""

    PREPROCESSING = Preprocessing.clip()


class TestPreprocessing:
    @pytest.mark.parametrize("use_onnx", [True, False])
    def test_of_each_channel_is_done_by_every_runtime(self, own_caches, use_onnx):
        extractor = TinyClip.untrained_instance()
        squares = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3), dtype=np.uint8)
        with override(use_onnx=use_onnx):
            assert (runtime_of(extractor) is OnnxNetwork) == use_onnx
            found, _ = extractor.patches_to_features(list(squares))
        inputs = torch.from_numpy(TinyClip.PREPROCESSING.normalised(squares))
        with torch.inference_mode():
            expected = extractor.build_module().extract_features(inputs).numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)

    def test_of_each_channel_is_kept_with_the_model(self, own_caches):
        extractor = TinyClip.untrained_instance()
        extractor.prepare()
        (model,) = own_caches.glob("*.onnx")
        made = model.stat().st_mtime_ns
        network_cache.clear()
        assert runtime_of(extractor) is OnnxNetwork
        assert model.stat().st_mtime_ns == made

    def test_is_a_part_of_the_id(self):
        class OtherClip(TinyClip):
            PREPROCESSING = Preprocessing.clip(224)

        class Sharper(TinyClip):
            PREPROCESSING = Preprocessing(224, 224, "lanczos", TinyClip.PREPROCESSING.mean, TinyClip.PREPROCESSING.std)

        OtherClip.__name__ = Sharper.__name__ = TinyClip.__name__
        weights = TinyClip.untrained_instance().data_locations
        ids = [kind(data_locations=weights).extractor_id for kind in (TinyClip, OtherClip, Sharper)]
        assert ids[0] == ids[1] != ids[2]

    def test_of_whole_images_is_the_classes_own(self):
        extractor = TinyClip.untrained_instance()
        assert extractor.preprocessing == Preprocessing.clip()
        assert extractor.whole_image_id == extractor.extractor_id
        told_in_words = Tiny.untrained_instance()
        assert (told_in_words.preprocessing.size, told_in_words.preprocessing.shortest_side) == (224, 256)
        assert told_in_words.whole_image_id != told_in_words.extractor_id


class TestWhichRuntime:
    def test_is_onnx_runtime_for_our_networks(self):
        assert runtime_of(EfficientNetLite0Extractor()) is OnnxNetwork

    def test_is_torch_where_the_setting_says_so(self):
        with override(use_onnx=False):
            assert runtime_of(EfficientNetLite0Extractor()) is TorchNetwork

    def test_is_torch_where_onnx_runtime_is_not_installed(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
        assert runtime_of(Tiny.untrained_instance()) is TorchNetwork

    def test_is_torch_for_users_networks(self, photo):
        extractor = Brightness.untrained_instance()
        assert runtime_of(extractor) is TorchNetwork
        features, _ = extractor(photo, [(200, 300)])
        assert features.features[0, 0] == pytest.approx(photo[88:312, 188:412].mean() / 255 * 2, rel=1e-4)

    def test_is_torch_where_the_network_cannot_be_translated(self, photo, caplog, own_caches):
        class Fast(Brightness):
            ONNX_VERSION = 1

        with caplog.at_level(logging.WARNING):
            assert runtime_of(Fast.untrained_instance()) is TorchNetwork
        assert "runs in torch, which is slower" in caplog.text
        assert not own_caches.exists()

    def test_is_torch_where_numbers_do_not_agree(self, caplog, own_caches):
        class Restless(Tiny):
            """Gives other numbers once it is to be fast."""

            ONNX_VERSION = 1

            @classmethod
            def untrained_model(cls) -> nn.Module:
                network = Tiny.untrained_model()
                network.for_inference = lambda: network.layer.weight.mul_(1.001)
                return network

        with caplog.at_level(logging.WARNING):
            assert runtime_of(Restless.untrained_instance()) is TorchNetwork
        assert "differ by" in caplog.text
        assert not own_caches.exists()

    def test_is_torch_for_a_subclass_that_builds_another_network(self):
        class Other(EfficientNetExtractor):
            @classmethod
            def untrained_model(cls) -> nn.Module:
                return EfficientNetLite0Extractor.untrained_model()

        class Deliberate(Other):
            ONNX_VERSION = 1

        assert runtime_of(Other.untrained_instance()) is TorchNetwork
        assert runtime_of(Deliberate.untrained_instance()) is OnnxNetwork

    def test_is_torch_for_crops_of_floats_which_are_not_scaled(self):
        extractor = EfficientNetLite0Extractor()
        patches = natural_patches(2, 224)
        from_pixels, _ = extractor.patches_to_features(list(patches))
        from_floats, _ = extractor.patches_to_features(list((patches.astype(np.float32) - 127) / 128))
        assert relative_difference(from_floats, from_pixels) < 1e-4


class TestKeptModels:
    def test_are_checked_and_say_so(self, own_caches):
        EfficientNetLite0Extractor().prepare()
        (model,), (record,) = own_caches.glob("*.onnx"), own_caches.glob("*.json")
        assert model.stem == record.stem
        assert json.loads(record.read_text())["max_relative_difference"] < 1e-4

    def test_are_used_by_a_process_that_needs_no_torch(self, own_caches, photo, tmp_path):
        features, _ = EfficientNetLite0Extractor()(photo, [(200, 300), (5, 5)])
        np.save(tmp_path / "photo.npy", photo)
        code = f"""
import sys, numpy as np
from spacer_like.extractors import EfficientNetLite0Extractor
features, _ = EfficientNetLite0Extractor()(np.load({str(tmp_path / "photo.npy")!r}), [(200, 300), (5, 5)])
np.save({str(tmp_path / "features.npy")!r}, features.features)
assert not {{"torch", "onnx", "torchvision"}} & set(sys.modules)
"""
        settings = {"SPACER_ONNX_CACHE_DIR": str(own_caches), "SPACER_DEVICE": "cpu"}
        subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, **settings})
        assert np.array_equal(np.load(tmp_path / "features.npy"), features.features)

    @pytest.mark.parametrize("damage", ["model", "record", "no record"])
    def test_that_are_damaged_are_made_again(self, own_caches, damage):
        extractor = Tiny.untrained_instance()
        extractor.prepare()
        (model,), (record,) = own_caches.glob("*.onnx"), own_caches.glob("*.json")
        whole = model.read_bytes()
        if damage == "model":
            model.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        elif damage == "record":
            record.write_text("{")
        else:
            record.unlink()
        network_cache.clear()
        assert runtime_of(extractor) is OnnxNetwork
        assert model.read_bytes() == whole
        assert json.loads(record.read_text())

    def test_of_other_weights_are_not_used_whatever_their_record_says(self, own_caches):
        torch.manual_seed(0)
        extractor, other = Tiny.untrained_instance("own"), Tiny.untrained_instance("other")
        extractor.prepare()
        (model,), (record,) = own_caches.glob("*.onnx"), own_caches.glob("*.json")
        other.prepare()
        (planted,), (its_record,) = set(own_caches.glob("*.onnx")) - {model}, set(own_caches.glob("*.json")) - {record}
        whole = model.read_bytes()
        for text in (
            # As records were before, with a sum that anyone can make.
            json.dumps({**json.loads(record.read_text()), "crc32": zlib.crc32(planted.read_bytes())}),
            json.dumps({"crc32": zlib.crc32(planted.read_bytes())}),
            its_record.read_text(),
        ):
            model.write_bytes(planted.read_bytes())
            record.write_text(text)
            network_cache.clear()
            extractor.prepare()
            assert model.read_bytes() == whole

    @pytest.mark.parametrize("shared", ["folder", "model", "record", "link"])
    def test_that_others_may_have_put_there_are_not_used(self, own_caches, shared, caplog):
        extractor = Tiny.untrained_instance()
        extractor.prepare()
        (model,), (record,) = own_caches.glob("*.onnx"), own_caches.glob("*.json")
        if shared == "link":
            model.rename(own_caches.parent / "elsewhere.onnx")
            model.symlink_to(own_caches.parent / "elsewhere.onnx")
        else:
            {"folder": own_caches, "model": model, "record": record}[shared].chmod(0o777)
        network_cache.clear()
        before = model.stat()
        assert runtime_of(extractor) is OnnxNetwork
        assert "is not used, because" in caplog.text
        if shared == "folder":
            assert model.stat().st_mtime_ns == before.st_mtime_ns
            assert f"are not kept in {own_caches}, because others may write to" in caplog.text
        else:
            # The folder is ours: there it is made again, and no link is followed.
            assert not model.is_symlink()
            assert model.stat().st_ino != before.st_ino

    def test_are_used_by_who_cannot_write_there(self, own_caches):
        extractor = Tiny.untrained_instance()
        extractor.prepare()
        own_caches.chmod(0o555)
        (model,) = own_caches.glob("*.onnx")
        before = model.stat().st_ino
        network_cache.clear()
        assert runtime_of(extractor) is OnnxNetwork
        assert model.stat().st_ino == before

    def test_are_written_by_nobody_else_whatever_new_files_are_allowed(self, own_caches):
        umask = os.umask(0)
        try:
            with override(onnx_cache_dir=str(own_caches / "below")):
                Tiny.untrained_instance().prepare()
        finally:
            os.umask(umask)
        assert {path.stat().st_mode & 0o777 for path in (own_caches, own_caches / "below")} == {0o755}
        assert {path.stat().st_mode & 0o777 for path in (own_caches / "below").iterdir()} == {0o644}

    def test_are_made_although_they_cannot_be_kept(self, tmp_path):
        blocked = tmp_path / "file"
        blocked.write_text("no folder")
        with override(onnx_cache_dir=str(blocked)):
            assert runtime_of(Tiny.untrained_instance()) is OnnxNetwork

    def test_go_into_the_users_cache_folder(self, monkeypatch, tmp_path):
        with override(onnx_cache_dir=None):
            monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
            assert onnx_session.models_folder() == tmp_path / "spacer_like" / "onnx"
            monkeypatch.delenv("XDG_CACHE_HOME")
            monkeypatch.setenv("HOME", str(tmp_path / "home"))
            assert onnx_session.models_folder() == tmp_path / "home" / ".cache" / "spacer_like" / "onnx"

    def test_are_not_kept_for_a_user_without_a_home(self, monkeypatch, own_caches):
        def no_home() -> Path:
            raise RuntimeError("Could not determine home directory.")

        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        monkeypatch.setattr(Path, "home", no_home)
        with override(onnx_cache_dir=None):
            assert runtime_of(Tiny.untrained_instance()) is OnnxNetwork
        assert not own_caches.exists()

    def test_serve_two_processes_that_make_them_at_once(self, own_caches):
        code = """
from spacer_like.extractors import EfficientNetLite0Extractor
print(type(EfficientNetLite0Extractor()._network(takes_pixels=True)[0]).__name__)
"""
        settings = {"SPACER_ONNX_CACHE_DIR": str(own_caches), "SPACER_TORCH_THREADS": "1"}
        running = [
            subprocess.Popen(
                [sys.executable, "-c", code], env={**os.environ, **settings}, stdout=subprocess.PIPE, text=True
            )
            for _ in range(2)
        ]
        assert [process.communicate()[0].strip() for process in running] == ["OnnxNetwork"] * 2
        assert sorted(path.suffix for path in Path(own_caches).iterdir()) == [".json", ".onnx"]


@pytest.mark.parametrize(
    ("found", "expected", "difference"),
    [([[1, 2]], [[1, 2]], 0), ([[1, 3]], [[1, 4]], 0.25), ([[0, 0]], [[0, 0]], 0), ([[1]], [[1, 2]], np.inf)],
)
def test_a_relative_difference_is_that_of_the_largest_feature(found, expected, difference):
    assert relative_difference(np.array(found, np.float32), np.array(expected, np.float32)) == difference


def test_check_patches_are_always_the_same():
    assert np.array_equal(natural_patches(2, 30), natural_patches(2, 30))
    assert onnx_conversion._CHECKED_PATCHES > 1
