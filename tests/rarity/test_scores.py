"""Scores against a slow and obvious reference, and what is true of them by their formulas."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacer_like import config
from spacer_like.exceptions import HistogramError
from spacer_like.rarity import counting, counting_numpy, scores
from spacer_like.rarity.bins import colours_of
from spacer_like.rarity.count_table import CountTable
from spacer_like.rarity.histogram import Header, Histogram, HistogramBuilder
from spacer_like.rarity.scores import METHODS, Scorer, scaled, surprisal_map

SIZE = 6
POSITIONS = SIZE * SIZE
HEADER = Header(SIZE, "bicubic", "drop")
EXAMPLES = settings(max_examples=30)

# Against a table of few images and one of many the sums are made in two ways.
WAYS = pytest.mark.parametrize("few_images", [2**15, 0], ids=["by count", "by position"])


def some_images(seed, n=8, colours=5):
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (colours, 3), dtype=np.uint8)[random.integers(0, colours, (n, SIZE, SIZE))]


def table_of(stack):
    builder = HistogramBuilder(HEADER)
    builder.add(stack)
    return CountTable.from_histogram(builder.histogram("a"))


def scored(table, stack, methods=METHODS, **options):
    scorer = Scorer(table, methods, **options)
    scorer.add(stack)
    return scorer.scores()


def reference(table, stack, top_share=0.05, unseen_count=0.5):
    """One number after the other, as the formulas say, with PixelScore's bins."""
    dense = table.counts.reshape(-1, 10, 10, 10)
    found = {method: [] for method in METHODS}
    for image in stack:
        counts = []
        for position, pixel in enumerate(image.reshape(-1, 3)):
            red, green, blue = (min(9, math.floor(int(value) * 10 / 255)) for value in pixel)
            counts.append(int(dense[position, red, green, blue]))
        n, smallest = table.n_images, table.smallest_count
        bits = [-math.log2(max(count, unseen_count) / n) for count in counts]
        top = sorted(bits, reverse=True)[: math.ceil(top_share * len(bits))]
        found["raw"].append(1 / max(math.fsum(counts) / len(counts), unseen_count / len(counts)))
        found["ratio"].append(math.fsum(10 * smallest / max(count, unseen_count) for count in counts) / len(counts))
        found["log"].append(math.fsum(1 - math.log(1 + count / n) for count in counts) / len(counts))
        found["surprisal"].append(math.fsum(bits) / len(bits))
        found["top_surprisal"].append(math.fsum(top) / len(top))
    least, greatest = min(found["raw"]), max(found["raw"])
    found["raw"] = [10 * (value - least) / (greatest - least) if greatest > least else 0.0 for value in found["raw"]]
    return found


@WAYS
@EXAMPLES
@given(
    seed=st.integers(0, 2**32),
    colours=st.integers(1, 30),
    top_share=st.sampled_from([0.001, 0.05, 0.25, 1.0]),
    unseen_count=st.sampled_from([1e-200, 0.01, 0.5, 1.0]),
)
def test_scores_are_those_of_the_formulas(few_images, seed, colours, top_share, unseen_count):
    counted = some_images(seed, colours=colours)
    # Some of them with colours that the table has never seen.
    stack = np.concatenate([counted, some_images(seed + 1, n=3)])
    table = table_of(counted)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scores, "_FEW_IMAGES", few_images)
        found = scored(table, stack, top_share=top_share, unseen_count=unseen_count)
    for method, values in reference(table, stack, top_share, unseen_count).items():
        np.testing.assert_allclose(found[method], values, rtol=1e-12, atol=1e-12, err_msg=method)


@pytest.mark.parametrize("length", [1, 31, 32, 33, 50176])
@pytest.mark.parametrize("least", [5e-324, 1e-300, 1e-9, 0.3, 1.0, 2.0])
def test_a_mean_logarithm_is_as_exact_as_a_sum_of_all(length, least):
    row = np.geomspace(least, 2, length)
    for logarithm in (np.log, np.log2):
        expected = math.fsum(logarithm(row)) / length
        found = scores.mean_logarithms(np.stack([row, row[::-1]]), least, logarithm)
        np.testing.assert_allclose(found, [expected] * 2, rtol=1e-13, atol=1e-15)


@pytest.fixture(params=[2**15, 0], ids=["by count", "by position"])
def way(request, monkeypatch):
    monkeypatch.setattr(scores, "_FEW_IMAGES", request.param)


def test_scores_are_the_same_to_the_last_bit_with_numba_and_without(way, monkeypatch):
    counting_numba = pytest.importorskip("spacer_like.rarity.counting_numba")
    stack = some_images(3, n=20, colours=50)
    answers = []
    for kernels in (counting_numba, counting_numpy):
        monkeypatch.setattr(counting, "kernels", lambda kernels=kernels: kernels)
        answers.append({method: values.tobytes() for method, values in scored(table_of(stack), stack).items()})
    assert answers[0] == answers[1]


def test_batches_and_threads_do_not_change_a_bit(way):
    stack = some_images(4, n=90, colours=50)
    table = table_of(stack)
    whole = scored(table, stack)
    for length, threads in ((1, 1), (7, 2), (64, 3)):
        scorer = Scorer(table, METHODS)
        with config.override(torch_threads=threads):
            for start in range(0, len(stack), length):
                scorer.add(stack[start : start + length])
        for method, values in scorer.scores().items():
            assert values.tobytes() == whole[method].tobytes(), method


def test_scores_follow_the_images_whatever_their_order(way):
    stack = some_images(5, n=30)
    order = np.random.default_rng(0).permutation(len(stack))
    table, shuffled = table_of(stack), table_of(stack[order])
    for method, values in scored(shuffled, stack[order]).items():
        np.testing.assert_array_equal(values, scored(table, stack)[method][order], method)


