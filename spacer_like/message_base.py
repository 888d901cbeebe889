"""Base classes and field types of messages, which are typed, frozen values with a JSON form.

A request refuses unknown fields and coerces no number; a return message ignores unknown fields, so that an old reader
survives a new writer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from inspect import cleandoc
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, NamedTuple, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PrivateAttr,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core.core_schema import no_info_after_validator_function
from typing_extensions import Doc, Self, TypeVar, dataclass_transform

from spacer_like.data_classes import DataClass, DataLocation
from spacer_like.data_classes.base import plain
from spacer_like.exceptions import MessageError
from spacer_like.message_errors import message_error
from spacer_like.registry import Described

IDS_NAME = "ids.npz"
"""The file with the ids of a stack of images, or of embeddings, in the same folder."""
_MOST_UNKNOWN_FIELDS = 100
_FIELDS = "\nFields:\n"
_ENTRY = re.compile(r"^    (\w+(?:, \w+)*):((?:.*\n?(?:     .*(?:\n|$))*))", re.MULTILINE)


Result = TypeVar("Result", default=Any)
Value = TypeVar("Value")
Given = TypeVar("Given")

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic._internal._model_construction import ModelMetaclass

    from spacer_like.extractors import FeatureExtractor
    from spacer_like.learning.trainer import ClassifierTrainer

    @dataclass_transform(kw_only_default=False, field_specifiers=(Field, PrivateAttr))
    class ByPosition(ModelMetaclass):
        """For type checkers: fields may be given by position."""

    @dataclass_transform(kw_only_default=True, field_specifiers=(Field, PrivateAttr))
    class ByKeyword(ByPosition):
        """For type checkers: fields are given by keyword, because optional ones come before needed ones."""

    class Converted(Generic[Value, Given]):
        """For type checkers: a field that is given as one of several types, and always read as one."""

        def __get__(self, instance: object, owner: Any = None) -> Value: ...

        def __set__(self, instance: object, value: Given) -> None: ...

    ExtractorField = Converted[FeatureExtractor, FeatureExtractor | dict[str, Any] | str]
    OptionalExtractorField = Converted[FeatureExtractor | None, FeatureExtractor | dict[str, Any] | str | None]
    TrainerField = Converted[ClassifierTrainer, ClassifierTrainer | dict[str, Any] | str]
else:
    ByPosition = ByKeyword = type(BaseModel)


class Answered(Generic[Result]):
    """Marks a request with the class of its answer, for type checkers."""


class BaseMessage(BaseModel, DataClass, metaclass=ByPosition):
    """Base of requests and returns; arguments may be given by position, in the order of the fields."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True, defer_build=True, protected_namespaces=())

    omitted_when_none: ClassVar[frozenset[str]] = frozenset()
    """Optional fields that stay out of the JSON while they are None: those that PySpacer's messages do not have."""

    def __init__(self, /, *args: Any, **kwargs: Any) -> None:
        names = list(type(self).model_fields)
        if len(args) > len(names):
            raise MessageError(f"{type(self).__name__} has {len(names)} fields, and {len(args)} were given.")
        kwargs |= dict(zip(names, args, strict=False))
        try:
            self._validate(kwargs)
        except ValidationError as error:
            raise message_error(type(self).__name__, error) from None

    def _validate(self, values: dict[str, Any]) -> None:
        try:
            super().__init__(**values)
        except ValidationError:
            # Few messages come with NumPy's numbers, and none that validates pays for looking for them.
            super().__init__(**plain(values))

    def serialize(self) -> dict[str, Any]:
        """The message as numbers, texts, lists and dictionaries."""
        return {
            name: value
            for name, value in self.model_dump().items()
            if not (value is None and name in self.omitted_when_none)
        }

    @classmethod
    def deserialize(cls, data: Any) -> Self:
        """The message that `serialize` described.

        Raises:
            MessageError: it does not validate; the sentence names the field's path.
        """
        if not isinstance(data, dict):
            raise MessageError(f"{cls.__name__} must be a JSON object, and is {type(data).__name__}.")
        if len(data) > len(cls.model_fields) + _MOST_UNKNOWN_FIELDS and cls.model_config.get("extra") == "forbid":
            # Before an error is made of each of a million.
            raise MessageError(f"{cls.__name__} has {len(cls.model_fields)} fields, and {len(data)} were given.")
        return cls(**{str(name): value for name, value in data.items()})

    def __eq__(self, other: object) -> bool:
        return BaseModel.__eq__(self, other)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return _described_schema(cls, field_texts(cls), handler(core_schema), handler)


