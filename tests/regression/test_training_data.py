"""What networks learn from: the order of batches, batches that are made, what validates, and reading ahead."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacer_like.exceptions import MessageError, TrainingLabelsError
from spacer_like.location import DataLocation
from spacer_like.regression.augmentation import Options
from spacer_like.regression.training_data import (
    Examples,
    MadeBatches,
    ReadAhead,
    batch_order,
    check_not_held_out,
    contents_mark,
    examples_of,
    original_order,
    validation_pool,
)

from .shaded import pool, written


@given(st.integers(1, 30), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_every_pass_has_every_batch_once(n_batches, passes, seed):
    order = batch_order(n_batches, passes, seed)
    assert order == batch_order(n_batches, passes, seed)
    for start in range(0, len(order), n_batches):
        assert sorted(order[start : start + n_batches]) == list(range(n_batches))


def test_passes_differ_from_each_other():
    order = batch_order(20, 2, 0)
    assert order[:20] != order[20:]


def test_the_originals_order_is_kept_on_request():
    assert original_order(5, 1, 0) == original_order(5, 1, 3) == [3, 2, 1, 4, 0]
    order = original_order(5, 3, 0)
    assert order[5:10] == order[10:]
    later = original_order(5, 3, 2)
    assert (later[5:10], later[10:]) == (_shuffled(100), _shuffled(200))


def _shuffled(seed):
    numbers = np.arange(5)
    np.random.RandomState(seed).shuffle(numbers)
    return numbers.tolist()


def test_targets_are_of_galaxies_with_an_inclination_or_of_classes():
    given_pool = pool(30, 1, codes=(0, 1, 45, 90))
    examples = examples_of(given_pool, None)
    assert set(examples.targets.tolist()) == {-1.0, 1.0}
    assert len(examples) == (given_pool.inclinations >= 45).sum()
    classes = examples_of(given_pool, 2)
    assert classes.targets.tolist() == (given_pool.inclinations < 10).astype(int).tolist()


def test_images_that_validate_stay_as_they_are():
    pools = [pool(5, 1), pool(7, 2)]
    found = validation_pool(pools, original=False)
    assert np.array_equal(found.images, np.concatenate([one.images for one in pools]))
    assert validation_pool([], original=False) is None


def test_the_original_changes_what_validates_and_takes_as_many_grey_images_as_of_colour():
    before = [pool(6, 1, filters=("c",)), pool(20, 2, filters=("g", "r"))]
    found = validation_pool(before, original=True)
    assert np.array_equal(found.images, validation_pool(before, original=True).images)
    is_colour = found.filters == "c"
    assert (is_colour.sum(), (~is_colour).sum()) == (6, 6)
    assert np.array_equal(before[0].images, pool(6, 1, filters=("c",)).images)


def test_images_of_several_sizes_are_one_sentence():
    with pytest.raises(TrainingLabelsError, match="have 20 and 24 pixels"):
        validation_pool([pool(2, 1), pool(2, 1, size=24)], original=False)


def test_galaxies_that_are_held_out_choose_no_network():
    with pytest.raises(MessageError, match="held out for the test"):
        check_not_held_out([DataLocation("memory", "samples/r_64x64_test_000.npz")])
    check_not_held_out([DataLocation("memory", "samples/r_64x64_test_001.npz")])


def test_batches_are_made_of_a_step_and_have_only_galaxies_with_an_inclination():
    pools = [pool(40, 1, codes=(0, 1, 47, 88))]
    batches = MadeBatches(pools, 3, 2, 7, Options())
    one, again, other = batches.pool(0, 4), batches.pool(2, 4), batches.pool(0, 5)
    assert np.array_equal(one.images, again.images)
    assert not np.array_equal(one.images, other.images)
    assert one.inclinations.min() == 47
    assert len(one.images) == 2 * 2 * 2
    by_class = MadeBatches(pools, 3, 5, 7, Options(by_class=True)).pool(0, 0)
    is_colour, is_bad = by_class.filters == "c", by_class.inclinations < 10
    assert (is_bad[is_colour].sum(), is_colour.sum(), len(by_class.images)) == (5, 10, 20)


@pytest.mark.parametrize("name", ["b.npz", "b.npy"])
def test_a_mark_changes_with_the_images_and_not_with_the_file(tmp_path, name):
    marks = []
    for folder, seed in (("one", 1), ("same", 1), ("other", 2)):
        (tmp_path / folder).mkdir()
        marks.append(contents_mark(written(tmp_path / folder, name, pool(400, seed))))
    assert marks[0] == marks[1] != marks[2]


def test_one_changed_pixel_of_an_npz_changes_its_mark(tmp_path):
    made = pool(3000, 1)
    before = contents_mark(written(tmp_path, "b.npz", made))
    made.images[1234, 5, 5, 0] ^= 1
    assert contents_mark(written(tmp_path, "b.npz", made)) != before


def examples(step):
    return Examples(np.full((1, 2), step, np.float32), np.zeros(1, np.float32))


def test_the_next_batch_is_made_while_one_is_used():
    made = []

    def make(step):
        made.append(step)
        return examples(step)

    with ReadAhead(make, 4) as ahead:
        assert ahead(1).inputs[0, 0] == 1
        deadline = time.monotonic() + 5
        while made != [1, 2] and time.monotonic() < deadline:
            time.sleep(0.01)
        assert made == [1, 2]
        assert [ahead(step).inputs[0, 0] for step in (2, 3)] == [2, 3]
    assert made == [1, 2, 3]


def test_what_goes_wrong_with_a_batch_is_said_at_its_step():
    def make(step):
        if step == 1:
            raise TrainingLabelsError("The batch is empty.")
        return examples(step)

    with ReadAhead(make, 3) as ahead:
        ahead(0)
        with pytest.raises(TrainingLabelsError, match=r"^The batch is empty\.$"):
            ahead(1)
