"""Histograms are a commutative monoid, exact, and equal however the images were divided."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacer_like.exceptions import HistogramError
from spacer_like.rarity import image_colours
from spacer_like.rarity.bins import COLOURS, colours_of
from spacer_like.rarity.histogram import DenseCounts, Header, Histogram, HistogramBuilder, HistogramSum, WaitingCounts

SIZE = 5
HEADER = Header(SIZE, "bicubic", "drop")
POSITIONS = SIZE * SIZE
# The first example may have to wait for a kernel to be compiled.
EXAMPLES = settings(max_examples=40)

stacks = st.builds(
    lambda seed, n, colours: np.random.default_rng(seed).integers(0, 256, (colours, 3), dtype=np.uint8)[
        np.random.default_rng(seed + 1).integers(0, colours, (n, SIZE, SIZE))
    ],
    st.integers(0, 2**32),
    st.integers(0, 9),
    st.integers(1, 40),
)


def histogram_of(stack, name="a", header=HEADER):
    builder = HistogramBuilder(header)
    builder.add(stack)
    return builder.histogram(name)


def random_stack(seed, n=6, size=SIZE):
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


def same_counts(one, other):
    return np.array_equal(one.keys, other.keys) and np.array_equal(one.counts, other.counts)


@EXAMPLES
@given(stacks)
def test_every_position_counts_every_image_once(stack):
    histogram = histogram_of(stack)
    sums = np.bincount(histogram.keys // COLOURS, histogram.counts, minlength=POSITIONS)
    assert histogram.n_images == len(stack)
    assert (sums == len(stack)).all()
    assert (np.diff(histogram.keys.astype(np.int64)) > 0).all()
    assert (histogram.counts > 0).all()
    histogram.check()


def test_the_dense_layout_is_that_of_pixelscore():
    """As PixelScore counts: for each position numpy.histogramdd over the images."""
    stack = random_stack(0)
    dense = histogram_of(stack).to_dense()
    assert dense.shape == (POSITIONS, 10, 10, 10)
    assert dense.dtype == np.int32
    for position, values in enumerate(stack.reshape(len(stack), POSITIONS, 3).swapaxes(0, 1)):
        expected, _ = np.histogramdd(values, bins=10, range=[(0, 255)] * 3)
        np.testing.assert_array_equal(dense[position], expected)


@EXAMPLES
@given(stacks)
def test_dense_and_back_is_the_same_histogram(stack):
    histogram = histogram_of(stack)
    assert Histogram.from_dense(histogram.to_dense(), HEADER, histogram.collections) == histogram


@EXAMPLES
@given(stacks, st.integers(1, 4))
def test_batches_of_any_size_give_the_same_histogram(stack, batch):
    builder = HistogramBuilder(HEADER)
    for start in range(0, len(stack), batch):
        builder.add(stack[start : start + batch])
    assert builder.histogram("a") == histogram_of(stack)


@pytest.mark.parametrize("parts", [[900], [1024], [1025], [500, 500, 500], [1] * 40, [1030, 3, 4]])
def test_pieces_are_the_same_whether_images_wait_or_are_counted(parts):
    stack = random_stack(0, sum(parts))
    builder, dense = HistogramBuilder(HEADER), HistogramBuilder(HEADER)
    for part in np.split(stack, np.cumsum(parts)[:-1]):
        builder.add(part)
        dense.add(part)
    counted, counts = builder.counted("a"), dense.dense("a")
    assert isinstance(counted, WaitingCounts) == (sum(parts) <= 1024)
    assert counted.collections == counts.collections == {"a": len(stack)}
    for (keys, found), (other_keys, other_found) in zip(counted.pieces(), counts.pieces(), strict=True):
        np.testing.assert_array_equal(keys, other_keys)
        np.testing.assert_array_equal(found, other_found)
    np.testing.assert_array_equal(counts.counts.sum(axis=1), len(stack))


def test_no_more_images_wait_than_their_memory_allows(monkeypatch):
    monkeypatch.setattr(image_colours, "_MOST_BYTES", 2 * 2 * image_colours.block_length(POSITIONS))
    builder = HistogramBuilder(HEADER)
    kinds = []
    for seed in range(6):
        builder.add(random_stack(seed))
        kinds.append(type(builder.counted("a")))
    assert kinds == [WaitingCounts] * 5 + [DenseCounts]
    assert same_counts(builder.histogram("a"), histogram_of(np.concatenate([random_stack(seed) for seed in range(6)])))


def test_a_block_of_images_waits_however_large_they_are(monkeypatch):
    monkeypatch.setattr(image_colours, "_MOST_BYTES", 1)
    stack = random_stack(0, n=40)
    assert image_colours.ImageColours.empty(POSITIONS).room == 16
    builder = HistogramBuilder(HEADER)
    builder.add(stack)
    monkeypatch.undo()
    assert builder.histogram("a") == histogram_of(stack)


def test_images_may_be_added_by_several_threads():
    stacks = [random_stack(seed, n=1 + seed % 7) for seed in range(800)]
    builder = HistogramBuilder(HEADER)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(builder.add, stacks))
    assert builder.n_images == sum(map(len, stacks)) > 3 * 1024
    assert builder.histogram("a") == histogram_of(np.concatenate(stacks))


def test_images_may_be_changed_once_they_are_added():
    builder, stack = HistogramBuilder(HEADER), random_stack(0)
    builder.add(stack)
    stack[:] = 0
    assert builder.histogram("a") == histogram_of(random_stack(0))


def test_what_was_asked_for_once_can_be_added_to():
    builder = HistogramBuilder(HEADER)
    for seed in range(3):
        builder.add(random_stack(seed))
        asked = [builder.dense, builder.counted, builder.histogram][seed]("a")
        assert asked.collections == {"a": 6 * (seed + 1)}
    assert same_counts(asked, histogram_of(np.concatenate([random_stack(seed) for seed in range(3)])))


def test_what_is_added_later_does_not_change_what_was_counted():
    builder = HistogramBuilder(HEADER)
    builder.add(random_stack(0))
    counted = builder.counted("a")
    builder.add(random_stack(1))
    (keys, counts), *_ = counted.pieces()
    assert same_counts(Histogram(HEADER, counted.collections, keys, counts), histogram_of(random_stack(0)))


def test_what_is_no_stack_of_that_size_is_refused_when_it_is_added():
    with pytest.raises(HistogramError, match="must be uint8"):
        HistogramBuilder(HEADER).add(random_stack(0, size=6))


@EXAMPLES
@given(stacks, st.integers(0, 2**32))
def test_the_order_of_the_images_changes_nothing(stack, seed):
    shuffled = np.random.default_rng(seed).permutation(stack)
    assert histogram_of(shuffled) == histogram_of(stack)


@EXAMPLES
@given(stacks, stacks, stacks)
def test_addition_is_associative_and_commutative_with_an_identity(first, second, third):
    a, b, c = (histogram_of(stack, name) for stack, name in ((first, "a"), (second, "b"), (third, "c")))
    nothing = Histogram.empty(HEADER)
    assert (a + b) + c == a + (b + c)
    assert a + b == b + a
    assert a + nothing == nothing + a == a
    assert same_counts(a + b + c, histogram_of(np.concatenate([first, second, third])))
    assert (a + b + c).collections == {"a": len(first), "b": len(second), "c": len(third)}


@EXAMPLES
@given(stacks, stacks)
def test_taking_away_is_exact(first, second):
    a, b = histogram_of(first, "a"), histogram_of(second, "b")
    assert (a + b) - b == a
    assert a - a == Histogram.empty(HEADER)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"size": 6}, "the size is 5 of one and 6 of the other"),
        ({"resample": "nearest"}, "the resample is bicubic of one and nearest"),
        ({"background": "#ffffff"}, "the background is drop of one and #ffffff"),
        ({"colour_space": "LAB"}, "the colour space is RGB of one and LAB"),
    ],
)
def test_images_prepared_otherwise_are_not_added(changed, named):
    other = Header(**{"size": SIZE, "resample": "bicubic", "background": "drop"} | changed)
    mine, theirs = histogram_of(random_stack(0)), histogram_of(random_stack(1, size=other.size), "b", other)
    with pytest.raises(HistogramError, match=named):
        mine + theirs
    with pytest.raises(HistogramError, match=named):
        mine - theirs


def test_a_collection_is_counted_once_only():
    a, b, c = (histogram_of(random_stack(seed), name) for seed, name in enumerate("abc"))
    with pytest.raises(HistogramError, match="collection 'b' is counted already"):
        (a + b) + (b + c)


def test_what_is_not_in_the_sum_is_not_taken_away():
    total = histogram_of(random_stack(0), "a") + histogram_of(random_stack(1), "b")
    with pytest.raises(HistogramError, match="'c' cannot be taken away: the sum does not hold it"):
        total - histogram_of(random_stack(1), "c")
    with pytest.raises(HistogramError, match="'b' cannot be taken away: the sum does not hold it"):
        total - histogram_of(random_stack(1, n=5), "b")
    with pytest.raises(HistogramError, match="'b' cannot be taken away: other images"):
        total - histogram_of(random_stack(2), "b")


def test_a_refused_histogram_leaves_the_sum_as_it_was():
    a, b = histogram_of(random_stack(0), "a"), histogram_of(random_stack(1), "b")
    total = HistogramSum(HEADER).add(a)
    for refused, why in (
        (lambda: total.add(a), "'a' is counted already"),
        (lambda: total.subtract(b), "'b' cannot be taken away"),
    ):
        with pytest.raises(HistogramError, match=why):
            refused()
    assert total.histogram() == a


def test_equal_images_are_one_colour_at_each_position():
    histogram = histogram_of(np.repeat(random_stack(0, n=1), 9, axis=0))
    assert histogram.counts.tolist() == [9] * POSITIONS
    assert histogram.smallest_count == 9
    np.testing.assert_array_equal(histogram.keys % COLOURS, colours_of(random_stack(0, n=1)).reshape(-1))


def test_more_images_than_two_bytes_count_are_counted():
    image = random_stack(0, n=1)[:, :1, :1]
    builder = HistogramBuilder(Header(1, "nearest", "drop"))
    for number in (65_535, 1, 2):
        builder.add(np.broadcast_to(image, (number, 1, 1, 3)))
    histogram = builder.histogram("a")
    assert histogram.counts.tolist() == [65_538]
    assert histogram.n_images == 65_538


def test_a_sum_of_more_images_than_can_be_counted_is_refused():
    key, count = np.zeros(1, np.uint32), np.full(1, 2**31, np.uint32)
    half, other = (Histogram(Header(1, "nearest", "drop"), {name: 2**31}, key, count) for name in "ab")
    with pytest.raises(HistogramError, match="at most 4294967295"):
        half + other
    fitting = Histogram(half.header, {"b": 2**31 - 1}, key, count - np.uint32(1))
    assert (half + fitting).counts.tolist() == [2**32 - 1]


def test_images_are_counted_up_to_the_largest_count_and_refused_beyond():
    builder = HistogramBuilder(Header(1, "nearest", "drop"))
    image = random_stack(0, n=1, size=1)
    builder.n_images = 2**32 - 2
    builder.add(image)
    with pytest.raises(HistogramError, match=r"A histogram counts at most 4294967295 images\."):
        builder.add(image)


def test_a_count_beyond_the_dense_layout_is_refused():
    key, count = np.zeros(1, np.uint32), np.full(1, 2**31, np.uint32)
    with pytest.raises(HistogramError, match="32 bits"):
        Histogram(Header(1, "nearest", "drop"), {"a": 2**31}, key, count).to_dense()


@pytest.mark.parametrize(
    ("keys", "counts", "named"),
    [
        ([0, 0, 1000], [1, 1, 2], "not in order"),
        ([5, 3, 1000], [1, 1, 2], "not in order"),
        ([0, 1, 4000], [1, 1, 2], "not in order"),
        ([0, 1, 1000, 2000, 3000], [1, 1, 2, 2, 1], "not one for each image"),
        ([0, 1, 2, 1000, 2000, 3000], [1, 1, 0, 2, 2, 2], "not one for each image"),
        ([0, 1000, 2000], [2, 2, 2], "not one for each image"),
    ],
    ids=["a key twice", "out of order", "outside", "too few", "a count of zero", "a position without"],
)
def test_counts_that_cannot_be_are_found(keys, counts, named):
    header = Header(2, "nearest", "drop")
    histogram = Histogram(header, {"a": 2}, np.array(keys, np.uint32), np.array(counts, np.uint32))
    with pytest.raises(HistogramError, match=named):
        histogram.check()


def test_a_histogram_of_nothing_has_no_smallest_count():
    assert Histogram.empty(HEADER).smallest_count == 0
    assert Histogram.empty(HEADER).n_images == 0
