"""Commands generated from messages: each field becomes an option with its type, choices, bounds, default and text.

An option is called like its field, with hyphens, without ``nbr_``, ``_loc`` and ``_locs``. Lists are typed with commas
between their items, locations as paths or URIs, an extractor by its name and, where it needs any, its weights.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from spacer_like.cli import options
from spacer_like.cli.extractors import extractor_described
from spacer_like.cli.locations import location
from spacer_like.cli.terminal import Terminal
from spacer_like.cli.wording import COMMANDS
from spacer_like.exceptions import SpacerInputError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from spacer_like.message_base import Message, ReturnMessage
    from spacer_like.messages import TaskOutcome

REQUIRED = Parameter.empty
EXTRACTORS = (
    "lite0 or lite2 (weights are installed), resnet50, timm:MODEL, open_clip:MODEL:TAG, band-statistics or "
    "random-features (without weights; of chips with any number of bands, too), or a class's dotted path."
)
PARTIAL_FAILURES = ("unreadable", "failed", "damaged_maps")
"""Fields of return messages that name what could not be worked on, while the rest was."""
BETWEEN_ITEMS = ","
NUMBERS = {"integer": (int, "whole numbers"), "number": (float, "numbers")}


@dataclass(frozen=True)
class Given:
    """The arguments given to the command of a message.

    Attributes:
        message_class: the message.
        fields: the fields that were given, as the message takes them; `run` may change them.
        options: each option and argument as it was typed, by its name with underscores.
    """

    message_class: Any
    fields: dict[str, Any]
    options: dict[str, Any]

    def __getitem__(self, option: str) -> Any:
        return self.options[option]

    @property
    def terminal(self) -> Terminal:
        return Terminal(json_mode=self.options["json_mode"])

    def message(self) -> Any:
        """The message.

        Raises:
            MessageError: it does not validate.
        """
        return self.message_class(**self.fields)


@dataclass(frozen=True)
class Typed:
    """How a field is typed: the parameter's type, how its value is read from the text, and the parameter's settings."""

    kind: Any
    read: Callable[[Any, str], Any]
    settings: dict[str, Any]


def from_message(
    message_class: type[Message],
    run: Callable[[Given], int],
    *,
    arguments: Mapping[str, str] | None = None,
    names: Mapping[str, str] | None = None,
    defaults: Mapping[str, Any] | None = None,
    helps: Mapping[str, str] | None = None,
    left_out: Sequence[str] = (),
    more: Mapping[str, tuple[Any, Any]] | None = None,
    letters: Mapping[str, str] | None = None,
) -> Callable[..., int]:
    """A function for Typer whose parameters are the fields of a message.

    Args:
        message_class: the message.
        run: what the command does; it returns the exit code.
        arguments: metavars of the fields that are arguments, by field, in their order.
        names: names of options that are not called like their fields, by field.
        defaults: defaults that are not the message's, as they would be typed, by field.
        helps: help of options that is not the field's text, by field.
        left_out: fields that `run` fills in.
        more: annotations and defaults of parameters that are no fields, by name; they come first.
        letters: of options that have a short name as well, by field.
    """
    from spacer_like.message_base import class_text, field_texts

    arguments, defaults, helps = arguments or {}, defaults or {}, helps or {}
    fields = [*arguments, *(name for name in message_class.model_fields if name not in {*arguments, *left_out})]
    option_of = {name: (names or {}).get(name) or _option_name(name) for name in fields}
    shown = {
        name: arguments.get(name, "").removesuffix("...") or _flags(option)[0] for name, option in option_of.items()
    }
    texts, typed = field_texts(message_class), _typed_fields(message_class)
    parameters = dict(more or {})
    for name, option in option_of.items():
        default = defaults.get(name, _default(message_class, name))
        help_text = helps.get(name) or _help(texts[name], option, shown)
        short = [f"-{letter}" for letter in (letters or {}).get(name, "")]
        annotation = _annotation(typed[name], option, arguments.get(name), default, help_text, short)
        parameters[option] = annotation, default
        if name == "extractor" and "weights_loc" not in fields:
            parameters["weights"] = options.Weights, None

    def command(**given: Any) -> int:
        found = {
            name: typed[name].read(given[option], shown[name])
            for name, option in option_of.items()
            if given[option] is not None and name != "extractor"
        }
        if "extractor" in fields:
            found["extractor"] = _extractor(given, has_own_weights="weights_loc" in fields)
        return run(Given(message_class, found, given))

    command.__doc__ = _help(class_text(message_class), "", shown)
    command.__wrapped__ = run  # type: ignore[attr-defined]
    command.option_of = shown  # type: ignore[attr-defined]
    command.task = message_class.task  # type: ignore[attr-defined]
    return _with_parameters(command, {**parameters, "json_mode": (options.JsonMode, False)})


def _with_parameters(command: Any, parameters: Mapping[str, tuple[Any, Any]]) -> Callable[..., int]:
    """A function with the signature that Typer reads, of annotations and defaults by name."""
    command.__annotations__ = {}
    command.__signature__ = Signature(
        [
            Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
            for name, (annotation, default) in parameters.items()
        ]
    )
    made: Callable[..., int] = command
    return made


def run_and_show(
    given: Given,
    name: str,
    shown: Callable[[Any], Sequence[RenderableType]],
    by: Callable[[Any], TaskOutcome] | None = None,
) -> int:
    """Run the message, and write its result for people or as JSON.

    Args:
        given: the message's fields.
        name: what a failure is named by.
        shown: the result for people.
        by: runs the message; None: this process does.

    Returns:
        The exit code: that of a failure where a part of what was asked for could not be done.

    Raises:
        JobFailedError: it did not succeed.
    """
    from spacer_like.cli.running import answers_of, run_for_answers
    from spacer_like.mailman import ExitCode
    from spacer_like.messages import JobMsg

    message, terminal = given.message(), given.terminal
    if by is None:
        answers = run_for_answers(JobMsg(task_name=message.task, tasks=[message]), terminal, [name])
    else:
        answers = answers_of(terminal, [name], lambda: [by(message)])
    result: ReturnMessage = answers.results[0]
    is_whole = not any(getattr(result, part, ()) for part in PARTIAL_FAILURES)
    terminal.answer({"ok": is_whole, **result.serialize()})
    if not terminal.json_mode:
        terminal.show(*shown(result))
    return int(answers.exit_code if is_whole else ExitCode.PERMANENT_FAILURE)


def _option_name(field: str) -> str:
    return re.sub("_locs?$", "", field).removeprefix("nbr_")


def _flags(option: str, default: Any = None) -> tuple[str, ...]:
    dashed = option.replace("_", "-")
    if len(option) == 1:
        return (f"-{option}",)
    return ("/".join(f"--{word}" for word in (dashed, f"no-{dashed}")),) if default is True else (f"--{dashed}",)


def _annotation(
    how: Typed, option: str, metavar: str | None, default: Any, help_text: str, short: Sequence[str]
) -> Any:
    """The annotation of a parameter: an argument where it has a metavar, else an option."""
    if metavar is not None:
        kind = list[str] if metavar.endswith("...") else how.kind
        return Annotated[kind, typer.Argument(metavar=metavar, help=help_text)]
    kind = how.kind | None if default is None else how.kind
    if option == "extractor":
        help_text = f"{EXTRACTORS} {help_text}"
    return Annotated[kind, typer.Option(*_flags(option, default), *short, help=help_text, **how.settings)]


def _typed_fields(message_class: type[Message]) -> dict[str, Typed]:
    """How each field is typed, as the message's JSON Schema describes it."""
    from spacer_like.message_base import location_fields

    folders = {name for name, (_, folder) in location_fields(message_class).items() if folder is not None}
    properties = message_class.model_json_schema()["properties"]
    return {name: _typed(schema, "FOLDER" if name in folders else "FILE") for name, schema in properties.items()}


