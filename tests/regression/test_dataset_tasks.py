"""pack_dataset, split_dataset and augment_dataset: galaxies are joined by their ids, files are equal each time."""

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacer_like.exceptions import ImageError, MessageError, TableError, TrainingLabelsError
from spacer_like.messages import AugmentDatasetMsg, PackDatasetMsg, SplitDatasetMsg
from spacer_like.regression.augmentation import Options, bin_of, fly_batch
from spacer_like.regression.dataset import open_packed, open_pool
from spacer_like.regression.packing import read_packed
from spacer_like.regression.splitting import original_split
from spacer_like.regression.tasks.augment import augment_dataset
from spacer_like.regression.tasks.pack import pack_dataset
from spacer_like.regression.tasks.split import split_dataset
from spacer_like.storage import clear_memory_storage, list_keys, read_bytes, write_bytes

from .galaxies import at, encoded, pixels, stored

STAMPS, OUT = at("stamps"), at("out")


@pytest.fixture(autouse=True)
def _empty():
    clear_memory_storage()
    yield
    clear_memory_storage()


def stamps(*ids, band="g", label="67"):
    return {
        f"pgc{number}_8x8_{label}.{band}.png": encoded(pixels(8, 8, *(3,) * (band == "RGB"), seed=number))
        for number in ids
    }


@pytest.mark.parametrize("layout", ["npz", "npy"])
def test_prepared_images_become_one_file_sorted_by_id(layout):
    files = stamps(30, 7) | {"pgc12_8x8_F.g.png": encoded(pixels(8, 8)), "notes.txt": b"", "failures.csv": b""}
    answer = pack_dataset(PackDatasetMsg(stored(STAMPS, files), OUT, layout=layout))
    assert (answer.file, answer.n_images, answer.n_others) == (f"8x8_g.{layout}", 3, 2)
    assert answer.labels == {"inclination": 2, "face_on": 1, "rejected": 0}
    packed = open_packed(OUT.below(answer.file))
    assert (packed.ids.tolist(), packed.codes.tolist()) == ([7, 12, 30], [67, 1, 67])
    np.testing.assert_array_equal(packed.images[2], np.repeat(pixels(8, 8, seed=30)[..., None], 3, axis=2))


def test_the_file_has_the_arrays_of_the_original():
    pack_dataset(PackDatasetMsg(stored(STAMPS, stamps(1, 2, band="RGB")), OUT))
    with np.load(BytesIO(read_bytes(OUT.below("8x8_RGB.npz")))) as arrays:
        assert {name: values.shape for name, values in arrays.items()} == {"images": (2, 8, 8, 3), "labels": (2, 2)}


@pytest.mark.parametrize(
    ("files", "error", "words"),
    [
        ({"galaxy_7.jpg": b""}, TrainingLabelsError, "The name 'galaxy_7.jpg' does not give a galaxy and its label"),
        ({"notes.txt": b""}, TrainingLabelsError, "There is no prepared image in 'memory://stamps'"),
        (stamps(1) | stamps(1, label="60"), TrainingLabelsError, "The galaxy 1 has two images"),
        (stamps(1) | stamps(2, band="r"), TrainingLabelsError, "is not of the size and band of"),
        ({"pgc1_8x8_67.g.png": b"no"}, ImageError, "pgc1_8x8_67.g.png"),
        (
            {"pgc1_8x8_67.g.png": encoded(pixels(9, 9))},
            ImageError,
            r"is uint8 \[9, 9\], and its name says 8 x 8 pixels",
        ),
    ],
)
def test_what_cannot_be_packed_is_said(files, error, words):
    with pytest.raises(error, match=words):
        pack_dataset(PackDatasetMsg(stored(STAMPS, files), OUT))
    assert list(list_keys(OUT)) == []


def test_images_of_another_size_than_asked_for_are_refused():
    with pytest.raises(TrainingLabelsError, match="is 8 pixels wide, and 128 are asked for"):
        pack_dataset(PackDatasetMsg(stored(STAMPS, stamps(1)), OUT, size=128))


def packed(band, ids, codes, size=4, order=slice(None)):
    """A file of the original's layout; the pixels of an image are its galaxy's id."""
    ids, codes = np.asarray(ids)[order], np.asarray(codes)[order]
    sink = BytesIO()
    images = np.broadcast_to((ids % 256)[:, None, None, None], (len(ids), size, size, 3)).astype(">i4")
    np.savez(sink, images=images, labels=np.stack([ids, codes]).astype(">i4"))
    loc = at("packed", f"{size}x{size}_{band}.npz")
    write_bytes(loc, sink.getvalue())
    return loc


def parts():
    return {loc.filename.partition(".")[0]: open_pool(loc) for loc in list_keys(OUT)}


IDS, CODES = np.arange(1, 21), np.array([0, 1, 44, *range(45, 62)])
GREY, COLOUR = IDS[:-4], IDS[2:]


