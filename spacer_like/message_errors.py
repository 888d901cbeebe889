"""Sentences for the errors that pydantic finds in messages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING, Any

from spacer_like.exceptions import MessageError, MissingFieldError

if TYPE_CHECKING:
    from pydantic import ValidationError

MOST_SHOWN = 5
_LONGEST_PART = 100

SENTENCES = {
    "missing": "it is required, and missing",
    "extra_forbidden": "there is no such field",
    "bool_type": "it must be true or false",
    "bool_parsing": "it must be true or false",
    "int_type": "it must be a whole number",
    "int_parsing": "it must be a whole number",
    "int_parsing_size": "it must be a whole number, and has too many digits",
    "int_from_float": "it must be a whole number",
    "float_type": "it must be a number",
    "float_parsing": "it must be a number",
    "finite_number": "it must be a finite number",
    "greater_than": "it must be greater than {gt}",
    "greater_than_equal": "it must be at least {ge}",
    "less_than": "it must be less than {lt}",
    "less_than_equal": "it must be at most {le}",
    "string_type": "it must be a text",
    "string_unicode": "it must be a text that UTF-8 can write",
    "string_too_short": "it must have at least {min_length} characters",
    "string_too_long": "it must have at most {max_length} characters",
    "literal_error": "it must be {expected}",
    "list_type": "it must be a list",
    "tuple_type": "it must be a list",
    "too_short": "it must have at least {min_length} items, and has {actual_length}",
    "too_long": "it must have at most {max_length} items, and has {actual_length}",
    "dict_type": "it must be an object of names and values",
    "model_type": "it must be an object with the fields of {class_name}",
    "dataclass_type": "it must be an object with the fields of {class_name}",
    "dataclass_exact_type": "it must be an object with the fields of {class_name}",
    # Errors that our own checks raise are sentences already.
    "value_error": "{error}",
}
"""What is said of a field, by pydantic's type of the error and with its values."""

# What pydantic adds to the path of a field that may be of several types.
_BRANCHES = ("float", "int", "str", "list[", "literal[", "constrained-", "function-", "DataLocation")


def message_error(name: str, error: ValidationError) -> MessageError:
    """Pydantic's errors in the message `name` as one sentence that names each field's path."""
    found = error.errors(include_url=False, include_input=False)
    details = [
        f"{_path(loc)}: {_either(one for _, one in group)}"
        for loc, group in groupby(((_field_of(one["loc"]), one) for one in found), lambda pair: pair[0])
    ]
    more = f"; and {len(details) - MOST_SHOWN} more" if len(details) > MOST_SHOWN else ""
    kind = MissingFieldError if any(one["type"] == "missing" for one in found) else MessageError
    return kind(f"{name} does not validate: {'; '.join(details[:MOST_SHOWN])}{more}.")


def what_is_wrong(error: ValidationError) -> str:
    """What pydantic found wrong with a single value, as a sentence without its end."""
    return _either(error.errors(include_url=False, include_input=False))


def _field_of(location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """The path of a field without the type that was tried of several."""
    while len(location) > 1 and isinstance(location[-1], str) and location[-1].startswith(_BRANCHES):
        location = location[:-1]
    return location


def _either(errors: Iterable[Any]) -> str:
    """The sentence about a field; of one with several types, what each of them requires."""
    sentences = list(dict.fromkeys(map(sentence_of, errors)))
    if SENTENCES["float_type"] in sentences and SENTENCES["int_type"] in sentences:
        sentences.remove(SENTENCES["int_type"])
    return ", or ".join(sentences)


def sentence_of(error: Any) -> str:
    """What one of pydantic's errors says, without its end."""
    template = SENTENCES.get(error["type"], error["msg"])
    values = {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in error.get("ctx", {}).items()
    }
    text = template.format(**values).rstrip(".")
    return re.sub(r"\b1 (item|character)s", r"1 \1", text)


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part)[:_LONGEST_PART] for part in location) or "the message"
