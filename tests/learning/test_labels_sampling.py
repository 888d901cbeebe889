from collections import Counter

import pytest

from spacer_like.data_classes import DataLocation, ImageLabels
from spacer_like.exceptions import TrainingLabelsError
from spacer_like.learning.labels_sampling import balanced_subsample, hold_back, split_by_source


def labels(images: int = 24, sites: int = 6) -> tuple[ImageLabels, dict[str, str]]:
    """Ten points in each image: mostly sand, three corals, and one of the two rare classes."""
    found, sources = ImageLabels(), {}
    for number in range(images):
        names = ["sand"] * 6 + ["coral"] * 3 + ["sponge" if number % 2 else "anemone"]
        location = DataLocation("memory", f"{number}.features")
        found.add_image(location, [(row, row, name) for row, name in enumerate(names)])
        sources[location.key] = f"site {number % sites}"
    return found, sources


class TestBalancedSubsample:
    @pytest.mark.parametrize(("fewest", "counts"), [(1, (12, 12, 12)), (30, (30, 30, 12)), (500, (144, 72, 12))])
    def test_no_class_has_more_than_the_rarest_or_the_number(self, fewest: int, counts: tuple[int, ...]) -> None:
        found = balanced_subsample(labels()[0], fewest).label_count_per_class
        assert (found["sand"], found["coral"], found["sponge"]) == counts

    def test_it_is_the_same_each_time_and_drawn_from_all_images(self) -> None:
        first, second = (balanced_subsample(labels()[0], 40) for _ in range(2))
        assert first == second
        sand = [len([one for one in first[location] if one[2] == "sand"]) for location in first]
        assert 10 < sum(count > 0 for count in sand) <= 24


class TestHoldBack:
    def test_whole_images_are_held_back_and_the_rest_is_left(self) -> None:
        found = labels()[0]
        left, held = hold_back(found, 0.2)
        assert held.label_count == 50
        assert not set(left) & set(held)
        assert set(left) | set(held) == set(found)
        assert all(part[location] == found[location] for part in (left, held) for location in part)
        assert hold_back(found, 0.2) == (left, held)

    def test_a_class_keeps_points_to_be_learnt(self) -> None:
        found = labels(6)[0]
        only = DataLocation("memory", "0.features")
        found.add_image(only, [(1, 1, "seagrass"), *found[only]])
        for share in (0.2, 0.5):
            left, held = hold_back(found, share)
            assert left.classes_set == found.classes_set
            assert only not in held

    def test_of_few_large_images_none_is_held_back(self) -> None:
        found = labels(4)[0]
        assert hold_back(found, 0.1) == (found, ImageLabels())


class TestSplitBySource:
    def test_val_shares_no_source_with_the_others_and_ref_no_image_with_train(self) -> None:
        found, sources = labels()
        sets = split_by_source(found, (0.2, 0.2), sources)
        of = {name: {sources[location.key] for location in sets[name]} for name in ("train", "ref", "val")}
        assert not of["val"] & (of["train"] | of["ref"])
        assert not set(sets.train) & set(sets.ref)
        assert Counter(found.label_count_per_class) == sum(
            (Counter(sets[name].label_count_per_class) for name in of), Counter()
        )
        assert 40 <= sets.val.label_count <= 80
        assert all(sets[name].label_count for name in of)

    @pytest.mark.parametrize(
        ("sources", "sentence"),
        [
            ({}, "24 of the 24 images have no source"),
            (dict.fromkeys(map("{}.features".format, range(24)), "x"), "one source, 'x'"),
        ],
    )
    def test_what_cannot_be_divided_is_said(self, sources: dict[str, str], sentence: str) -> None:
        with pytest.raises(TrainingLabelsError, match=sentence):
            split_by_source(labels()[0], (0.1, 0.1), sources)
