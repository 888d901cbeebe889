"""Safetensors that are mapped: what is written is read again, and each thing that can be wrong with one is said."""

import io
import json

import numpy as np
import pytest
from safetensors.numpy import load

from spacer_like.exceptions import FeatureFileError
from spacer_like.mapped_tensors import HEAD_BYTES, LARGEST_HEAD, Layout, TensorWriter, read_tensors

LAYOUTS = {"vectors": Layout(np.float16, 2), "sizes": Layout(np.int64, 1)}
HEADER = {"format": "spacer.some_vectors", "format_version": 1}
ENTRIES = {
    "vectors": {"dtype": "F16", "shape": [3, 2], "data_offsets": [0, 12]},
    "sizes": {"dtype": "I64", "shape": [2], "data_offsets": [12, 28]},
}
DATA = np.arange(6, dtype="<f2").tobytes() + np.array([5, -1], "<i8").tobytes()


def file_of(entries=ENTRIES, header=HEADER, data=DATA, head_bytes=None, length=None) -> io.BytesIO:
    head = json.dumps({"__metadata__": {"header": json.dumps(header)}} | entries).encode()
    head = head.ljust(head_bytes or 0)
    return io.BytesIO((len(head) if length is None else length).to_bytes(8, "little") + head + data)


def read(file, layouts=LAYOUTS):
    return read_tensors(file, "a.safetensors", "spacer.some_vectors", {1: layouts})


def changed(name, **fields):
    return ENTRIES | {name: ENTRIES[name] | fields}


def test_what_is_written_block_by_block_is_read_again_by_every_reader_of_safetensors():
    file = io.BytesIO()
    writer = TensorWriter(file)
    blocks = np.arange(12, dtype=np.float64).reshape(6, 2)
    assert writer.add("vectors", [blocks[:4], blocks[4:4], blocks[4:]], np.float16, (2,)) == 6
    assert writer.add("sizes", [np.array([2**40])], np.int64) == 1
    writer.finish(HEADER)
    assert file.tell() == len(file.getvalue()) == HEAD_BYTES + 24 + 8
    header, arrays = read(file)
    assert header == HEADER
    for found in (arrays, load(file.getvalue())):
        assert found["vectors"].dtype == np.float16
        assert found["vectors"].tolist() == blocks.tolist()
        assert found["sizes"].tolist() == [2**40]


@pytest.mark.parametrize("more", [0, 1])
def test_a_header_fills_its_place_and_no_more(more):
    file = io.BytesIO()
    TensorWriter(file).finish({"text": ""})
    room = HEAD_BYTES - len(file.getvalue().rstrip(b" "))
    writer = TensorWriter(file := io.BytesIO())
    if more:
        with pytest.raises(FeatureFileError, match=r"would take 4089 bytes, and may take 4088\.$"):
            writer.finish({"text": "x" * (room + 1)})
    else:
        writer.finish({"text": "x" * room})
        assert len(file.getvalue()) == HEAD_BYTES
        assert load(file.getvalue()) == {}


@pytest.mark.parametrize("kind", ["in memory", "on disk", "from elsewhere"])
def test_arrays_outlive_their_file_and_are_read_only(kind, tmp_path):
    class Elsewhere(io.BufferedReader):
        def fileno(self):
            raise io.UnsupportedOperation("fileno")

    (path := tmp_path / "a.safetensors").write_bytes(file_of().getvalue())
    file = {"in memory": file_of, "on disk": lambda: path.open("rb"), "from elsewhere": lambda: elsewhere()}

    def elsewhere():
        return Elsewhere(io.FileIO(path))

    with file[kind]() as opened:
        _, arrays = read(opened)
    assert arrays["vectors"].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert arrays["sizes"].tolist() == [5, -1]
    assert not any(array.flags.writeable for array in arrays.values())