def split(**fields):
    locs = {"g": packed("g", GREY, CODES[:-4]), "gri": packed("RGB", COLOUR, CODES[2:])}
    return split_dataset(SplitDatasetMsg(packed_locs=locs, out_loc=OUT, **fields))


def test_the_galaxies_of_all_bands_are_split_once_and_images_follow_by_id():
    answer = split(sub_samples=2)
    assert (answer.n_galaxies, answer.n_left_out, answer.n_held_out, answer.n_training) == (17, 3, 2, 15)
    found = parts()
    assert {name: len(pool.ids) for name, pool in found.items()} == {
        name.partition(".")[0]: count for name, count in answer.files.items()
    }
    for name, pool in found.items():
        assert (pool.images[:, 0, 0, 0] == pool.ids).all()
        assert (pool.inclinations == CODES[pool.ids - 1]).all()
        assert set(pool.filters) <= {"c" if name.startswith("RGB") else "g"}
    held_out = set(found["g_4x4_test_000"].ids) | set(found["RGB_4x4_test_000"].ids)
    assert len(held_out) == 2
    for band in ("g", "RGB"):
        of = {part: set(found[f"{band}_4x4_{part}"].ids) for part in ("test_000", "train_000", "train_001", "test_001")}
        assert of["train_001"] | of["test_001"] == of["train_000"]
        assert not of["train_001"] & of["test_001"]
        assert not of["train_000"] & held_out
    together = {
        part: set(found[f"g_4x4_{part}"].ids) | set(found[f"RGB_4x4_{part}"].ids) for part in ("train_001", "train_002")
    }
    assert [len(ids) for ids in together.values()] == [10, 10]
    assert together["train_001"] != together["train_002"]


def test_the_same_seed_gives_the_same_files_and_another_one_others():
    def files(**fields):
        split(**fields)
        return {loc.key: read_bytes(loc) for loc in list_keys(OUT)}

    assert files(seed=1) == files(seed=1) != files(seed=2)


def test_both_layouts_hold_the_same_and_with_a_least_inclination_of_0_all_are_used():
    split(least_inclination=0, held_out=0)
    expected = parts()
    clear_memory_storage()
    answer = split(least_inclination=0, held_out=0, layout="npy")
    assert (answer.n_left_out, answer.n_held_out, answer.n_galaxies) == (0, 0, 20)
    for name, pool in expected.items():
        found = open_pool(OUT.below(f"{name}.npy"))
        for array, values in vars(pool).items():
            np.testing.assert_array_equal(getattr(found, array), values)


def test_the_original_split_is_that_of_the_first_band_in_the_order_of_its_file():
    order = np.random.default_rng(0).permutation(len(GREY))
    locs = {"gri": packed("RGB", COLOUR, CODES[2:]), "g": packed("g", GREY, CODES[:-4], order=order)}
    split_dataset(SplitDatasetMsg(packed_locs=locs, out_loc=OUT, original=True))
    ids, codes = GREY[order], CODES[:-4][order]
    expected = original_split(ids[codes >= 45])
    found = parts()
    np.testing.assert_array_equal(found["g_4x4_test_000"].ids, expected.held_out)
    np.testing.assert_array_equal(found["g_4x4_train_001"].ids, expected.samples[0])
    np.testing.assert_array_equal(found["g_4x4_train_000"].ids, expected.training)
    # Galaxies that only another band has are trained on, and are in no sub-sample.
    assert set(found["RGB_4x4_train_000"].ids) >= set(COLOUR[-4:])
    assert not set(found["RGB_4x4_train_001"].ids) & set(COLOUR[-4:])
    assert not set(found["RGB_4x4_test_001"].ids) & set(expected.held_out)


def test_what_cannot_be_split_is_said():
    with pytest.raises(TrainingLabelsError, match="No galaxy has an inclination of 80 or more"):
        split(least_inclination=80)
    two_sizes = {"g": packed("g", GREY, CODES[:-4]), "r": packed("r", GREY, CODES[:-4], size=6)}
    with pytest.raises(TrainingLabelsError, match="are not of one size: 4 in g, 6 in r pixels"):
        split_dataset(SplitDatasetMsg(packed_locs=two_sizes, out_loc=OUT))
    other_codes = {"g": packed("g", GREY, CODES[:-4]), "r": packed("r", GREY, CODES[:-4] + 1)}
    with pytest.raises(TrainingLabelsError, match="pack the bands with one catalog"):
        split_dataset(SplitDatasetMsg(packed_locs=other_codes, out_loc=OUT))
    write_bytes(at("packed", "g.npz"), b"PK")
    with pytest.raises(TableError, match=r"packed/g\.npz"):
        split_dataset(SplitDatasetMsg(packed_locs={"g": at("packed", "g.npz")}, out_loc=OUT))
    assert list(list_keys(OUT)) == []
    for field in ({"packed_locs": {}}, {"packed_locs": {"z": OUT}}, {"held_out": 1}, {"sub_samples": -1}):
        with pytest.raises(MessageError, match=next(iter(field))):
            SplitDatasetMsg(**{"packed_locs": {"g": at("packed")}, "out_loc": OUT} | field)


