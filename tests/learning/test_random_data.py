from spacer_like.data_classes import DataLocation, ImageFeatures
from spacer_like.train_utils import make_random_data

BASE = DataLocation("memory", "")


def test_labels_fit_the_stored_features() -> None:
    labels = make_random_data(3, [1, 2, 5], 10, 4, BASE, ["one", "two", "three"])
    assert [location.key for location in list(labels.keys())] == ["one", "two", "three"]
    for location in list(labels.keys()):
        features = ImageFeatures.load(location)
        assert features.feature_dim == 4
        assert features.rowcols == [(row, col) for row, col, _ in labels[location]]
        assert [label for _, _, label in labels[location]][:3] == [1, 2, 5]


def test_keys_are_drawn_where_none_are_given() -> None:
    labels = make_random_data(5, ["a"], 2, 3, BASE)
    assert len(labels) == 5
    assert len(labels.load_all_data()[0]) == 10