def test_arrays_in_any_order_with_others_between_them_are_found():
    entries = {"vectors": ENTRIES["vectors"] | {"data_offsets": [20, 32]}, "sizes": ENTRIES["sizes"]}
    entries["sizes"] = entries["sizes"] | {"data_offsets": [4, 20]}
    entries["another"] = {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}
    _, arrays = read(file_of(entries, data=bytes(4) + DATA[12:] + DATA[:12]))
    assert set(arrays) == set(LAYOUTS)
    assert arrays["vectors"].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert arrays["sizes"].tolist() == [5, -1]


def test_an_array_of_nothing_is_read_whatever_its_other_axes_say():
    entries = changed("vectors", shape=[0, 2**70], data_offsets=[0, 0])
    with pytest.raises(FeatureFileError, match="is no file of some vectors, or is damaged"):
        read(file_of(entries | {"sizes": ENTRIES["sizes"] | {"data_offsets": [0, 16]}}, data=DATA[12:]))
    entries["vectors"]["shape"] = [0, 2]
    entries["sizes"] = ENTRIES["sizes"] | {"data_offsets": [0, 16]}
    assert read(file_of(entries, data=DATA[12:]))[1]["vectors"].shape == (0, 2)


@pytest.mark.parametrize(
    ("file", "why"),
    [
        pytest.param(io.BytesIO(), "it does not begin as such a file does", id="empty"),
        pytest.param(io.BytesIO(b"\2\0\0\0\0\0\0"), "it does not begin as such a file does", id="seven bytes"),
        pytest.param(file_of(length=2**63), "it does not begin as such a file does", id="longer head than file"),
        pytest.param(
            file_of(head_bytes=LARGEST_HEAD + 1), "it does not begin as such a file does", id="longer head than any"
        ),
        pytest.param(io.BytesIO(b"\2\0\0\0\0\0\0\0[]"), "its head is no JSON object", id="list"),
        pytest.param(file_of(header=HEADER | {"format_version": 2}), "of the format spacer.some_vectors 2", id="newer"),
        pytest.param(file_of(header=HEADER | {"format": "other"}), "and this version reads spacer.some", id="other"),
        pytest.param(file_of(data=DATA[:-1]), "its arrays should take 28 bytes, and take 27", id="cut"),
        pytest.param(file_of(data=DATA + b"\0"), "its arrays should take 28 bytes, and take 29", id="more"),
        *(
            pytest.param(
                file_of(changed("sizes", data_offsets=offsets)), "its arrays do not lie one after the other", id=name
            )
            for name, offsets in (("overlap", [11, 28]), ("hole", [13, 28]), ("backwards", [12, 11]))
        ),
        pytest.param(
            file_of(changed("vectors", data_offsets=[False, 12])), "its offsets are no whole numbers", id="first"
        ),
        pytest.param(file_of(changed("sizes", data_offsets=[12, 28.0])), "its offsets are no whole numbers", id="last"),
        *(
            pytest.param(
                file_of(changed("vectors", **fields)), "its array vectors is of another type or shape", id=name
            )
            for name, fields in (
                ("type", {"dtype": "BF16"}),
                ("no list", {"shape": "32"}),
                ("one axis", {"shape": [6]}),
                ("three axes", {"shape": [3, 2, 1]}),
            )
        ),
        *(
            pytest.param(
                file_of(changed("vectors", shape=shape)), "its array vectors has a shape of no whole numbers", id=name
            )
            for name, shape in (("negative", [-3, -2]), ("float", [3.0, 2]), ("bool", [3, True]))
        ),
        *(
            pytest.param(
                file_of(changed("vectors", shape=shape)), "its array vectors does not take the bytes that", id=name
            )
            for name, shape in (("shorter", [3, 1]), ("longer", [4, 2]), ("overflow", [(2**64 + 6) // 11, 11]))
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_said(file, why):
    with pytest.raises(
        FeatureFileError, match=r"^'a\.safetensors' is no file of some vectors, or is damaged"
    ) as caught:
        read(file)
    assert why in str(caught.value)


def test_a_head_as_long_as_may_be_is_read():
    assert read(file_of(head_bytes=LARGEST_HEAD))[1]["sizes"].tolist() == [5, -1]
