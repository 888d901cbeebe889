"""Locations and their URIs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import MessageError, MissingFieldError

LOCATIONS = [
    DataLocation("filesystem", "photos/reef 1.jpg"),
    DataLocation("filesystem", "/data/a#b%20c?.jpg"),
    DataLocation("memory", "features/1"),
    DataLocation("s3", "photos/réef#1?.jpg", "corals"),
    DataLocation("url", "https://example.org/a.jpg?size=2"),
]


@pytest.mark.parametrize("location", LOCATIONS)
def test_a_uri_names_the_location_again(location):
    assert DataLocation.from_uri(location.uri) == location


@given(key=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_key_survives_the_journey_through_json_and_uri(key):
    for location in (DataLocation("s3", key, "bucket"), DataLocation("memory", key)):
        assert DataLocation.deserialize(location.serialize()) == location
        assert DataLocation.from_uri(location.uri) == location


def test_a_path_without_a_scheme_is_a_file():
    assert DataLocation.from_uri("photos/reef.jpg") == DataLocation("filesystem", "photos/reef.jpg")


def test_locations_are_keys_of_a_dictionary():
    assert {DataLocation("memory", "a"): 1}[DataLocation("memory", "a")] == 1
    assert DataLocation("s3", "a", "one") != DataLocation("s3", "a", "two")


def test_what_a_storage_can_do_is_known_from_the_location():
    remote = {location.storage_type for location in LOCATIONS if location.is_remote}
    read_only = {location.storage_type for location in LOCATIONS if not location.is_writable}
    assert (remote, read_only) == ({"s3", "url"}, {"url"})


def test_the_file_name_of_a_url_has_no_query():
    assert DataLocation("url", "https://example.org/x/a.jpg?size=2").filename == "a.jpg"
    assert DataLocation("s3", "x/a.jpg", "b").filename == "a.jpg"


def test_a_signed_url_is_shown_without_what_signs_it():
    location = DataLocation("url", "https://user:hush@example.org/a.jpg?X-Signature=hush")
    assert "hush" not in repr(location) + location.display_name
    assert location.display_name == "https://example.org/a.jpg?..."


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("ftp", "a"), "'ftp' is unknown"),
        (("s3", "a"), "needs a bucket_name"),
        (("s3", "a", ""), "needs a bucket_name"),
    ],
)
def test_an_impossible_location_is_refused(arguments, sentence):
    with pytest.raises(MessageError, match=sentence):
        DataLocation(*arguments)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ("a", "A location consists of storage_type, key and bucket_name"),
        ([], "A location consists of storage_type, key and bucket_name"),
        ({"storage_type": "memory", "key": 3}, "The parts of a location must be text"),
        ({"storage_type": "memory", "key": "a", "color": "red"}, "A location consists of storage_type, key and bucket"),
    ],
)
def test_json_that_is_no_location_is_refused(data, sentence):
    with pytest.raises(MessageError, match=sentence):
        DataLocation.deserialize(data)


def test_a_missing_part_is_named():
    with pytest.raises(MissingFieldError, match="lacks its key"):
        DataLocation.deserialize({"storage_type": "memory"})


@pytest.mark.parametrize("key", ["http://[::1", "reef.jpg", "", "http://h:port/x"])
def test_a_text_that_is_no_url_has_a_name_as_well(key):
    location = DataLocation("url", key)
    assert location.display_name == key
    assert key in repr(location)
    assert isinstance(location.filename, str)


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("HTTPS://diver:hush@reef.org/1.jpg", "HTTPS://reef.org/1.jpg"),
        ("http:diver:hush@reef.org/", "http:reef.org/"),
        ("//diver:hush@reef.org", "//reef.org"),
        ("https:/diver:hush@reef.org/1.jpg", "https:/reef.org/1.jpg"),
        ("http:\\\\diver:hush@reef.org", "http:\\\\reef.org"),
        (" http://diver:hush@reef.org/", " http://reef.org/"),
        ("diver:hush@reef.org/1.jpg", "reef.org/1.jpg"),
        ("hush:diver@reef.org", "reef.org"),
        ("http://hush@reef.org/", "http://reef.org/"),
        ("http://diver:hu/hush@reef.org/1.jpg", "http://reef.org/1.jpg"),
        ("http://diver:hu?hush@reef.org/1.jpg", "http://reef.org/1.jpg"),
        ("http://diver:hu#hush@reef.org/1.jpg", "http://reef.org/1.jpg"),
        ("http://diver:1?hush@reef.org", "http://reef.org"),
        ("http://diver:hush@@reef.org:port/1.jpg", "http://reef.org:port/1.jpg"),
        ("http://reef.org/1.jpg#token=hush", "http://reef.org/1.jpg#..."),
        ("http://reef.org/1.jpg;token=hush", "http://reef.org/1.jpg;..."),
        ("http://reef.org/1.jpg&token=hush", "http://reef.org/1.jpg&..."),
        ("http://reef.org/1.jpg?a=b@hush#hush", "http://reef.org/1.jpg?..."),
        ("https://diver:hush@reef.org/@fish/1.jpg", "https://reef.org/@fish/1.jpg"),
        ("https://reef.org/@fish/1.jpg", "https://reef.org/@fish/1.jpg"),
    ],
)
def test_a_malformed_url_is_shown_without_what_may_be_secret(key, shown):
    location = DataLocation("url", key)
    assert location.display_name == shown
    assert "hush" not in repr(location) + location.filename
    assert location.uri == key


@pytest.mark.parametrize("text", ["http:diver:hush@reef.org/", "https:/reef.org/1.jpg", "//diver:hush@reef.org/1.jpg"])
def test_a_text_that_can_only_be_meant_as_a_url_is_no_path(text):
    assert DataLocation.from_uri(text) == DataLocation("url", text)


def test_credentials_in_a_uri_of_s3_are_refused_and_not_shown():
    with pytest.raises(MessageError, match=r"'s3://corals/1\.jpg' has a name or a password") as caught:
        DataLocation.from_uri("s3://KEY:hush@corals/1.jpg")
    assert "hush" not in str(caught.value)
