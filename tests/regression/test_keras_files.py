"""Files of Keras are read as it wrote them; one that points elsewhere, or is damaged, is a sentence."""

import io
import json
import zipfile

import h5py
import numpy as np
import pytest

from spacer_like.exceptions import ArchiveError, WeightsError
from spacer_like.regression.keras_files import read_keras_file
from spacer_like.regression.keras_weights import imported_weights

from .bundles import golden

FILES = ("keras2.h5", "keras2-trained.h5", "keras3.weights.h5", "keras3.keras")


def hdf5(write) -> bytes:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        write(file)
    return stream.getvalue()


def archive(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in members.items():
            made.writestr(name.replace("_", "."), data)
    return stream.getvalue()


class TestAFileOfKeras:
    @pytest.mark.parametrize("name", FILES)
    def test_has_the_layers_of_the_model(self, name):
        found = read_keras_file(golden()[name], name)
        weights = imported_weights(found.layers, name, size=28).weights
        first = imported_weights(read_keras_file(golden()[FILES[0]], FILES[0]).layers, FILES[0], size=28).weights
        assert weights.keys() == first.keys()
        assert all((weights[key] == first[key]).all() for key in first)

    @pytest.mark.parametrize(("name", "size"), list(zip(FILES, (None, 28, None, 28), strict=True)))
    def test_says_the_size_of_images_where_it_is_a_whole_model(self, name, size):
        assert read_keras_file(golden()[name], name).size == size

    def test_counts_its_layers_as_numbers(self):
        def write(file):
            for number in range(12):
                name = f"layers/dense_{number}" if number else "layers/dense"
                file[f"{name}/vars/0"] = np.full((1, 1), number, np.float32)

        found = read_keras_file(hdf5(write), "reef").layers
        assert [layer.arrays[0].item() for layer in found] == list(range(12))

    def test_may_have_been_put_in_chunks_by_another_program(self):
        numbers = np.arange(35, dtype=np.float32).reshape(5, 7)

        def write(file):
            file.create_dataset("layers/dense/vars/0", data=numbers, chunks=(2, 3))

        np.testing.assert_array_equal(read_keras_file(hdf5(write), "reef").layers[0].arrays[0], numbers)


def external_link(file):
    file["layers/dense/vars/0"] = h5py.ExternalLink("/etc/passwd", "/")


def soft_link(file):
    file["secret"] = np.zeros(3, np.float32)
    file["layers/dense/vars/0"] = h5py.SoftLink("/secret")


def external_storage(file):
    file.create_dataset("layers/dense/vars/0", (3,), "f4", external=[("/etc/passwd", 0, 12)])


def virtual(file):
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (3,))
    file.create_virtual_dataset("layers/dense/vars/0", layout)


def huge(file):
    file.create_dataset("layers/dense/vars/0", (2**40,), "f4")


def compressed(file):
    file.create_dataset("layers/dense/vars/0", (2**20,), "f4", compression="gzip")


def with_chunks_left_out(file):
    file.create_dataset("layers/dense/vars/0", (2**20,), "f4", chunks=(1024,))[:5] = 1


def reference(file):
    file["layers/dense/vars/0"] = np.array([file.ref], h5py.ref_dtype)


def group_for_numbers(file):
    file.create_group("layers/dense/vars/0")


def twice_the_same(file):
    file["layers/dense/vars/0"] = np.zeros(2**16, np.float32)
    for number in range(1, 40):
        file[f"layers/dense/vars/{number}"] = file["layers/dense/vars/0"]


class TestAStrangersFile:
    @pytest.mark.parametrize(
        ("write", "why"),
        [
            (external_link, "it lacks 0, or has a link in its place"),
            (soft_link, "it lacks 0, or has a link in its place"),
            (external_storage, "0 is compressed or in another file"),
            (virtual, "0 is compressed or in another file"),
            (compressed, "0 is compressed or in another file"),
            (with_chunks_left_out, r"0 takes other bytes than its shape \(1048576,\) does"),
            (huge, r"0 takes other bytes than its shape \(1099511627776,\) does"),
            (reference, "0 is no array of floating-point numbers"),
            (group_for_numbers, "0 is no array of floating-point numbers"),
            (twice_the_same, "0 takes other bytes|1 takes other bytes|takes other bytes than its shape"),
            (lambda file: None, "it has no layers"),
            (lambda file: file.attrs.update(layer_names=3), "its layer_names are no list of texts"),
            (lambda file: file.attrs.update(layer_names=["dense"]), "it lacks dense, or has a link in its place"),
        ],
    )
    def test_is_refused(self, write, why):
        with pytest.raises(WeightsError, match=rf"^reef: it is no file of weights of Keras, or a damaged one: .*{why}"):
            read_keras_file(hdf5(write), "reef")

    def test_that_the_library_does_not_return_from_is_refused(self):
        data = bytearray(golden()["keras2.h5"])
        # The size of an object in the heap of texts, of which the library goes on to the next one for ever.
        heap = data.index(b"GCOL")
        data[heap + 24 : heap + 32] = (2**64 - 16).to_bytes(8, "little")
        with pytest.raises(WeightsError, match=r"^reef: .* HDF5 ends or does not return .*\.$"):
            read_keras_file(bytes(data), "reef")


class TestAnArchive:
    def test_lacks_what_it_must_hold(self):
        with pytest.raises(WeightsError, match=r"^reef\.keras: .* it lacks config\.json\.$"):
            read_keras_file(archive(other_txt=b""), "reef.keras")
        with pytest.raises(WeightsError, match=r"it lacks model\.weights\.h5\.$"):
            read_keras_file(archive(config_json=b"{}"), "reef.keras")

    def test_that_would_unpack_to_far_more_is_refused(self):
        with pytest.raises(WeightsError, match=r"its model\.weights\.h5 would take 134217729 bytes"):
            read_keras_file(archive(config_json=b"{}", model_weights_h5=bytes(2**27 + 1)), "reef.keras")

    def test_whose_members_lead_out_of_it_is_refused(self):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as made:
            made.writestr("../config.json", b"{}")
        with pytest.raises(ArchiveError, match=r"'reef\.keras' is refused: its member .* leads out of it"):
            read_keras_file(stream.getvalue(), "reef.keras")

    @pytest.mark.parametrize("config", [b"null", b"[]", json.dumps({"config": {"layers": [{}]}}).encode()])
    def test_need_not_say_the_size(self, config):
        data = archive(config_json=config, model_weights_h5=golden()["keras3.weights.h5"])
        assert read_keras_file(data, "reef.keras").size is None


def test_what_is_neither_is_refused():
    with pytest.raises(WeightsError, match=r"^reef: .*: its first bytes are those of no HDF5 file\.$"):
        read_keras_file(b"reef", "reef")
