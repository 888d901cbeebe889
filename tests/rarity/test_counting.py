"""Counts by position and colour: what numba counts and what NumPy counts is the same to the last bit."""

import importlib.util
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacer_like import config
from spacer_like.exceptions import HistogramError
from spacer_like.rarity import counting, counting_numpy
from spacer_like.rarity.bins import COLOURS, colours_of
from spacer_like.rarity.image_colours import ImageColours

counting_numba = pytest.importorskip("spacer_like.rarity.counting_numba")
DTYPES = pytest.mark.parametrize("dtype", [np.uint16, np.uint32])
SIZE = 20
POSITIONS = SIZE * SIZE


def images(seed, n=7, colours=None):
    random = np.random.default_rng(seed)
    if colours is None:
        return random.integers(0, 256, (n, SIZE, SIZE, 3), dtype=np.uint8)
    return random.integers(0, 256, (colours, 3), dtype=np.uint8)[random.integers(0, colours, (n, SIZE, SIZE))]


def counted_one_by_one(stack):
    counts = np.zeros((POSITIONS, COLOURS), np.int64)
    for image in colours_of(stack).reshape(len(stack), POSITIONS):
        counts[np.arange(POSITIONS), image] += 1
    return counts


@pytest.fixture(params=[counting_numpy, counting_numba], ids=["numpy", "numba"])
def kernels(request, monkeypatch):
    monkeypatch.setattr(counting, "kernels", lambda: request.param)
    return request.param


def room_with(*stacks):
    """The cells of stacks, and how many images they are."""
    colours, n_images = ImageColours.empty(POSITIONS), 0
    for stack in stacks:
        counting.number_into(colours, stack, n_images)
        n_images += len(stack)
    return colours, n_images


@DTYPES
def test_each_image_counts_once_at_each_position(kernels, dtype):
    stack = images(0)
    counts = counting.counts_of(*room_with(stack), dtype)
    assert counts.dtype == dtype
    np.testing.assert_array_equal(counts, counted_one_by_one(stack))


def test_counting_adds_to_what_is_there(kernels):
    counts = counting.empty_counts(POSITIONS)
    for part in np.array_split(images(1), [0, 1, 4]):
        counting.count_into(counts, *room_with(part))
    np.testing.assert_array_equal(counts, counted_one_by_one(images(1)))


def test_a_stack_that_does_not_lie_in_one_piece_is_counted(kernels):
    counts = counting.empty_counts(POSITIONS)
    counting.count_into(counts, *room_with(images(2)[::2, ::-1]))
    np.testing.assert_array_equal(counts, counted_one_by_one(images(2)[::2, ::-1]))