def test_parts_of_another_split_are_refused_and_stay():
    split(sub_samples=2)
    before = {loc.key: read_bytes(loc) for loc in list_keys(OUT)}
    split(sub_samples=2)
    for fields in ({"sub_samples": 1}, {"sub_samples": 2, "layout": "npy"}):
        with pytest.raises(MessageError, match=r"holds .*_00[0-2]\.npz, a part of another split .*\.$"):
            split(**fields)
    assert {loc.key: read_bytes(loc) for loc in list_keys(OUT)} == before


@settings(max_examples=25, deadline=None)
@given(
    st.sets(st.integers(1, 60), min_size=6),
    st.sets(st.integers(1, 60), min_size=6),
    st.floats(0, 0.5),
    st.integers(0, 4),
    st.booleans(),
)
def test_whatever_the_bands_nothing_that_is_held_out_is_trained_on(grey, colour, share, sub_samples, original):
    clear_memory_storage()
    locs = {"r": packed("r", sorted(grey), [60] * len(grey)), "gri": packed("RGB", sorted(colour), [60] * len(colour))}
    split_dataset(
        SplitDatasetMsg(packed_locs=locs, out_loc=OUT, held_out=share, sub_samples=sub_samples, original=original)
    )
    found = {name: set(pool.ids.tolist()) for name, pool in parts().items()}
    held_out = found["r_4x4_test_000"] | found["RGB_4x4_test_000"]
    for band, ids in (("r", grey), ("RGB", colour)):
        assert found[f"{band}_4x4_test_000"] | found[f"{band}_4x4_train_000"] == ids
        for name, part in found.items():
            if name.startswith(f"{band}_") and not name.endswith("test_000"):
                assert not part & held_out
                assert part <= found[f"{band}_4x4_train_000"]


def augmented(**fields):
    names = ("g_4x4_train_001", "RGB_4x4_train_001")
    locs = [OUT.below(f"{name}.npz") for name in names]
    fields = {"per_bin": 2, "out_loc": at("augmented")} | fields
    return augment_dataset(AugmentDatasetMsg(sample_locs=locs, **fields)), [open_pool(loc) for loc in locs]


def test_a_batch_is_written_as_it_would_be_made_while_training():
    split(held_out=0)
    answer, (grey, colour) = augmented(sub_sample=1, batch=4, seed=9, random_order=True)
    assert answer.file == "Uset_001_npz/4x4_train_aug_04.npz"
    found = open_pool(at("augmented", answer.file))
    expected = fly_batch(grey, colour, 2, 9, 4, Options(random_order=True))
    for array, values in vars(expected).items():
        np.testing.assert_array_equal(getattr(found, array), values)
    n_bins = len(set(bin_of(colour.inclinations).tolist()))
    assert answer.filters == {"c": 2 * n_bins, "g": 2 * n_bins}
    assert sum(answer.bins.values()) == answer.n_images == 4 * n_bins


def test_classes_are_balanced_where_that_is_asked_for():
    split(held_out=0, least_inclination=0, sub_samples=0)
    locs = [OUT.below(f"{band}_4x4_train_000.npz") for band in ("g", "RGB")]
    with pytest.raises(TrainingLabelsError, match="outside 45 to 90 degrees"):
        augment_dataset(AugmentDatasetMsg(sample_locs=locs, out_loc=at("augmented")))
    answer = augment_dataset(AugmentDatasetMsg(sample_locs=locs, out_loc=at("augmented"), per_bin=3, by_class=True))
    # No image of colour is without an inclination here, and as many grey ones are taken.
    assert answer.filters == {"c": 3, "g": 3}
    assert set(answer.bins) == {"with an inclination", "without"}


def test_a_batch_needs_both_kinds_of_images_and_a_band():
    split()
    with pytest.raises(TrainingLabelsError, match="There is no image of colour to make a batch of"):
        augment_dataset(AugmentDatasetMsg(sample_locs=[OUT.below("g_4x4_train_000.npz")], out_loc=at("augmented")))
    data = read_bytes(OUT.below("g_4x4_train_000.npz"))
    write_bytes(at("samples.npz"), data)
    with pytest.raises(TableError, match="its name gives no band"):
        augment_dataset(AugmentDatasetMsg(sample_locs=[at("samples.npz")], out_loc=at("augmented")))


def test_packed_images_in_their_stored_order_are_those_of_the_file():
    loc = packed("g", [5, 3], [50, 60])
    assert read_packed(read_bytes(loc), "g.npz", as_stored=True).ids.tolist() == [5, 3]
    assert read_packed(read_bytes(loc), "g.npz").ids.tolist() == [3, 5]
