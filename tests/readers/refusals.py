"""What must come of a damaged file where no value does."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def refused_by_name(name: str, *errors: type[Exception]) -> Iterator[None]:
    """What is done inside goes well, or ends in one of these errors, whose sentence names the file."""
    try:
        yield
    except errors as error:
        if name not in (sentence := str(error)) or not sentence.endswith("."):
            raise AssertionError(f"no sentence that names {name}: {sentence}") from error
