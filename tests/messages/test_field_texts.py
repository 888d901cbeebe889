"""Every field of every message has a text that machines can read, and every text is of a field."""

from collections.abc import Iterator
from inspect import cleandoc
from typing import Any

import pytest

from spacer_like.location import DataLocation
from spacer_like.message_base import BaseMessage, class_text, documented_fields, field_texts
from spacer_like.messages import TASKS, json_schema


def kinds(kind: type[BaseMessage]) -> Iterator[type[BaseMessage]]:
    """Every class of messages below one, those that others inherit from included."""
    for child in kind.__subclasses__():
        if child.__module__.startswith("spacer_like."):
            yield child
        yield from kinds(child)


# Naming a task's message imports its family's.
assert all(issubclass(task.message, BaseMessage) for task in TASKS.values())
KINDS = {kind.__name__: kind for kind in kinds(BaseMessage)}


@pytest.mark.parametrize("name", KINDS)
def test_every_field_has_a_text(name):
    lacking = set(KINDS[name].model_fields) - set(field_texts(KINDS[name]))
    assert not lacking


@pytest.mark.parametrize("name", KINDS)
def test_no_text_describes_a_field_that_does_not_exist(name):
    assert set(documented_fields(KINDS[name])) <= set(KINDS[name].model_fields)


@pytest.mark.parametrize("name", KINDS)
def test_every_entry_of_a_docstring_is_read(name):
    """A line of the section that is no entry, for its indentation or its name, would be lost."""
    section = cleandoc(KINDS[name].__doc__ or "").partition("Fields:\n")[2]
    entries = [line for line in section.splitlines() if line.startswith(" " * 4) and line[4:5].strip()]
    assert len(entries) == len(documented_fields(KINDS[name]))


@pytest.mark.parametrize("name", KINDS)
def test_every_class_has_a_sentence_of_its_own(name):
    assert KINDS[name].__dict__.get("__doc__")


@pytest.mark.parametrize("name", KINDS)
def test_a_text_says_what_none_means_wherever_none_is_the_default(name):
    silent = [
        field
        for field, info in KINDS[name].model_fields.items()
        if info.default is None and not info.is_required() and "None: " not in field_texts(KINDS[name])[field]
    ]
    assert not silent


def properties_in(schema: Any, path: str = "") -> dict[str, Any]:
    """Every property that a schema describes, at any depth, by its path."""
    found: dict[str, Any] = {}
    if isinstance(schema, list):
        schema = {str(number): part for number, part in enumerate(schema)}
    if isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            found |= {f"{path}.{name}": one for name, one in schema["properties"].items()}
        for name, part in schema.items():
            found |= properties_in(part, f"{path}/{name}")
    return found


def test_the_schema_describes_every_property():
    properties = properties_in(json_schema())
    assert len(properties) > 500
    assert [path for path, one in properties.items() if not one.get("description")] == []


def test_the_schema_of_one_message_describes_its_properties_and_those_of_locations():
    schema = TASKS["chip_tile"].message.model_json_schema()
    assert "zone: UTM zone" not in schema["description"]
    assert schema["properties"]["zone"]["description"].startswith("UTM zone of the tile")
    assert schema["$defs"]["DataLocation"]["properties"]["key"]["description"]


def test_a_text_is_that_of_the_nearest_class_and_else_that_of_the_type():
    class Base(BaseMessage):
        """A base.

        Fields:
            one, two: both, over
                two lines.
            three: three.

        A last sentence.
        """

        one: int
        two: int
        three: int

    class Derived(Base):
        """Derived.

        Fields:
            two: another.
        """

    assert field_texts(Derived) == {"one": "both, over two lines.", "two": "another.", "three": "three."}
    assert class_text(Base) == "A base.\n\nA last sentence."


def test_a_type_s_text_is_found_within_an_optional_field():
    assert "archive of such files" in field_texts(TASKS["check_collection"].message)["images_loc"]
    assert "tree of tiles" in field_texts(TASKS["locate_chip"].message)["ard_loc"]
    assert field_texts(TASKS["chip_tile"].return_message)["runtime"] == "seconds that the task took."


def test_the_parts_of_a_location_have_texts():
    assert set(documented_fields(DataLocation)) == {"storage_type", "key", "bucket_name"}