def _typed(schema: dict[str, Any], metavar: str) -> Typed:
    either = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    first = either[0]
    if "$ref" in first:
        return Typed(str, lambda text, option: location(text), {"metavar": metavar})
    if words := [one["const"] for one in either if "const" in one]:
        return Typed(str, partial(_number_or, words[0]), {"metavar": f"NUMBER|{words[0]}"})
    if "anyOf" in first:
        # Either number or nothing.
        return _typed(first, metavar)
    if first["type"] == "array":
        item = _typed(first["items"], metavar)
        metavar = item.settings.get("metavar") or {int: "INT", float: "FLOAT"}.get(item.kind, "TEXT")
        return Typed(str, partial(_items, item), {"metavar": f"{metavar},..."})
    if "enum" in first:
        return Typed(Literal[tuple(first["enum"])], _as_typed, {})
    if first["type"] in NUMBERS:
        return Typed(NUMBERS[first["type"]][0], _as_typed, _bounds({**first, **schema}))
    if first["type"] == "object":
        return Typed(str, _as_typed, {"metavar": "NAME"})
    return Typed(bool if first["type"] == "boolean" else str, _as_typed, {})


def _bounds(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The least and the greatest number; the message alone refuses a fraction at a bound that is excluded itself."""
    low, high = {"minimum": 0, "ge": 0}, {"maximum": 0, "le": 0}
    if schema["type"] == "integer":
        low, high = {**low, "gt": 1, "exclusiveMinimum": 1}, {**high, "lt": -1, "exclusiveMaximum": -1}
    return {
        name: next((schema[word] + by for word, by in words.items() if word in schema), None)
        for name, words in (("min", low), ("max", high))
    }


def _as_typed(value: Any, option: str) -> Any:
    return value


def _number_or(word: str, text: str, option: str) -> float | str:
    try:
        return text if text == word else float(text)
    except ValueError:
        raise SpacerInputError(f"{option} must be a number or {word}, and is '{text}'.") from None


def _items(item: Typed, typed: str | list[str], option: str) -> list[Any]:
    parts = typed if isinstance(typed, list) else [part.strip() for part in typed.split(BETWEEN_ITEMS) if part.strip()]
    try:
        return [item.read(item.kind(part) if item.kind in (int, float) else part, option) for part in parts]
    except ValueError as error:
        if isinstance(error, SpacerInputError):
            raise
        what = next(words for kind, words in NUMBERS.values() if kind is item.kind)
        raise SpacerInputError(f"{option} must be {what}, separated by commas, and is '{typed}'.") from None


def _extractor(given: Mapping[str, Any], *, has_own_weights: bool) -> dict[str, Any] | None:
    if given["extractor"] is not None:
        return extractor_described(given["extractor"], given["weights"], None)
    if given["weights"] is not None and not has_own_weights:
        raise SpacerInputError("The option --weights belongs to an extractor: name it with --extractor.")
    return None


def _default(message_class: type[Message], name: str) -> Any:
    """A field's default as text of the command line."""
    field = message_class.model_fields[name]
    if field.is_required():
        return REQUIRED
    value = field.get_default(call_default_factory=True)
    return (BETWEEN_ITEMS.join(map(str, value)) or None) if isinstance(value, list) else value


def _help(text: str, option: str, shown: Mapping[str, str]) -> str:
    """A text in the words of the command line: options in place of fields, and no marks of code."""
    text = text.replace("``", "")
    text = re.sub(r"`(\w+)`", lambda found: shown.get(found[1]) or COMMANDS.get(found[1], found[1]), text)
    text = re.sub(r"(^|\. )None: ", r"\1Without it: ", text).replace("None: ", "without it: ")
    text = text.replace("false: ", f"{_flags(option, True)[0].partition('/')[2]}: ")
    return text[:1].upper() + text[1:]
