"""What every test of the family begins with: nothing in memory, and nothing compiled of code that has changed since."""

from pathlib import Path

import pytest

import spacer_like.rarity
from spacer_like.storage import clear_memory_storage


def forget_what_has_changed():
    # numba looks for changes in a function's own file alone, and not in those that it calls.
    folder = Path(spacer_like.rarity.__file__).parent
    changed = max(path.stat().st_mtime for path in folder.glob("*.py"))
    for kept in folder.glob("__pycache__/*.nbi"):
        if kept.stat().st_mtime < changed:
            kept.unlink(missing_ok=True)


forget_what_has_changed()


@pytest.fixture(autouse=True)
def empty_storage():
    clear_memory_storage()
    yield
    clear_memory_storage()
