"""What is wrong with a message is said in our words, whatever is wrong with whichever field."""

import math
from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from spacer_like import message_base
from spacer_like.exceptions import MessageError, MissingFieldError
from spacer_like.message_errors import MOST_SHOWN, SENTENCES, message_error
from spacer_like.messages import ChipTileMsg, TrainMultilabelMsg

from .test_field_texts import KINDS

# Of each kind that JSON has, beyond bounds, too short and too long, and a text that UTF-8 cannot write.
WRONG = [
    *(None, True, 0, -1, 1.5, 10**30, -(10**30), 10**400, math.inf, math.nan, "", "nix", "\ud800", "a" * 5000),
    *([], [None], [-1], [10**30], [0.5] * 20, [1] * 20, ["nix"], [""], [[1]], [[1, 2, 3]], [{}]),
    *({}, {"nix": 1}, {"nix": [{}]}, {"ratio": []}, {"storage_type": "memory"}, {"storage_type": 1, "key": 2}),
]
WORDS_OF_PYDANTIC = (
    "Input should",
    "should have",
    "should match",
    "Field required",
    "not permitted",
    "Value error",
    "{",
)


# Classes that others inherit from, and parts of return messages, have no example; the latter lie within others.
EXAMPLES = {
    name: kind.example().serialize()
    for name, kind in KINDS.items()
    if "example" in vars(kind) and name != "BaseMessage"
}


@pytest.fixture
def types_seen(monkeypatch) -> set[str]:
    """The types of all errors that pydantic finds."""
    seen: set[str] = set()

    def note(name: str, error: ValidationError) -> MessageError:
        seen.update(one["type"] for one in error.errors())
        return message_error(name, error)

    monkeypatch.setattr(message_base, "message_error", note)
    return seen


def refusals(name: str) -> Iterator[str]:
    """What is said of the example with each of its fields wrong in each way."""
    kind, example = KINDS[name], EXAMPLES[name]
    wrong = [example | {field: value} for field in kind.model_fields for value in WRONG]
    for data in [{}, example | {"no_such_field": 1}, *wrong]:
        try:
            kind.deserialize(data)
        except MessageError as error:
            yield str(error)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_error_is_said_in_our_words(name, types_seen):
    for said in refusals(name):
        if name not in ("JobMsg", "JobReturnMsg"):
            # A job carries other messages, whose texts may hold anything.
            assert not any(words in said for words in WORDS_OF_PYDANTIC), said
    assert types_seen <= set(SENTENCES)


@pytest.mark.parametrize(
    ("message", "field", "value", "sentence"),
    [
        (TrainMultilabelMsg, "threshold", "high", "threshold: it must be a number, or it must be 'per_label'."),
        (TrainMultilabelMsg, "validation_share", "high", "validation_share: it must be a number."),
        (TrainMultilabelMsg, "layers", [], "layers: it must have at least 1 item, and has 0."),
        (TrainMultilabelMsg, "layers", [3, 0], "layers.1: it must be at least 1."),
        (TrainMultilabelMsg, "table_loc", 3, "table_loc: it must be an object with the fields of DataLocation."),
        (ChipTileMsg, "zone", 61, "zone: it must be at most 60."),
        (ChipTileMsg, "quadkey", "0314", "quadkey: it must be a quadkey of 1 to 12 digits from 0 to 3."),
        (ChipTileMsg, "quadkey", "031\n", "quadkey: it must be a quadkey of 1 to 12 digits from 0 to 3."),
        (ChipTileMsg, "colour", "red", "colour: there is no such field."),
    ],
)
def test_a_sentence_names_the_field_and_what_it_must_be(message, field, value, sentence):
    with pytest.raises(MessageError) as caught:
        message.deserialize(message.example().serialize() | {field: value})
    assert str(caught.value) == f"{message.__name__} does not validate: {sentence}"


def test_of_many_errors_the_first_are_named_and_the_rest_counted():
    example = TrainMultilabelMsg.example().serialize()
    with pytest.raises(MessageError, match=f"; and {8 - MOST_SHOWN} more\\.$") as caught:
        TrainMultilabelMsg.deserialize(example | {"layers": [0] * 8})
    assert str(caught.value).count("it must be at least 1") == MOST_SHOWN


def test_a_missing_field_among_others_is_a_key_error_as_well():
    with pytest.raises(MissingFieldError, match="tile_loc: it is required, and missing"):
        ChipTileMsg.deserialize({"zone": 61})
