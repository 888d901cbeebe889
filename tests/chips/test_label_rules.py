"""Which tags make which label."""

import json

import pytest

from spacer_like.chips.labels.label_rules import LabelRules
from spacer_like.exceptions import DataLimitError, MapDataError
from spacer_like.tables.label_table import MOST_LABELS

RULES = {
    "house": {"building": ["house", "detached"], "amenity": ["house"]},
    "building": {"building": ["*"]},
    "water": {"natural": ["water"], "waterway": ["*"]},
}


def labels_of(tags, rules=RULES):
    made = LabelRules.from_json(json.dumps(rules).encode(), "labels.json")
    places, bearing = made.matches(tags)
    return {made.labels[place] for place in places}, bearing


@pytest.mark.parametrize(
    ("tags", "labels"),
    [
        ({"building": "house"}, {"house", "building"}),
        ({"building": "houseboat"}, {"building"}),
        ({"building": "House"}, {"building"}),
        ({"building": "house;detached"}, {"building"}),
        ({"building": ""}, {"building"}),
        ({"building:part": "house"}, set()),
        ({"natural": "water", "building": "detached"}, {"water", "house", "building"}),
        ({"natural": "waterfall"}, set()),
        ({"waterway": "drain"}, {"water"}),
        ({}, set()),
    ],
)
def test_values_match_whole_and_a_star_is_every_value(tags, labels):
    assert labels_of(tags)[0] == labels


def test_a_star_among_values_is_every_value():
    assert labels_of({"a": "c"}, {"x": {"a": ["b", "*"]}})[0] == {"x"}


def test_only_the_tags_that_bear_a_label_are_told():
    tags = {"name": "x", "waterway": "river", "building": "yes", "natural": "tree"}
    assert labels_of(tags)[1] == [("building", "yes"), ("waterway", "river")]


def test_the_tags_are_told_by_key():
    keys = "hfbgdaec"
    assert labels_of(dict.fromkeys(keys, "1"), {"x": {key: ["*"] for key in keys}})[1] == [
        (key, "1") for key in sorted(keys)
    ]


def test_labels_are_in_the_order_of_their_texts():
    rules = LabelRules({"b": {"k": ["v"]}, "a": {"k": ["v"]}, "B": {"k": ["v"]}})
    assert rules.labels == ("B", "a", "b")
    assert rules.keys == {"k"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "must be a JSON object"),
        ("{}", "at least one label"),
        ('{"a": []}', "'a'.*keys with lists of values"),
        ('{"a": {}}', "'a'.*keys with lists of values"),
        ('{"a": {"k": "v"}}', "'a'.*keys with lists of values"),
        ('{"a": {"k": []}}', "'a'.*keys with lists of values"),
        ('{"a": {"k": [1]}}', "'a'.*keys with lists of values"),
        ('{"a": {"k": ["v"]}, "a": {"k": ["w"]}}', "'a' twice"),
        ('{"a": {"k": ["v"], "k": ["w"]}}', "'k' twice"),
        ('{"a|b": {"k": ["v"]}}', "'a|b'.*cannot be a label"),
        ('{"": {"k": ["v"]}}', "cannot be a label"),
        ('{"Feature": {"k": ["v"]}}', "cannot be a label"),
        ('{"image": {"k": ["v"]}}', "cannot be a label"),
        ('{"a\\n": {"k": ["v"]}}', "cannot be seen"),
        ('{"\\ud800": {"k": ["v"]}}', "cannot be seen"),
    ],
)
def test_what_describes_no_labels_is_refused_by_name(text, sentence):
    with pytest.raises(MapDataError, match=sentence) as caught:
        LabelRules.from_json(text.encode(), "labels.json")
    assert "'labels.json'" in str(caught.value)


def test_too_many_labels_are_refused():
    with pytest.raises(DataLimitError, match=str(MOST_LABELS)):
        LabelRules({str(number): {"k": ["v"]} for number in range(MOST_LABELS + 1)})
