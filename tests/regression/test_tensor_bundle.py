"""Checkpoints of TensorFlow are read as it wrote them, and whatever else a file may hold is a sentence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacer_like.exceptions import WeightsError
from spacer_like.regression.crc32c import crc32c
from spacer_like.regression.tensor_bundle import read_bundle, read_bundle_index, shard_name

from .bundles import block_of, entry, field, golden, index_of, table

NUMBERS = np.arange(6, dtype="<f4")
BYTES = NUMBERS.tobytes()


def read(index: bytes, *shards: bytes) -> dict[str, np.ndarray]:
    return read_bundle(read_bundle_index(index, "reef.index"), shards or (BYTES,), "reef")


class TestACheckpointOfTensorFlow:
    @pytest.mark.parametrize(("name", "n_tensors"), [("keras2-trained", 61), ("keras3", 20), ("keras3-trained", 58)])
    def test_is_read_whole(self, name, n_tensors):
        index = read_bundle_index(golden()[f"{name}.ckpt.index"], name)
        tensors = read_bundle(index, [golden()[shard_name(f"{name}.ckpt", 0, 1)]], name)
        assert index.n_shards == 1
        assert len(tensors) == n_tensors
        # Of all entries one is no tensor of numbers: the graph of objects.
        assert set(index.entries) - set(tensors) == {"_CHECKPOINTABLE_OBJECT_GRAPH"}

    def test_has_the_same_weights_whoever_wrote_it(self):
        two, three = (
            read_bundle(
                read_bundle_index(golden()[f"{name}.ckpt.index"], name),
                [golden()[shard_name(f"{name}.ckpt", 0, 1)]],
                name,
                lambda key: key.endswith("kernel/.ATTRIBUTES/VARIABLE_VALUE"),
            )
            for name in ("keras2-trained", "keras3")
        )
        assert list(two) == [
            f"layer_with_weights-{k}/kernel/.ATTRIBUTES/VARIABLE_VALUE" for k in (0, 1, 2, 3, 5, 6, 7, 8)
        ]
        assert len(two) == len(three)
        for array in two.values():
            assert any(array.shape == other.shape and (array == other).all() for other in three.values())

    def test_is_of_an_index_alone_where_the_shards_are_lost(self):
        index = read_bundle_index(golden()["keras2-trained.ckpt.index"], "reef")
        found = index.entries["layer_with_weights-0/kernel/.ATTRIBUTES/VARIABLE_VALUE"]
        assert (found.dtype, found.shape, found.size) == (np.float32, (3, 3, 3, 16), 4 * 432)

    def test_of_which_a_byte_was_changed_is_refused(self):
        shard = bytearray(golden()["keras3.ckpt.data-00000-of-00001"])
        shard[1000] ^= 1
        with pytest.raises(WeightsError, match=r"^reef: the checkpoint is damaged: the checksum of '_functional.*\.$"):
            read(golden()["keras3.ckpt.index"], bytes(shard))


class TestAnIndex:
    def test_names_tensors_of_any_type_of_numbers(self):
        found = read(
            index_of({"a": entry(BYTES, (2, 3)), "b": entry(BYTES[4:8], (), 4), "c": entry(BYTES, (3,), 0, 9)})
        )
        np.testing.assert_array_equal(found["a"], NUMBERS.reshape(2, 3))
        assert found["b"] == 1
        assert found["c"].dtype == np.int64

    def test_may_be_of_a_machine_of_the_other_byte_order(self):
        numbers = NUMBERS.astype(">f4").tobytes()
        found = read(index_of({"a": entry(numbers, (6,))}, field(1, 1) + field(2, 1)), numbers)
        np.testing.assert_array_equal(found["a"], NUMBERS)

    def test_may_share_the_beginnings_of_its_keys_and_have_many_shards(self):
        value = entry(BYTES, (6,), shard=1)
        pairs = b"".join(
            bytes([shared, len(own), len(value)]) + own + value for shared, own in ((0, b"abc"), (2, b"d"), (3, b"e"))
        )
        header = field(1, 2)
        block = bytes([0, 0, len(header)]) + header + pairs + bytes(4) + (1).to_bytes(4, "little")
        assert list(read(table(block), b"", BYTES)) == ["abc", "abd", "abde"]

    @pytest.mark.parametrize(
        ("index", "why"),
        [
            (b"", "its last bytes are not those of a table"),
            (index_of({})[:-1] + b"\0", "its last bytes are not those of a table"),
            (table(block_of({b"": field(1, 1)}), 1), "its blocks are compressed"),
            (table(block_of({b"a": b""})), "it does not begin with a header"),
            (index_of({}, field(1, 2**31)), "it has 2147483648 shards"),
            (index_of({}, field(1, 2**64)), "the header has an integer of more than 64 bits"),
            (index_of({"a": entry(BYTES, (6,), shard=1)}), "'a' lies in the shard 1 of 1"),
            (index_of({"a": entry(BYTES, (2**62,))}), "'a' has a shape that no tensor has"),
            (index_of({"a": entry(BYTES, (2**64 - 1,))}), "'a' has a shape that no tensor has"),
            (index_of({"a": entry(BYTES, (1,) * 33)}), "'a' has a shape that no tensor has"),
            (index_of({"b": b"", "a": b""}), "its keys are not in order"),
            (index_of({"a" * 5000: b""}), "a key is longer than 4096 bytes"),
            (index_of({"a": b"\x0b"}), "a field of the unknown kind 3"),
            (index_of({"a": b"\x0a\x7f"}), "a field that is longer than the file"),
            (index_of({"a": b"\xff" * 20}), "an integer that does not end"),
        ],
    )
    def test_that_is_wrong_is_a_sentence(self, index, why):
        with pytest.raises(WeightsError, match=rf"^reef\.index: it is no index of a TensorFlow checkpoint.*: {why}"):
            read_bundle_index(index, "reef.index")

    def test_of_which_a_byte_was_changed_is_refused(self):
        index = bytearray(index_of({"a": entry(BYTES, (6,))}))
        index[3] ^= 1
        with pytest.raises(WeightsError, match=r"the checksum of a block is another\.$"):
            read_bundle_index(bytes(index), "reef")


class TestATensor:
    @pytest.mark.parametrize(
        ("value", "why"),
        [
            (entry(BYTES, (7,)), "takes 24 bytes, which is not what its shape (7,) takes"),
            (entry(BYTES, (2**40, 2**40)), "takes 24 bytes"),
            (entry(BYTES, (2**38,), size=2**40), "would end behind the end of its shard of 24 bytes"),
            (entry(BYTES, (6,), 4), "would end behind the end of its shard of 24 bytes"),
            (entry(BYTES, (6,), 2**63), "would end behind the end of its shard of 24 bytes"),
            (entry(BYTES, (6,), checksum=1), "the checksum of 'a' is another"),
            (entry(BYTES, (6,)) + field(7, b""), "is in slices"),
        ],
    )
    def test_that_does_not_lie_in_its_shard_is_refused(self, value, why):
        with pytest.raises(WeightsError, match=r"^reef: the checkpoint is damaged: ") as caught:
            read(index_of({"a": value}))
        assert why in str(caught.value)

    def test_that_is_not_wanted_is_not_looked_at(self):
        index = read_bundle_index(index_of({"a": entry(BYTES, (6,)), "b": entry(BYTES, (7,))}), "reef")
        assert list(read_bundle(index, [BYTES], "reef", lambda key: key == "a")) == ["a"]

    def test_is_refused_where_a_shard_is_missing(self):
        with pytest.raises(WeightsError, match=r"it has 2 shards, and 1 are given\.$"):
            read(index_of({}, field(1, 2)))


class TestTheChecksum:
    def test_is_that_of_the_standard(self):
        # RFC 3720, appendix B.4.
        assert crc32c(bytes(32)) == 0x8A9136AA
        assert crc32c(b"\xff" * 32) == 0x62A8AB43
        assert crc32c(bytes(range(32))) == 0x46DD794E

    @given(st.binary(min_size=1, max_size=40), st.integers(200, 700))
    def test_is_the_same_byte_by_byte_and_side_by_side(self, part, times):
        data = part * times
        register = 0xFFFFFFFF
        for byte in data:
            register ^= byte
            for _ in range(8):
                register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
        assert crc32c(data) == register ^ 0xFFFFFFFF
