"""Sentences in the words of the command line: options instead of fields of messages, and where help is."""

from __future__ import annotations

import re
from typing import Any

_OLD_NAMES = {"--extractor-name": "--extractor"}
# Commands for those who write messages: what a field is called is what they want to know.
_ABOUT_MESSAGES = {"run", "validate", "schema", "env-job"}
# Fields of messages whose option is not called like them, without "_loc" or "_locs" at the end.
_OPTIONS = {
    "nbr_epochs": "epochs",
    "validation_share": "validation",
    "unfreeze_epochs": "unfreeze",
    "n_lists": "lists",
    "n_probe": "probe",
    "clf_type": "classifier",
    "previous_model_locs": "previous",
    "ard_loc": "tiles",
    "chips_loc": "out",
    "classifier_loc": "model",
    "feature_loc": "out",
    "sparse_locs": "out",
    "index_loc": "out",
    "embeddings_loc": "out",
    "embeddings_locs": "embeddings",
    "results_locs": "out",
    "table_locs": "out",
    "contact_sheet_loc": "sheet",
}
_FIELD = re.compile(rf"(?<![\w/.-])({'|'.join(_OPTIONS)}|[a-z]+(?:_[a-z]+)*_locs?)(?![\w/])(?:\.\d+)?")

_REFUSED = re.compile(r"(?:[^:]*: )?\w+Msg does not validate: ")
# A field with its path in pydantic's words, before what is wrong with it.
_CLAUSE = re.compile(r"(^|; )([a-z_]+)(?:\.[^;:]*)?: ")


def renamed(argument: str) -> str:
    """An argument with the name that its option has today.

    >>> renamed("--extractor-name=lite0")
    '--extractor=lite0'
    """
    name, equals, value = argument.partition("=")
    return _OLD_NAMES.get(name, name) + equals + value


def command_called(whole: Any, arguments: list[str]) -> tuple[str, Any]:
    """The command that arguments ask for, by its whole name, and what Typer made of it."""
    path, command = "spacer-like", whole
    for argument in arguments:
        if found := getattr(command, "commands", {}).get(argument):
            path, command = f"{path} {argument}", found
    return path, command


def in_options(text: str, path: str, command: Any) -> str:
    """A sentence about a request, with its fields called as the command's options are."""
    if path.split()[-1] in _ABOUT_MESSAGES:
        return text
    known = {option for one in command.params for option in (*one.opts, str(one.name).upper())}

    def option(field: str) -> str:
        plain = re.sub("_locs?$", "", field)
        words = (plain, _OPTIONS.get(field, plain))
        names = [name for one in words for name in (f"--{one.replace('_', '-')}", one.upper())]
        return next((one for one in names if one in known), f"the {plain.replace('_', ' ')}")

    refused = _REFUSED.match(text)
    if refused:
        text = _CLAUSE.sub(lambda clause: f"{clause[1]}{option(clause[2])}: ", text[refused.end() :])
    return _FIELD.sub(lambda match: option(match[1]), text)
