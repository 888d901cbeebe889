"""What every test of the family begins with: nothing in memory."""

import pytest

from spacer_like.storage import clear_memory_storage


@pytest.fixture(autouse=True)
def empty_storage():
    clear_memory_storage()
    yield
    clear_memory_storage()
