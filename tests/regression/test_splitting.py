"""One split of galaxies for all bands, disjoint where it says so, and the original's own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from spacer_like.exceptions import TrainingLabelsError
from spacer_like.regression.splitting import inclined_galaxies, original_split, rows_of_part, split_galaxies

IDS = st.lists(st.integers(0, 2**31 - 1), min_size=4, max_size=80, unique=True)
SHARES = st.floats(0, 0.5)


@given(IDS, SHARES, st.integers(0, 4), st.integers(0, 2**32 - 1), st.booleans())
def test_every_galaxy_is_in_its_place(ids, share, n_samples, seed, is_original):
    if is_original:
        split = original_split(np.array(ids), share, n_samples)
    else:
        split = split_galaxies(np.array(ids), share, n_samples, seed)
    held_out, training = set(split.held_out.tolist()), set(split.training.tolist())
    assert held_out | training == set(ids)
    assert len(held_out) + len(training) == len(ids)
    assert len(split.samples) == len(split.out_of_bag) == n_samples
    for sample, out in zip(split.samples, split.out_of_bag, strict=True):
        assert len(sample) == len(set(sample.tolist())) == 2 * len(training) // 3
        assert not held_out & (set(sample.tolist()) | set(out.tolist()))
        assert set(out.tolist()) == training - set(sample.tolist())


@given(IDS, st.integers(0, 2**32 - 1), st.randoms())
def test_the_order_of_the_ids_makes_no_difference(ids, seed, random):
    first = split_galaxies(np.array(ids), seed=seed)
    random.shuffle(ids)
    again = split_galaxies(np.array(ids), seed=seed)
    for name, part in first.parts().items():
        np.testing.assert_array_equal(part, again.parts()[name])


@pytest.mark.parametrize("n", [5, 20, 137, 1000])
def test_the_original_split_is_that_of_scikit_learn_and_of_numpys_seeds(n):
    ids = np.arange(n) * 7 + 3
    shuffled = ids.copy()
    np.random.RandomState(0).shuffle(shuffled)
    training, held_out = train_test_split(shuffled, random_state=100, test_size=0.15)
    split = original_split(ids)
    np.testing.assert_array_equal(split.held_out, held_out)
    np.testing.assert_array_equal(split.training, training)
    for number, (sample, out) in enumerate(zip(split.samples, split.out_of_bag, strict=True), 1):
        rows = np.arange(len(training))
        np.random.RandomState(100 * number).shuffle(rows)
        drawn = int(np.floor(2 * len(training) / 3))
        np.testing.assert_array_equal(sample, training[rows[:drawn]])
        np.testing.assert_array_equal(out, training[rows[drawn:]])


def test_a_split_leaves_numpys_own_random_state_alone():
    before = np.random.get_state()[1].copy()
    original_split(np.arange(30))
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_the_union_of_the_bands_is_split_from_45_degrees_on():
    bands = {
        "g": (np.array([5, 3, 9]), np.array([45, 44, 90])),
        "RGB": (np.array([7, 5, 1]), np.array([60, 45, 1])),
    }
    np.testing.assert_array_equal(inclined_galaxies(bands), [5, 7, 9])
    np.testing.assert_array_equal(inclined_galaxies(bands, minimum=60), [7, 9])


def test_bands_that_disagree_are_refused():
    bands = {"g": (np.array([5]), np.array([45])), "r": (np.array([5]), np.array([50]))}
    with pytest.raises(TrainingLabelsError, match="galaxy 5 has the code 50 in the band r and 45 in another"):
        inclined_galaxies(bands)


def test_no_inclination_at_all_is_said():
    with pytest.raises(TrainingLabelsError, match="No galaxy has an inclination of 45 or more"):
        inclined_galaxies({"g": (np.array([5]), np.array([1]))})


@given(IDS, IDS)
def test_a_band_follows_the_split_by_id(part, ids):
    rows = rows_of_part(np.array(part, np.int32), np.array(ids))
    assert np.array(ids)[rows].tolist() == [galaxy for galaxy in part if galaxy in ids]


def test_a_band_without_images_has_no_rows():
    assert rows_of_part(np.array([1], np.int32), np.array([], int)).tolist() == []


@pytest.mark.parametrize(("n", "share", "words"), [(2, 0.1, "too few"), (20, 1.0, "from 0 to below 1")])
def test_what_cannot_be_split_is_said(n, share, words):
    for split in (split_galaxies, original_split):
        with pytest.raises(TrainingLabelsError, match=words):
            split(np.arange(n), share)


def test_files_are_named_as_the_original_names_them():
    assert sorted(split_galaxies(np.arange(30)).parts()) == [
        *(f"test_{number:03d}" for number in range(4)),
        *(f"train_{number:03d}" for number in range(4)),
    ]


def test_a_galaxy_twice_has_no_original_split():
    with pytest.raises(TrainingLabelsError, match="A galaxy is there twice"):
        original_split(np.array([1, 2, 3, 3]))
