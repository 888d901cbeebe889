"""Every storage passes the suite that is shipped; what names it may have, hypothesis looks for besides."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spacer_like.testing.storage import StorageContract

letters = st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="/\\")
names = st.lists(letters | st.sampled_from(" #%+&=?:"), min_size=1, max_size=20).map("".join)


class TestOurs(StorageContract):
    @pytest.fixture
    def storage(self, place):
        return place.storage

    @pytest.fixture
    def folder(self, place):
        return place.new_folder()

    @pytest.fixture(autouse=True)
    def _what_differs(self, place):
        self.guards_keys = place.kind != "own"
        # rclone's server has no value for a moment while it replaces one, and may refuse two writers at once; Amazon's
        # always has the old or the new one.
        self.replaces_at_once = place.kind != "s3 of rclone"


@settings(
    max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], derandomize=True
)
@given(parts=st.lists(names.filter(lambda name: name.strip(". ") == name), min_size=1, max_size=3))
def test_any_name_is_a_key(place, parts):
    folder = place.new_folder()
    key = folder + "/".join(parts)
    place.storage.write(key, key.encode())
    assert place.storage.read(key) == key.encode()
    assert list(place.storage.list(folder)) == [key]
