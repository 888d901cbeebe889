"""Packed images: the original's layout and ours, sorted, and what is refused."""

from io import BytesIO

import numpy as np
import pytest

from spacer_like.exceptions import TableError, TrainingLabelsError
from spacer_like.regression.labels import StampName
from spacer_like.regression.packing import pack_images, packed_bytes, read_packed


def stamps():
    random = np.random.default_rng(3)
    return [
        (StampName(number, 6, label, "g"), random.integers(0, 256, (6, 6), np.uint8))
        for number, label in ((30, "67"), (7, "F"), (12, "0"))
    ]


def npz(**arrays):
    sink = BytesIO()
    np.savez_compressed(sink, **arrays)
    return sink.getvalue()


def test_images_are_sorted_by_id_and_grey_ones_have_three_equal_channels():
    given = stamps()
    packed = pack_images(given)
    assert (packed.ids.tolist(), packed.codes.tolist()) == ([7, 12, 30], [1, 0, 67])
    np.testing.assert_array_equal(packed.images[2], np.repeat(given[0][1][..., None], 3, axis=2))


def test_a_file_is_read_as_it_was_written_and_is_the_same_each_time():
    packed = pack_images(stamps())
    data = packed_bytes(packed)
    assert data == packed_bytes(pack_images(reversed(stamps())))
    again = read_packed(data, "g.npz")
    assert again.images.dtype == np.uint8
    for name in ("images", "ids", "codes"):
        np.testing.assert_array_equal(getattr(again, name), getattr(packed, name))


def test_the_original_layout_is_read_and_sorted():
    packed = pack_images(stamps())
    data = npz(
        images=packed.images[::-1].astype(">i4"), labels=np.stack([packed.ids, packed.codes])[:, ::-1].astype(">i4")
    )
    again = read_packed(data, "g.npz")
    np.testing.assert_array_equal(again.images, packed.images)
    np.testing.assert_array_equal(again.ids, packed.ids)


IMAGES, LABELS = np.zeros((2, 4, 4, 3), np.int32), np.array([[5, 6], [50, 60]])


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"images": IMAGES}, "has no array labels"),
        ({"images": IMAGES + 256, "labels": LABELS}, "has a pixel outside 0 to 255"),
        ({"images": IMAGES.astype(float), "labels": LABELS}, "must be whole numbers"),
        ({"images": IMAGES[:, :3], "labels": LABELS}, r"must be whole numbers \[n, size, size, 3\]"),
        ({"images": IMAGES, "labels": LABELS[:, :1]}, r"must be whole numbers \[2, 2\]"),
        ({"images": IMAGES, "labels": LABELS + 50}, "has a code outside 0 to 90"),
        ({"images": IMAGES, "labels": LABELS * -1}, "has an id outside"),
        ({"images": IMAGES, "labels": np.array([[5, 5], [50, 60]])}, "has the galaxy 5 twice"),
    ],
)
def test_other_arrays_are_refused(arrays, words):
    with pytest.raises(TableError, match=words):
        read_packed(npz(**arrays), "g.npz")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", packed_bytes(pack_images(stamps()))[:300]])
def test_a_corrupt_file_is_refused_in_a_sentence(data):
    with pytest.raises(TableError, match=r"The file 'g.npz' is no \.npz"):
        read_packed(data, "g.npz")


def test_what_does_not_go_together_is_not_packed():
    one, pixels = stamps()[0]
    for other, words in ((one._replace(band="r", id=1), "band"), (one, "has two images")):
        with pytest.raises(TrainingLabelsError, match=words):
            pack_images([(one, pixels), (other, pixels)])
    with pytest.raises(TrainingLabelsError, match="no prepared image"):
        pack_images([])
