"""Labels of points."""

import json

import pytest

from spacer_like.data_classes import DataLocation, ImageLabels, TrainingTaskLabels
from spacer_like.exceptions import MessageError, MissingFieldError

A, B = DataLocation("memory", "a"), DataLocation("s3", "b", "bucket")


def test_labels_are_counted_by_class():
    labels = ImageLabels({A: [(1, 2, "x"), (3, 4, "y")], B: [(1, 2, "x")]})

    assert labels.label_count == 3
    assert labels.label_count_per_class == {"x": 2, "y": 1}
    assert labels.classes_set == {"x", "y"}


def test_an_image_added_again_is_counted_once():
    labels = ImageLabels({A: [(1, 2, "x"), (3, 4, "y")]})
    labels.add_image(A, [(1, 2, "x")])

    assert labels.label_count_per_class == {"x": 1}
    assert labels.classes_set == {"x"}
    assert len(labels) == 1


def test_labels_know_whether_any_feature_file_is_remote():
    assert not ImageLabels({A: []}).has_remote_data
    assert ImageLabels({A: [], B: []}).has_remote_data


def test_filtering_leaves_out_images_that_are_left_without_labels():
    labels = ImageLabels({A: [(1, 2, "x"), (3, 4, "y")], B: [(1, 2, "x")]})
    assert labels.filter_classes({"y"}) == ImageLabels({A: [(3, 4, "y")]})


def test_labels_survive_the_journey_through_json():
    labels = ImageLabels({A: [(1, 2, "x"), (3, 4, 5)], B: []})
    sent = json.dumps(labels.serialize())

    assert list(json.loads(sent)) == ['{"storage_type": "memory", "key": "a", "bucket_name": null}', B.json_text]
    assert ImageLabels.deserialize(json.loads(sent)) == labels


def test_text_keys_of_older_messages_wait_for_their_storage():
    labels = ImageLabels.deserialize({"a.features": [[1, 2, "x"]]})

    assert labels.has_text_keys
    assert labels.relocated(DataLocation("s3", "", "bucket")) == ImageLabels(
        {DataLocation("s3", "a.features", "bucket"): [(1, 2, "x")]}
    )


@pytest.mark.parametrize(
    "annotation", [[1, 2], [1, 2, 3, 4], [1.0, 2, "x"], ["1", 2, "x"], [True, 2, "x"], [1, 2, None], [1, 2, 1.5], "abc"]
)
def test_a_malformed_annotation_is_refused_with_its_path(annotation):
    with pytest.raises(MessageError, match=r"malformed at \[a, 1"):
        ImageLabels.deserialize({"a": [[1, 2, 3], annotation]})


def test_a_key_that_is_no_location_is_refused():
    with pytest.raises(MessageError, match="storage type 'ftp' is unknown"):
        ImageLabels.deserialize({'{"storage_type": "ftp", "key": "a"}': []})


def test_the_three_sets_are_found_by_name():
    labels = TrainingTaskLabels.example()
    labels["val"] = ImageLabels({A: [(1, 2, "x")]})

    assert labels["val"] is labels.val
    assert labels.label_count == 17
    for name in ("test", "label_count"):
        with pytest.raises(KeyError):
            labels[name]
        with pytest.raises(KeyError):
            labels[name] = ImageLabels()


def test_a_copy_can_be_changed_without_the_original():
    original = TrainingTaskLabels.example()
    changed = original.copy()
    changed.set_filesystem_cache("/cache")
    changed.train = ImageLabels()

    assert original == TrainingTaskLabels.example()
    assert original.ref.filesystem_cache is None


def test_a_missing_set_is_named():
    with pytest.raises(MissingFieldError, match="lack the set 'val'"):
        TrainingTaskLabels.deserialize({"train": {}, "ref": {}})
