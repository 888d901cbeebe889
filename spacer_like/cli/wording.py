"""Sentences in the words of the command line: its options and commands instead of the fields of messages and tasks."""

from __future__ import annotations

import re
from contextvars import ContextVar
from typing import Any

_OLD_NAMES = {"--extractor-name": "--extractor"}
COMMANDS = {
    "pack_features": "spacer-like pack-features",
    "estimate_cover": "spacer-like cover",
    "plan_survey": "spacer-like plan",
    "suggest_labels": "spacer-like suggest",
    "chips_folder": "spacer-like chips cut",
    "cut_rasters": "spacer-like chips cut",
    "map_scores": "spacer-like chips map",
    "index_nodata": "spacer-like chips nodata",
    "locate_chip": "spacer-like chips locate",
    "label_from_features": "spacer-like chips label-features",
    "label_from_mask": "spacer-like chips label-mask",
    "export_coco": "spacer-like chips coco",
    "visualize_chip": "spacer-like chips show",
    "fetch_labels": "spacer-like chips fetch-labels",
    "build_label_table": "spacer-like chips label-table",
    "plot_labels": "spacer-like chips plot-labels",
    "train_multilabel": "spacer-like chips train",
    "label_chips": "spacer-like chips label",
    "encode_chips": "spacer-like chips encode",
    "build_index": "spacer-like chips index",
    "find_similar": "spacer-like chips similar",
    "rank_places": "spacer-like chips rank",
    "process_images": "spacer-like tags process",
    "train_tags": "spacer-like tags train",
    "classify_images": "spacer-like tags classify",
    "suggest_review": "spacer-like tags review",
    "find_similar_images": "spacer-like tags similar",
    "find_duplicates": "spacer-like tags duplicates",
    "find_wrong_labels": "spacer-like wrong-labels",
    "prepare_images": "spacer-like regression prepare",
    "pack_dataset": "spacer-like regression pack",
    "split_dataset": "spacer-like regression split",
    "augment_dataset": "spacer-like regression augment",
    "simulate_galaxies": "spacer-like regression simulate",
    "measure_axis_ratios": "spacer-like regression measure",
    "train_regressor": "spacer-like regression train",
    "train_good_bad": "spacer-like regression good-bad",
    "calibrate_regressor": "spacer-like regression calibrate",
    "evaluate_regressor": "spacer-like regression evaluate",
    "predict_regressor": "spacer-like regression predict",
    "import_keras_weights": "spacer-like regression import-weights",
    "export_onnx": "spacer-like regression export-onnx",
}
"""The command that answers a task, for texts and sentences that name the task."""
# Commands for those who write messages: what a field is called is what they want to know.
_ABOUT_MESSAGES = {"run", "validate", "schema", "env-job"}
# Fields whose option is not called like them, without "_loc" or "_locs" at the end, of commands that are not made of a
# message (see `from_message`).
_OPTIONS = {
    "nbr_epochs": "epochs",
    "clf_type": "classifier",
    "previous_model_locs": "previous",
    "classifier_loc": "model",
    "feature_loc": "out",
    "wrong_loc": "out",
}
_FIELD = re.compile(rf"(?<![\w/.-])({'|'.join(_OPTIONS)}|[a-z]+(?:_[a-z]+)+)(?![\w/])(?:\.\d+)?")

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
    """The full name of the command in the arguments, and its Typer object."""
    path, command = "spacer-like", whole
    for argument in arguments:
        if found := getattr(command, "commands", {}).get(argument):
            path, command = f"{path} {argument}", found
    return path, command


_spoken: ContextVar[tuple[str, Any] | None] = ContextVar("_spoken", default=None)


def speak_of(path: str, command: Any) -> None:
    """Word all further sentences for this command; arguments as `command_called` returns them."""
    _spoken.set((path, command))


def in_options(text: str) -> str:
    """A sentence about a request, with its fields called as the running command's options are."""
    path, command = _spoken.get() or ("", None)
    if command is None or path.split()[-1] in _ABOUT_MESSAGES:
        return text
    known = {option for one in command.params for option in (*one.opts, str(one.name).upper())}
    of_message = getattr(command.callback, "option_of", {})

    def option(field: str) -> str:
        if field in of_message:
            return str(of_message[field])
        plain = re.sub("_locs?$", "", field)
        words = (plain, _OPTIONS.get(field, plain))
        names = [name for one in words for name in (f"--{one.replace('_', '-')}", one.upper())]
        return next((one for one in names if one in known), f"the {plain.replace('_', ' ')}")

    def renamed_field(match: re.Match[str]) -> str:
        # A quoted name is somebody's own.
        if match[1] in COMMANDS and not text[: match.start()].endswith("'"):
            return COMMANDS[match[1]]
        is_field = match[1] in of_message or match[1] in _OPTIONS or re.search("_locs?$", match[1])
        return option(match[1]) if is_field else match[0]

    refused = _REFUSED.match(text)
    if refused:
        text = _CLAUSE.sub(lambda clause: f"{clause[1]}{option(clause[2])}: ", text[refused.end() :])
    return _FIELD.sub(renamed_field, text)