class Message(BaseMessage):
    """A request; `task` names the function that answers it."""

    model_config = ConfigDict(extra="forbid")

    task: ClassVar[str]

    reads_earlier_outputs: ClassVar[frozenset[str]] = frozenset()
    """Fields that may name what an earlier request of the same job writes."""

    def implied_outputs(self) -> dict[str, DataLocation]:
        """Locations that the task writes besides those of its fields, by their names in errors."""
        return {}

    def implied_inputs(self) -> dict[str, DataLocation]:
        """Locations that the task reads besides those of its fields, by their names in errors."""
        return {}


class ReturnMessage(BaseMessage):
    """The answer to a request."""

    model_config = ConfigDict(extra="ignore")


def ids_beside(loc: DataLocation) -> DataLocation:
    """The location of the ids of a stack of images, or of embeddings: in its folder."""
    path, mark, query = loc.key.partition("?") if loc.storage_type == "url" else (loc.key, "", "")
    folder = path[: path.rfind("/") + 1]
    return DataLocation(loc.storage_type, f"{folder}{IDS_NAME}{mark}{query}", loc.bucket_name)


def as_text(name: str) -> str:
    """A file's name as valid text: it may hold bytes that are not UTF-8."""
    return name.encode("utf-8", "backslashreplace").decode()


def _parts(kind: type) -> tuple[str, str]:
    """A class's docstring without its "Fields:" section, and that section's lines."""
    before, _, rest = cleandoc(kind.__doc__ or "").partition(_FIELDS)
    # The first line that is not indented ends the section.
    section, *after = re.split(r"^(?=\S)", rest, maxsplit=1, flags=re.MULTILINE)
    return "\n\n".join(part.strip() for part in (before, *after)), section


def documented_fields(kind: type) -> dict[str, str]:
    """The text of each entry in the "Fields:" section of a class's own docstring, by the field's name.

    >>> documented_fields(Folder)["takes"]
    'a pattern of the names of files that its reader takes for its own; None: it is only written.'
    """
    return {
        name: " ".join(text.split()) for names, text in _ENTRY.findall(_parts(kind)[1]) for name in names.split(", ")
    }


@cache
def field_texts(message: type[BaseMessage]) -> dict[str, str]:
    """The text of each field of a message by the field's name, for schemas, help pages and forms.

    The text is that of the docstring's "Fields:" section, of the class itself or of the one that it inherits from; of a
    field that none describes the text of its type (`Doc`).
    """
    found = {
        name: mark.documentation
        for name, field in message.model_fields.items()
        for mark in [*field.metadata, *_marks(field.annotation)][::-1]
        if isinstance(mark, Doc)
    }
    for parent in reversed(message.__mro__):
        found |= documented_fields(parent) if issubclass(parent, BaseMessage) else {}
    return {name: found[name] for name in message.model_fields if name in found}


def class_text(kind: type) -> str:
    """A class's docstring without its "Fields:" section."""
    return _parts(kind)[0]


def _described_schema(
    kind: type, texts: dict[str, str], schema: dict[str, Any], handler: GetJsonSchemaHandler
) -> dict[str, Any]:
    whole = handler.resolve_ref_schema(schema)
    whole["description"] = class_text(kind)
    for name, text in texts.items():
        whole["properties"][name]["description"] = text
    return schema


