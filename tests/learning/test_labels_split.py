import random
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacer_like import config
from spacer_like.data_classes import DataLocation, ImageLabels, LabelId, TrainingTaskLabels
from spacer_like.data_classes.labels import SET_NAMES
from spacer_like.exceptions import TrainingLabelsError
from spacer_like.learning.labels_split import divide_labels, learnable_labels, left_out_classes
from spacer_like.task_utils import SplitMode, preprocess_labels, split_labels


def labels_of(*images: Iterable[LabelId]) -> ImageLabels:
    return ImageLabels(
        {
            DataLocation("memory", f"image{number}"): [(row, 0, label) for row, label in enumerate(image)]
            for number, image in enumerate(images)
        }
    )


def points_of(labels: ImageLabels) -> list[tuple[str, int, LabelId]]:
    return [(location.key, row, label) for location in list(labels.keys()) for row, _, label in labels[location]]


def keys_of(labels: ImageLabels) -> list[str]:
    return [location.key for location in list(labels.keys())]


TWENTY = labels_of(*([1, 2, 1, 2, 3] for _ in range(20)))


class TestSplit:
    def test_whole_images_go_to_val_then_ref_then_train_in_a_fixed_order(self) -> None:
        shuffled = [f"image{number}" for number in range(20)]
        random.Random(0).shuffle(shuffled)

        sets = split_labels(TWENTY, (0.1, 0.15), SplitMode.VECTORS)

        # 15 of 100 points are three images, 10 are two.
        assert keys_of(sets.val) == shuffled[:3]
        assert keys_of(sets.ref) == shuffled[3:5]
        assert keys_of(sets.train) == shuffled[5:]

    def test_val_and_ref_may_exceed_their_sizes_by_part_of_an_image(self) -> None:
        sets = split_labels(TWENTY, (0.12, 0.12), SplitMode.VECTORS)
        assert [sets[name].label_count for name in ("train", "ref", "val")] == [70, 15, 15]

    @pytest.mark.parametrize("mode", [SplitMode.POINTS, SplitMode.POINTS_STRATIFIED])
    def test_points_are_dealt_out_as_scikit_learn_does(self, mode: SplitMode) -> None:
        from sklearn.model_selection import train_test_split

        points = points_of(TWENTY)

        def classes(numbers: list[int]) -> list[LabelId] | None:
            return [points[number][2] for number in numbers] if mode is SplitMode.POINTS_STRATIFIED else None

        everything = list(range(100))
        rest, val = train_test_split(everything, test_size=20, random_state=0, stratify=classes(everything))
        train, ref = train_test_split(rest, test_size=10, random_state=0, stratify=classes(rest))

        sets = split_labels(TWENTY, (0.1, 0.2), mode)

        for name, wanted in (("train", train), ("ref", ref), ("val", val)):
            assert set(points_of(sets[name])) == {points[number] for number in wanted}
            assert keys_of(sets[name]) == list(dict.fromkeys(points[number][0] for number in wanted))

    def test_stratified_sets_have_the_classes_in_the_same_shares(self) -> None:
        sets = split_labels(TWENTY, (0.1, 0.2), SplitMode.POINTS_STRATIFIED)
        assert dict(sets.val.label_count_per_class) == {1: 8, 2: 8, 3: 4}

    def test_the_reference_set_is_capped(self) -> None:
        with config.override(training_batch_label_count=7):
            sets = split_labels(TWENTY, (0.5, 0.1), SplitMode.POINTS)
        assert [sets[name].label_count for name in ("train", "ref", "val")] == [83, 7, 10]

    def test_no_random_stream_of_the_process_is_touched(self) -> None:
        before = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index, union-attr]
        for mode in SplitMode:
            split_labels(TWENTY, (0.1, 0.1), mode)
        assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # type: ignore[index, union-attr]

    @given(
        images=st.lists(st.lists(st.sampled_from([1, 2, 3]), min_size=1, max_size=8), min_size=6, max_size=12),
        mode=st.sampled_from(SplitMode),
    )
    def test_every_point_is_in_exactly_one_set(self, images: list[list[LabelId]], mode: SplitMode) -> None:
        labels = labels_of(*images)
        try:
            sets = split_labels(labels, (0.2, 0.2), mode)
        except TrainingLabelsError:
            return
        parts = [points_of(sets[name]) for name in ("train", "ref", "val")]
        assert sorted(point for part in parts for point in part) == sorted(points_of(labels))


class TestTooFew:
    def test_an_empty_set(self) -> None:
        with pytest.raises(TrainingLabelsError) as caught:
            split_labels(labels_of([1, 2, 1, 2]), (0.25, 0.0), SplitMode.VECTORS)
        assert str(caught.value) == (
            "Not enough annotations to populate train/ref/val sets. Split was calculated as 3/1/0."
            " Each set must be non-empty."
        )

    def test_fewer_points_than_classes_when_stratified(self) -> None:
        with pytest.raises(TrainingLabelsError) as caught:
            split_labels(labels_of([1, 2, 3] * 4), (0.1, 0.25), SplitMode.POINTS_STRATIFIED)
        assert str(caught.value) == (
            "Not enough annotations to populate train/ref/val sets. Split was calculated as 8/1/3."
            " Each set's size must not be less than the number of classes (3) to work with train_test_split()."
        )

    def test_what_scikit_learn_refuses_is_said_as_an_error_about_labels(self) -> None:
        with pytest.raises(TrainingLabelsError, match="cannot be divided"):
            split_labels(labels_of([1] * 20 + [2]), (0.2, 0.2), SplitMode.POINTS_STRATIFIED)