def test_of_equal_images_none_is_rare(way):
    stack = np.repeat(some_images(6, n=1), 9, axis=0)
    found = scored(table_of(stack), stack)
    assert found["raw"].tolist() == [0] * 9
    np.testing.assert_allclose(found["ratio"], 10)
    np.testing.assert_allclose(found["log"], 1 - math.log(2))
    np.testing.assert_allclose(found["surprisal"], 0, atol=1e-15)
    np.testing.assert_allclose(found["top_surprisal"], 0, atol=1e-15)


def test_of_images_in_colours_of_their_own_each_is_one_in_n(way):
    n = 10
    values = np.arange(n, dtype=np.uint8) * 26
    stack = np.broadcast_to(values[:, None, None, None], (n, SIZE, SIZE, 3))
    found = scored(table_of(stack), stack)
    np.testing.assert_allclose(found["ratio"], 10)
    np.testing.assert_allclose(found["log"], 1 - math.log(1 + 1 / n))
    np.testing.assert_allclose(found["surprisal"], math.log2(n))
    np.testing.assert_allclose(found["top_surprisal"], math.log2(n))


@EXAMPLES
@given(st.integers(0, 2**32), st.integers(1, 40))
def test_scores_lie_in_the_ranges_of_their_formulas(seed, colours):
    stack = some_images(seed, colours=colours)
    found = scored(table_of(stack), stack)
    assert all(0 <= value <= 10 for value in (*found["raw"], *found["ratio"]))
    assert all(1 - math.log(2) - 1e-12 <= value <= 1 for value in found["log"])
    assert all(-1e-12 <= value <= math.log2(len(stack)) + 1e-12 for value in found["surprisal"])
    assert (found["top_surprisal"] >= found["surprisal"] - 1e-12).all()


def test_an_image_of_unseen_colours_is_the_rarest_and_finite_by_every_method(way):
    counted = some_images(7) // 4
    unseen = np.full((1, SIZE, SIZE, 3), 255, np.uint8)
    found = scored(table_of(counted), np.concatenate([counted, unseen]))
    for method, values in found.items():
        assert np.isfinite(values).all(), method
        assert values.argmax() == len(counted), method
    # Against it alone, the others keep their distance.
    assert len(np.unique(found["raw"])) > 2


def test_an_unseen_colour_counts_as_the_unseen_count(way):
    table = table_of(np.zeros((4, SIZE, SIZE, 3), np.uint8))
    found = scored(table, np.full((1, SIZE, SIZE, 3), 255, np.uint8), unseen_count=0.25)
    assert found["ratio"] == pytest.approx([10 * 4 / 0.25])
    assert found["log"] == pytest.approx([1])
    assert found["surprisal"] == pytest.approx([4])


def test_the_top_share_is_of_the_rarest_positions():
    counted = np.zeros((15, SIZE, SIZE, 3), np.uint8)
    odd = counted[:1].copy()
    odd[0, 2, 3] = odd[0, 4, 4] = 255
    table = table_of(np.concatenate([counted, odd]))
    # Two positions in a colour that one of sixteen has, all others in one that all have.
    for positions, mean in ((1, 4), (2, 4), (4, 2), (36, 8 / 36)):
        found = scored(table, odd, ["top_surprisal"], top_share=positions / POSITIONS)
        assert found["top_surprisal"] == pytest.approx([mean])


def test_only_the_methods_asked_for_are_scored():
    stack = some_images(8)
    assert list(scored(table_of(stack), stack, ["log", "ratio"])) == ["log", "ratio"]


def test_without_an_image_there_is_no_score():
    found = Scorer(table_of(some_images(9)), METHODS).scores()
    assert all(len(values) == 0 for values in found.values())


def test_images_of_another_size_are_refused():
    with pytest.raises(HistogramError, match=r"must be uint8 \[n, 6, 6, 3\]"):
        scored(table_of(some_images(10)), np.zeros((1, SIZE + 1, SIZE + 1, 3), np.uint8))


def test_a_histogram_of_nothing_scores_nothing():
    with pytest.raises(HistogramError, match="nothing to score against"):
        CountTable.from_histogram(Histogram.empty(HEADER))


def test_the_map_shows_where_an_image_is_rare_and_its_mean_is_the_surprisal():
    stack = some_images(11, n=20)
    table = table_of(stack)
    found = surprisal_map(table, stack[3])
    assert found.shape == (SIZE, SIZE)
    assert found.mean() == pytest.approx(scored(table, stack[3:4], ["surprisal"])["surprisal"][0])
    dense = table.counts.reshape(SIZE, SIZE, -1)
    count = dense[2, 5, colours_of(stack[3, 2, 5])]
    assert found[2, 5] == pytest.approx(-math.log2(count / 20))


def test_a_count_that_no_table_has_does_no_harm():
    """A table that was changed under its description must not lead out of memory."""
    table = table_of(np.zeros((3, SIZE, SIZE, 3), np.uint8))
    table.counts[:, 0] = 2**32 - 1
    found = scored(table, np.zeros((2, SIZE, SIZE, 3), np.uint8))
    assert all(np.isfinite(values).all() for values in found.values())


@pytest.mark.parametrize(
    ("values", "expected"), [([], []), ([3.0], [0]), ([2.0, 2.0], [0, 0]), ([1.0, 2.0, 5.0], [0, 2.5, 10])]
)
def test_scaling_moves_and_stretches_to_ten(values, expected):
    assert scaled(np.array(values)).tolist() == expected