class _DescribedLocation:
    """Marks the field type of a location: its parts have texts in the schema as those of messages have."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return _described_schema(DataLocation, documented_fields(DataLocation), handler(core_schema), handler)


def described(kind: str) -> Any:
    """The field type of an object that travels as its class's path and arguments.

    Its value is an instance of `kind` (`extractor`, `trainer`), a dictionary that describes one, or its class's path.
    """

    def read(value: Any) -> Described:
        if isinstance(value, str):
            value = {"class_path": value}
        instance = Described.deserialize(value) if isinstance(value, dict) else value
        if not isinstance(instance, Described) or instance.kind != kind:
            raise MessageError(f"the {kind} must be described by its class_path, and is of type {type(value).__name__}")
        return instance

    path = {"type": "string", "description": f"the dotted path of the {kind}'s class; its arguments stand beside it"}
    schema = {"type": "object", "properties": {"class_path": path}, "required": ["class_path"]}
    return Annotated[Any, BeforeValidator(read), PlainSerializer(Described.serialize), WithJsonSchema(schema)]


if not TYPE_CHECKING:
    ExtractorField, TrainerField = described("extractor"), described("trainer")
    OptionalExtractorField = ExtractorField | None


def _read_location(value: Any) -> Any:
    return DataLocation.deserialize(value) if isinstance(value, dict) else value


def _check_writable(location: DataLocation) -> DataLocation:
    if not location.is_writable:
        raise MessageError(f"Write not supported for '{location.storage_type}' storage type")
    return location


class TextLike(NamedTuple):
    """Marks the field type of a text that matches a pattern, which errors give in words: people need not read patterns.

    Fields:
        pattern: a regular expression; without ``$`` at its end only the text's beginning must match.
        words: what such a text is, after "it must be".
    """

    pattern: str
    words: str

    def check(self, text: str) -> str:
        matches = re.fullmatch if self.pattern.endswith("$") else re.match
        if not matches(self.pattern, text):
            raise ValueError(f"it must be {self.words}")
        return text

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        return no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(core_schema) | {"pattern": self.pattern}


class Folder(NamedTuple):
    """Marks the field type of a location that may be a folder or a prefix.

    Fields:
        takes: a pattern of the names of files that its reader takes for its own; None: it is only written.
    """

    takes: str | None = None


_WRITABLE = AfterValidator(_check_writable)

Location = Annotated[
    DataLocation, BeforeValidator(_read_location), PlainSerializer(DataLocation.serialize), _DescribedLocation
]
WritableLocation = Annotated[Location, _WRITABLE]
WritableFolder = Annotated[WritableLocation, Folder()]
JobToken = Annotated[StrictStr, Doc("the caller's own reference, any text; the task does not use it.")]
Seed = Annotated[StrictInt, Field(ge=0, lt=2**32), Doc("seed of all that is random: the same seed, the same result.")]
Share = Annotated[StrictFloat | StrictInt, Field(gt=0, le=1)]
"""A part of a whole, which may be all of it."""
PartialShare = Annotated[StrictFloat | StrictInt, Field(gt=0, lt=1)]
"""A part of a whole that leaves something for the other part."""
Runtime = Annotated[float, Doc("seconds that the task took.")]


class Unreadable(ReturnMessage):
    """A file that is no image.

    Fields:
        name: the file's name.
        reason: why it could not be read.
    """

    name: str
    reason: str

    @classmethod
    def of(cls, name: str, reason: str) -> Self:
        """An instance from texts that may not be valid UTF-8."""
        return cls(name=as_text(name), reason=as_text(reason))


def none_of(failed: Sequence[Unreadable], what: str, done: str) -> str:
    """A sentence about files of which none can be worked on.

    Args:
        what: the files and where they are, the first word as of one: ``file in 'reef'``.
        done: what cannot be done with them.

    >>> print(none_of([Unreadable.of("a.jpg", "The file 'a.jpg' is empty.")], "file in 'reef'", "be decoded"))
    The one file in 'reef' cannot be decoded: The file 'a.jpg' is empty.
    """
    first = failed[0]
    named = "" if first.name in first.reason else f", '{first.name}',"
    if len(failed) == 1:
        return f"The one {what}{named} cannot {done}: {first.reason}"
    noun, space, where = what.partition(" ")
    return f"None of the {len(failed)} {noun}s{space}{where} can {done}, the first{named} because: {first.reason}"


@cache
def location_fields(message: type[BaseMessage]) -> dict[str, tuple[bool, Folder | None]]:
    """Of each field of a message: whether it is an output, and how it is a folder, if it may be one."""
    found = {}
    for name, field in message.model_fields.items():
        marks = [*field.metadata, *_marks(field.annotation)]
        folder = next((mark for mark in marks if isinstance(mark, Folder)), None)
        found[name] = (any(mark is _WRITABLE for mark in marks), folder)
    return found


def _marks(annotation: Any) -> list[Any]:
    own = list(getattr(annotation, "__metadata__", ()))
    return own + [mark for part in get_args(annotation) if part not in own for mark in _marks(part)]