class TestPreprocess:
    def test_a_tenth_each_are_for_reference_and_validation(self) -> None:
        sets = preprocess_labels(TWENTY)
        assert [sets[name].label_count for name in SET_NAMES] == [80, 10, 10]

    def test_classes_that_are_not_accepted_are_left_out(self) -> None:
        sets = preprocess_labels(TWENTY, accepted_classes={1, 2})
        assert sets.train.classes_set == sets.val.classes_set == {1, 2}

    def test_rare_classes_are_left_out_of_a_stratified_split(self) -> None:
        labels = labels_of([1, 2] * 30, [9, 9])
        sets = preprocess_labels(labels, split_mode=SplitMode.POINTS_STRATIFIED)
        assert sets.label_count == 60

    def test_three_sets_are_filtered_in_place(self) -> None:
        sets = TrainingTaskLabels(labels_of([1, 2, 5]), labels_of([1, 2, 6]), labels_of([1, 7]))
        assert preprocess_labels(sets) is sets
        assert [sets[name].classes_set for name in ("train", "ref", "val")] == [{1, 2}, {1, 2}, {1}]

    def test_three_sets_are_filtered_by_accepted_classes(self) -> None:
        sets = TrainingTaskLabels(labels_of([1, 2, 3]), labels_of([1, 2, 3]), labels_of([1, 3]))
        preprocess_labels(sets, accepted_classes={1, 2})
        assert sets.val.label_count == 1

    @pytest.mark.parametrize(("train", "count"), [([1, 1], 1), ([5, 6], 0)])
    def test_one_class_is_not_enough(self, train: list[LabelId], count: int) -> None:
        sets = TrainingTaskLabels(labels_of(train), labels_of([1, 2]), labels_of([1]))
        with pytest.raises(TrainingLabelsError) as caught:
            preprocess_labels(sets)
        assert str(caught.value) == (
            "Need multiple classes to do training."
            f" After preprocessing training data, there are {count} class(es) left."
        )

    def test_an_emptied_set_is_named(self) -> None:
        sets = TrainingTaskLabels(labels_of([1, 2]), labels_of([1, 2]), labels_of([3]))
        with pytest.raises(TrainingLabelsError) as caught:
            preprocess_labels(sets)
        assert str(caught.value) == "After preprocessing training data, 'val' set is empty."


class TestLeftOut:
    """What cannot be learnt is said, class by class."""

    @staticmethod
    def told(sets: TrainingTaskLabels) -> dict[LabelId, tuple[tuple[int, int, int], str]]:
        kept = learnable_labels(sets)
        return {one.label: ((one.train, one.ref, one.val), one.reason) for one in left_out_classes(sets, kept)}

    def test_nothing_where_every_class_is_known(self) -> None:
        assert self.told(split_labels(TWENTY, (0.1, 0.1), SplitMode.POINTS_STRATIFIED)) == {}

    def test_classes_that_train_or_ref_lack_by_their_points_and_the_reason(self) -> None:
        sets = TrainingTaskLabels(
            labels_of([1, 2, 5, 5, 5, 5]), labels_of([1, 2, 6, 6]), labels_of([1, 2, 6, 7, 7, 7, 8, 9])
        )
        told = self.told(sets)
        assert {label: counts for label, (counts, _) in told.items()} == {
            5: (4, 0, 0), 6: (0, 2, 1), 7: (0, 0, 3), 8: (0, 0, 1), 9: (0, 0, 1),
        }  # fmt: skip
        assert list(told) == [5, 6, 7, 8, 9]
        assert told[5][1].startswith("None of its 4 points is in the reference set: label it in more images, or")
        assert told[6][1].startswith("None of its 3 points is in the training set: ")
        assert told[7][1].startswith("None of its 3 points is in the training or the reference set: ")
        assert told[8][1] == "It has 1 point, and each of the three sets needs one: label more points of it."

    def test_those_with_most_points_come_first_equal_ones_by_label(self) -> None:
        sets = TrainingTaskLabels(labels_of([1, 2, 4, 7, 9, 9, 9]), labels_of([1, 2]), labels_of([1, 2, 8, 8]))
        assert list(self.told(sets)) == [9, 8, 4, 7]

    @pytest.mark.parametrize("mode", SplitMode)
    def test_all_labels_are_divided_and_those_that_are_kept_are_as_before(self, mode: SplitMode) -> None:
        labels = labels_of(*([1, 2, 1, 2, 3] for _ in range(20)), [4, 1], [4])
        sets = divide_labels(labels, (0.1, 0.1), mode)
        assert sets.label_count == labels.label_count
        kept, again = preprocess_labels(labels, split_mode=mode), preprocess_labels(sets.copy())
        assert [points_of(kept[name]) for name in SET_NAMES] == [points_of(again[name]) for name in SET_NAMES]

    def test_preprocessing_logs_each_of_them(self, caplog: pytest.LogCaptureFixture) -> None:
        preprocess_labels(labels_of([1, 2] * 30, [9, 9]), split_mode=SplitMode.POINTS_STRATIFIED)
        preprocess_labels(TWENTY, accepted_classes={1, 2})
        assert [record.message for record in caplog.records] == [
            "The class 9 is left out of the training: It has 2 points, and each of the three sets needs one: label "
            "more points of it."
        ]

    def test_a_class_too_rare_to_be_stratified_is_told(self) -> None:
        sets = divide_labels(labels_of([1, 2] * 30, [9, 9]), (0.1, 0.1), SplitMode.POINTS_STRATIFIED)
        assert self.told(sets) == {
            9: ((2, 0, 0), "It has 2 points, and each of the three sets needs one: label more points of it.")
        }