@pytest.mark.parametrize(
    "stack",
    [
        np.zeros((2, SIZE, SIZE + 1, 3), np.uint8),
        np.zeros((2, SIZE // 2, SIZE // 2, 3), np.uint8),
        np.zeros((2, SIZE, SIZE), np.uint8),
        np.zeros((2, SIZE, SIZE, 4), np.uint8),
        np.full((2, SIZE, SIZE, 3), 300),
    ],
    ids=["other size", "smaller", "grey", "alpha", "wider numbers"],
)
def test_what_is_no_stack_of_such_images_is_refused(stack):
    counts = counting.empty_counts(POSITIONS)
    with pytest.raises(HistogramError, match=r"must be uint8 \[n, 20, 20, 3\]"):
        counting.number_into(ImageColours.empty(POSITIONS), stack, 0)
    with pytest.raises(HistogramError, match=r"must be uint8 \[n, 20, 20, 3\]"):
        counting.looked_up(counts, stack)


@pytest.mark.parametrize("numbers", [[7, 0, 900, 1], [1, 1, 1], [16, 16], [15, 2], [1024]])
def test_images_have_their_cells_in_the_room(kernels, numbers):
    stacks = [images(seed, n) for seed, n in enumerate(numbers)]
    colours, n_images = room_with(*stacks)
    by_image = colours.blocks.transpose(0, 2, 1, 3).reshape(colours.room, -1)
    np.testing.assert_array_equal(
        by_image[:n_images, :POSITIONS], colours_of(np.concatenate(stacks)).reshape(n_images, POSITIONS)
    )


@pytest.mark.parametrize("size", [1, 3, 4, 17])
def test_images_of_any_size_are_counted(kernels, size):
    """Also of so few positions that no group is whole."""
    stack = images(0, n=40)[:, :size, :size]
    colours, counts = ImageColours.empty(size * size), counting.empty_counts(size * size)
    counting.number_into(colours, stack, 0)
    counting.count_into(counts, colours, 40)
    expected = counted_one_by_one(images(0, n=40)).reshape(SIZE, SIZE, COLOURS)[:size, :size].reshape(-1, COLOURS)
    np.testing.assert_array_equal(counts, expected)
    (keys, found), *_ = counting.occurring_pieces(colours, 40, 512)
    np.testing.assert_array_equal(keys, np.flatnonzero(expected))
    np.testing.assert_array_equal(found, expected[expected > 0])


def test_every_value_of_every_channel_is_counted_in_its_bin(kernels):
    """Also where pixels are numbered many at a time, and at the end of a row that is left."""
    ramp = np.zeros((3, POSITIONS, 3), np.uint8)
    for channel in range(3):
        ramp[channel, :, channel] = np.arange(POSITIONS) % 256
    stack = np.concatenate([ramp, ramp[:, ::-1]]).reshape(6, SIZE, SIZE, 3)
    counts = counting.empty_counts(POSITIONS)
    counting.count_into(counts, *room_with(stack))
    np.testing.assert_array_equal(counts, counted_one_by_one(stack))


@pytest.mark.parametrize("length", [16, 32, 208, 512])
@pytest.mark.parametrize("numbers", [[], [0], [7], [3, 0, 1, 12], [1000, 24]])
def test_what_occurs_in_images_is_what_occurs_in_their_counts(kernels, length, numbers):
    stacks = [images(seed, n, colours=30) for seed, n in enumerate(numbers)]
    expected = counted_one_by_one(np.concatenate([images(0, n=0), *stacks]))
    pieces = [(keys.copy(), found.copy()) for keys, found in counting.occurring_pieces(*room_with(*stacks), length)]
    assert len(pieces) == -(-POSITIONS // length)
    keys, found = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    assert (keys.dtype, found.dtype) == (np.uint32, np.uint32)
    np.testing.assert_array_equal(keys, np.flatnonzero(expected))
    np.testing.assert_array_equal(found, expected.reshape(-1)[np.flatnonzero(expected)])


def test_pieces_that_are_kept_stay_as_they_were(kernels):
    room = room_with(images(0))
    kept = list(counting.occurring_pieces(*room, 48))
    copied = [keys.copy() for keys, _ in counting.occurring_pieces(*room, 48)]
    assert [keys.tolist() for keys, _ in kept] == [keys.tolist() for keys in copied]


def test_who_wants_no_more_pieces_leaves_no_thread_behind(kernels):
    pieces = counting.occurring_pieces(*room_with(images(0)), 16)
    next(pieces)
    pieces.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("counting")]


class TestWhatIsOutsideOfTheRoom:
    """Compiled functions do not look where they write."""

    def test_images_have_no_cells_there(self):
        colours, stack = ImageColours.empty(POSITIONS), images(0, n=2).reshape(2, POSITIONS, 3)
        for place in (-1, colours.room - 1):
            with pytest.raises(ValueError, match="outside of their room"):
                counting_numba.number_into(colours, stack, place, 0, 2)
        with pytest.raises(ValueError, match="outside of their room"):
            counting_numba.number_into(colours, stack[:, 1:], 0, 0, 2)

    @pytest.mark.parametrize(
        ("n_images", "start", "stop"), [(1025, 0, POSITIONS), (1, 0, POSITIONS + 1), (1, 8, POSITIONS)]
    )
    def test_nothing_is_counted_there(self, n_images, start, stop):
        keys, values = np.empty((2, 2 * POSITIONS * COLOURS), np.uint32)
        colours, counts = ImageColours.empty(POSITIONS), counting.empty_counts(POSITIONS)
        with pytest.raises(ValueError, match="outside of their room"):
            counting_numba.count_into(counts, colours, n_images, start, stop, True)
        with pytest.raises(ValueError, match="outside of their room"):
            counting_numba.occurring_in(keys, values, colours, n_images, start, stop)

    def test_what_occurs_is_not_written_there(self):
        colours, n_images = room_with(images(0))
        keys, values = np.empty((2, n_images * POSITIONS), np.uint32)
        with pytest.raises(ValueError, match="past the end"):
            counting_numba.occurring_in(keys, values, colours, n_images, 0, POSITIONS)


@pytest.mark.parametrize("occurring", [0, 1, 40, 16_000])
def test_what_is_not_zero_is_found_with_its_key(occurring):
    random = np.random.default_rng(0)
    counted = np.zeros(16_000, np.uint16)
    counted[random.choice(16_000, occurring, replace=False)] = random.integers(1, 2**16, occurring)
    keys, values = np.zeros((2, occurring + 3 + counting_numba.EXCESS), np.uint32)
    end = counting_numba._those_not_zero(keys, values, np.uint64(3), counted, np.uint64(2**32 - 16_000))
    assert keys[3:end].tolist() == (np.flatnonzero(counted) + 2**32 - 16_000).tolist()
    assert values[3:end].tolist() == counted[counted > 0].tolist()


@pytest.mark.parametrize("channel", range(3))
def test_every_value_of_a_channel_has_its_bin(kernels, channel):
    stack = np.zeros((1, SIZE, SIZE, 3), np.uint8)
    stack[0, :, :, channel].flat[:256] = range(256)
    counts = counting.empty_counts(POSITIONS)
    counting.count_into(counts, *room_with(stack))
    np.testing.assert_array_equal(counts, counted_one_by_one(stack))


def test_stacks_that_may_not_be_written_to_are_counted_like_others(kernels):
    counts, stack = counting.empty_counts(POSITIONS), images(0)
    frozen = images(1)
    frozen.flags.writeable = False
    counting.count_into(counts, *room_with(stack, frozen))
    np.testing.assert_array_equal(counts, counted_one_by_one(np.concatenate([stack, frozen])))
    assert stack.flags.writeable


@DTYPES
def test_the_cells_that_occur_are_found_in_order(kernels, dtype):
    counts = counted_one_by_one(images(3)).astype(dtype)
    keys, values = counting.occurring(counts)
    assert (keys.dtype, values.dtype) == (np.uint32, np.uint32)
    np.testing.assert_array_equal(keys, np.flatnonzero(counts))
    np.testing.assert_array_equal(values, counts.reshape(-1)[np.flatnonzero(counts)])


def test_of_nothing_nothing_occurs(kernels):
    keys, values = counting.occurring(counting.empty_counts(POSITIONS))
    assert len(keys) == len(values) == 0


def test_the_first_and_the_last_cell_are_found(kernels):
    counts = counting.empty_counts(POSITIONS)
    counts[0, 0] = counts[-1, -1] = 65_535
    keys, values = counting.occurring(counts)
    assert keys.tolist() == [0, POSITIONS * COLOURS - 1]
    assert values.tolist() == [65_535, 65_535]


def test_sparse_counts_are_added_and_taken_away(kernels):
    counts = counting.empty_counts(POSITIONS, np.uint32)
    first, second = (counting.occurring(counted_one_by_one(images(seed)).astype(np.uint16)) for seed in (4, 5))
    counting.add_into(counts, *first)
    counting.add_into(counts, *second)
    np.testing.assert_array_equal(counts, counted_one_by_one(np.concatenate([images(4), images(5)])))
    assert counting.subtract_into(counts, *first)
    np.testing.assert_array_equal(counts, counted_one_by_one(images(5)))


def test_nothing_is_taken_away_where_less_is_there(kernels):
    counts = counting.empty_counts(POSITIONS, np.uint32)
    counts[:2, 7] = 3, 1
    before = counts.copy()
    assert not counting.subtract_into(counts, np.array([7, 1007], np.uint32), np.array([2, 2], np.uint32))
    np.testing.assert_array_equal(counts, before)


@DTYPES
def test_counts_are_looked_up_for_each_image_and_position(kernels, dtype):
    table = counted_one_by_one(images(6, colours=4)).astype(dtype)
    stack = images(6, n=3, colours=4)
    found = counting.looked_up(table, stack)
    expected = [[table[q, number] for q, number in enumerate(image)] for image in colours_of(stack).reshape(3, -1)]
    assert found.dtype == np.uint32
    np.testing.assert_array_equal(found, expected)


def test_multiplicities_say_how_often_each_number_occurs_and_none_lies_outside(kernels):
    numbers = np.array([[0, 2, 2, 3], [9, 0, 0, 0], [1, 1, 2**31, 1]], np.uint32)
    assert counting.multiplicities(numbers, 3).tolist() == [[1, 0, 2, 1], [3, 0, 0, 1], [0, 3, 0, 1]]


@settings(max_examples=25)
@given(
    st.integers(0, 2**32),
    st.integers(0, 30) | st.sampled_from([600, 1024]),
    st.integers(1, 500),
    st.sampled_from([np.uint16, np.uint32]),
)
def test_numba_and_numpy_give_the_same_bits(seed, n, colours, dtype):
    stack = images(seed, n, colours).reshape(n, POSITIONS, 3)
    answers = []
    for kernels in (counting_numpy, counting_numba):
        colours, counts = ImageColours.empty(POSITIONS), counting.empty_counts(POSITIONS, dtype)
        for start, stop in ((0, n // 3), (n // 3, n)):
            kernels.number_into(colours, stack, 0, start, stop)
        # Parts that threads would take, of no round number of positions.
        for start, stop in ((0, 144), (144, 145), (160, POSITIONS)):
            for are_new in (True, False):
                kernels.count_into(counts, colours, n, start, stop, are_new)
        keys, values = (np.empty(kernels.number_occurring(counts, 0, POSITIONS), np.uint32) for _ in range(2))
        kernels.occurring_into(counts, keys, values, 0, POSITIONS)
        found_keys, found_values = np.zeros((2, POSITIONS * max(n, 1) + kernels.EXCESS), np.uint32)
        number = kernels.occurring_in(found_keys, found_values, colours, n, 144, POSITIONS)
        found = np.empty((n, POSITIONS), np.uint32)
        kernels.look_up_into(found, counts, stack, 0, POSITIONS)
        often = np.empty((n, n + 1), np.uint32)
        kernels.multiplicities_into(often, found, 0, n)
        arrays = (counts, keys, values, found, often, found_keys[:number], found_values[:number])
        answers.append([array.tobytes() for array in arrays])
    assert answers[0] == answers[1]


@pytest.mark.parametrize("n", [255, 256, 1024])
def test_no_number_of_equal_images_is_too_many_for_a_count(kernels, n):
    counts = counting.empty_counts(POSITIONS)
    counting.count_into(counts, *room_with(np.repeat(images(8, n=1), n, axis=0)))
    np.testing.assert_array_equal(counts, n * counted_one_by_one(images(8, n=1)))


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_number_of_threads_changes_nothing(threads):
    size = 80
    random = np.random.default_rng(0)
    stack = random.integers(0, 256, (50, size, size, 3), dtype=np.uint8)
    counts, colours = counting.empty_counts(size * size), ImageColours.empty(size * size)
    with config.override(torch_threads=threads):
        counting.number_into(colours, stack, 0)
        counting.count_into(counts, colours, 50)
        keys, values = counting.occurring(counts)
        found = counting.looked_up(counts, stack)
    expected = np.zeros((size * size, COLOURS), np.int64)
    for image in colours_of(stack).reshape(50, -1):
        expected[np.arange(size * size), image] += 1
    np.testing.assert_array_equal(counts, expected)
    np.testing.assert_array_equal(keys, np.flatnonzero(expected))
    assert int(values.sum()) == 50 * size * size
    assert found.min() >= 1


def test_parts_cover_the_range_once():
    with config.override(torch_threads=3):
        parts = []
        counting.share_out(10_000, lambda start, stop: parts.append(range(start, stop)))
    assert sorted(step for part in parts for step in part) == list(range(10_000))
    assert len(parts) == 3


def test_a_tally_sums_each_position_up(kernels):
    sums = np.zeros(3, np.uint64)
    assert counting.tally_into(sums, np.array([0, 999, 2000], np.uint32), np.array([1, 2, 5], np.uint32), -1)
    assert counting.tally_into(sums, np.array([2001, 2999], np.uint32), np.array([2**32 - 1, 1], np.uint32), 2000)
    assert counting.tally_into(sums, np.empty(0, np.uint32), np.empty(0, np.uint32), 2999)
    assert sums.tolist() == [3, 0, 5 + 2**32]


@pytest.mark.parametrize("keys", [[5, 6], [4, 5], [7, 7], [8, 7], [6, 3000], [6, 2**32 - 1]])
def test_keys_that_do_not_rise_or_lie_outside_are_not_summed_up(kernels, keys):
    sums = np.zeros(3, np.uint64)
    assert not counting.tally_into(sums, np.array(keys, np.uint32), np.ones(2, np.uint32), 5)
    assert not sums.any()


def test_where_no_compiled_function_can_be_kept_each_process_compiles_its_own(monkeypatch):
    """As in a container whose files may not be written to, for a user without a home."""
    from numba.core.caching import CacheImpl

    monkeypatch.setattr(CacheImpl, "_locator_classes", [])
    spec = importlib.util.spec_from_file_location("counting_numba_without_cache", counting_numba.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    counts = counting.empty_counts(POSITIONS)
    colours = ImageColours.empty(POSITIONS)
    module.number_into(colours, images(0).reshape(-1, POSITIONS, 3), 0, 0, 7)
    module.count_into(counts, colours, 7, 0, POSITIONS, True)
    np.testing.assert_array_equal(counts, counted_one_by_one(images(0)))
