"""The whole wire contract: every message of every family, and the two that carry them.

`TASKS` is the one table that knows which families there are; adding a family adds its lines here, and its messages to
the imports for type checkers. A family's messages are imported when one of them is first asked for: who submits jobs
of one family does not wait for the others.
"""

from __future__ import annotations

import hashlib
import json
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, NamedTuple, cast, overload

from pydantic import BaseModel, PlainSerializer, StrictBool, StrictInt, field_validator
from pydantic_core.core_schema import ValidationInfo
from typing_extensions import Self

from spacer_like.data_classes import Annotation, DataClass, DataLocation, ImageLabels, LabelId, TrainingTaskLabels
from spacer_like.exceptions import MessageError
from spacer_like.message_base import Answered, BaseMessage, Message, Result, ReturnMessage, field_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spacer_like.chips.messages import *  # noqa: F403
    from spacer_like.points.messages import *  # noqa: F403
    from spacer_like.rarity.messages import *  # noqa: F403
    from spacer_like.regression.messages import *  # noqa: F403
    from spacer_like.tags.messages import *  # noqa: F403
    from spacer_like.wrong_labels.messages import *  # noqa: F403


class Task(NamedTuple):
    """A task by its name, and the module whose function of that name answers it.

    Its messages are those of its family: of ``chip_tile`` ChipTileMsg and, unless another is named, ChipTileReturnMsg.
    """

    name: str
    module: str
    named_return: str | None = None

    @property
    def messages_module(self) -> str:
        return ".".join([*self.module.split(".")[:2], "messages"])

    @property
    def message_name(self) -> str:
        return f"{self._base_name}Msg"

    @property
    def return_message_name(self) -> str:
        return self.named_return or f"{self._base_name}ReturnMsg"

    @property
    def message(self) -> type[Message]:
        found: type[Message] = getattr(import_module(self.messages_module), self.message_name)
        return found

    @property
    def return_message(self) -> type[ReturnMessage]:
        found: type[ReturnMessage] = getattr(import_module(self.messages_module), self.return_message_name)
        return found

    @property
    def _base_name(self) -> str:
        return self.name.title().replace("_", "")


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task("extract_features", "spacer_like.points.tasks.classifier"),
        Task("train_classifier", "spacer_like.points.tasks.classifier"),
        Task("classify_features", "spacer_like.points.tasks.classifier", "ClassifyReturnMsg"),
        Task("classify_image", "spacer_like.points.tasks.classifier", "ClassifyReturnMsg"),
        Task("pack_features", "spacer_like.points.tasks.pack"),
        Task("estimate_cover", "spacer_like.points.tasks.cover"),
        Task("plan_survey", "spacer_like.points.tasks.plan"),
        Task("suggest_labels", "spacer_like.points.tasks.suggest"),
        Task("check_collection", "spacer_like.rarity.tasks.collections"),
        Task("convert_collection", "spacer_like.rarity.tasks.collections"),
        Task("compute_histogram", "spacer_like.rarity.tasks.histograms"),
        Task("merge_histograms", "spacer_like.rarity.tasks.histograms"),
        Task("score_collection", "spacer_like.rarity.tasks.scoring"),
        Task("score_unseen", "spacer_like.rarity.tasks.scoring"),
        Task("explain_image", "spacer_like.rarity.tasks.scoring"),
        Task("merge_scores", "spacer_like.rarity.tasks.tables"),
        Task("analyze_scores", "spacer_like.rarity.tasks.tables"),
        Task("bucketize_scores", "spacer_like.rarity.tasks.tables"),
        Task("compare_rankings", "spacer_like.rarity.tasks.tables"),
        Task("train_rarity_classifier", "spacer_like.rarity.tasks.embeddings"),
        Task("embedding_score", "spacer_like.rarity.tasks.embeddings"),
        Task("chip_tile", "spacer_like.chips.tasks.tiles"),
        Task("chips_folder", "spacer_like.chips.tasks.tiles"),
        Task("cut_raster", "spacer_like.chips.tasks.rasters"),
        Task("cut_rasters", "spacer_like.chips.tasks.raster_sets"),
        Task("map_scores", "spacer_like.chips.tasks.score_maps"),
        Task("index_nodata", "spacer_like.chips.tasks.chips"),
        Task("locate_chip", "spacer_like.chips.tasks.chips"),
        Task("fetch_labels", "spacer_like.chips.tasks.labels"),
        Task("build_label_table", "spacer_like.chips.tasks.label_tables"),
        Task("label_from_features", "spacer_like.chips.tasks.label_sources"),
        Task("label_from_mask", "spacer_like.chips.tasks.label_sources"),
        Task("export_coco", "spacer_like.chips.tasks.exports"),
        Task("visualize_chip", "spacer_like.chips.tasks.exports"),
        Task("plot_labels", "spacer_like.chips.tasks.label_tables"),
        Task("train_multilabel", "spacer_like.chips.tasks.models"),
        Task("label_chips", "spacer_like.chips.tasks.models"),
        Task("encode_chips", "spacer_like.chips.tasks.search"),
        Task("build_index", "spacer_like.chips.tasks.search"),
        Task("find_similar", "spacer_like.chips.tasks.search"),
        Task("rank_places", "spacer_like.chips.tasks.ranking"),
        Task("process_images", "spacer_like.tags.tasks.process"),
        Task("find_duplicates", "spacer_like.tags.tasks.duplicates"),
        Task("find_similar_images", "spacer_like.tags.tasks.duplicates"),
        Task("train_tags", "spacer_like.tags.tasks.train"),
        Task("classify_images", "spacer_like.tags.tasks.classify"),
        Task("suggest_review", "spacer_like.tags.tasks.review"),
        Task("find_wrong_labels", "spacer_like.wrong_labels.tasks"),
        Task("prepare_images", "spacer_like.regression.tasks.prepare"),
        Task("pack_dataset", "spacer_like.regression.tasks.pack"),
        Task("split_dataset", "spacer_like.regression.tasks.split"),
        Task("augment_dataset", "spacer_like.regression.tasks.augment"),
        Task("import_keras_weights", "spacer_like.regression.tasks.weights"),
        Task("export_onnx", "spacer_like.regression.tasks.weights"),
        Task("train_regressor", "spacer_like.regression.tasks.train"),
        Task("train_good_bad", "spacer_like.regression.tasks.train"),
        Task("simulate_galaxies", "spacer_like.regression.tasks.simulate"),
        Task("measure_axis_ratios", "spacer_like.regression.tasks.axis_ratio"),
        Task("calibrate_regressor", "spacer_like.regression.tasks.calibrate"),
        Task("predict_regressor", "spacer_like.regression.tasks.predict"),
        Task("evaluate_regressor", "spacer_like.regression.tasks.evaluate"),
    )
}
SCHEMA_VERSION = 1

_MESSAGES_MODULES = {
    name: task.messages_module for task in TASKS.values() for name in (task.message_name, task.return_message_name)
}

__all__ = [
    "SCHEMA_VERSION",
    "TASKS",
    "Annotation",
    "DataClass",
    "DataLocation",
    "ImageLabels",
    "JobMsg",
    "JobReturnMsg",
    "LabelId",
    "TaskOutcome",
    "TrainingTaskLabels",
    "json_schema",
    *_MESSAGES_MODULES,
]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in _MESSAGES_MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_MESSAGES_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MESSAGES_MODULES})


def _serialize_all(messages: list[BaseMessage] | None) -> list[dict[str, Any]] | None:
    return None if messages is None else [message.serialize() for message in messages]


class JobMsg(Message, Generic[Result]):
    """A job: one or more requests to the same task.

    Fields:
        task_name: the task that answers the requests.
        tasks: the requests, all of them messages of that task.
        schema_version: version of the messages' layout.

    >>> JobMsg.example().task_name
    'classify_image'
    """

    task_name: str
    tasks: Annotated[list[Any], PlainSerializer(_serialize_all)]
    schema_version: StrictInt = SCHEMA_VERSION

    if TYPE_CHECKING:

        @overload
        def __init__(
            self, task_name: str, tasks: Sequence[Answered[Result]], schema_version: int = SCHEMA_VERSION
        ) -> None: ...

        @overload
        def __init__(
            self: JobMsg[Any],
            task_name: str,
            tasks: Sequence[Message | dict[str, Any]],
            schema_version: int = SCHEMA_VERSION,
        ) -> None: ...

        def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    @field_validator("task_name")
    @classmethod
    def _check_task_name(cls, name: str) -> str:
        if name not in TASKS:
            raise MessageError(f"the task '{name}' is unknown; it must be one of {', '.join(TASKS)}")
        return name

    @field_validator("tasks")
    @classmethod
    def _read_tasks(cls, tasks: list[Any], info: ValidationInfo) -> list[Message]:
        name = info.data.get("task_name")
        return [_read(TASKS[name].message, task, number) for number, task in enumerate(tasks)] if name else []

    @field_validator("schema_version")
    @classmethod
    def _check_version(cls, version: int) -> int:
        if not 1 <= version <= SCHEMA_VERSION:
            raise MessageError(f"messages of version {version} are not known here, only up to {SCHEMA_VERSION}")
        return version

    @classmethod
    def example(cls) -> Self:
        return cls(task_name="classify_image", tasks=[TASKS["classify_image"].message.example()])


class TaskOutcome(ReturnMessage):
    """How one task of a job ended, in a job that did not wholly succeed.

    Fields:
        status: ``done``, ``failed``, or ``not_run`` where the job ended before its turn.
        result: the return message; None: the task is not done.
        error_class: dotted name of the error's class; None: the task did not fail.
        error_message: the error in one sentence; None: the task did not fail.
        transient: whether another attempt may succeed; None: the task did not fail.
    """

    omitted_when_none: ClassVar[frozenset[str]] = frozenset({"result", "error_class", "error_message", "transient"})

    status: str
    result: Annotated[
        Any, PlainSerializer(lambda value: value.serialize() if isinstance(value, BaseMessage) else value)
    ] = None
    error_class: str | None = None
    error_message: str | None = None
    transient: bool | None = None


# Validation takes dictionaries as well.
if TYPE_CHECKING:
    Outcomes = list[TaskOutcome]
else:
    Outcomes = list[Any]


class JobReturnMsg(ReturnMessage, Generic[Result]):
    """The results of a job.

    Fields:
        original_job: the job; the JSON as it was found where it could not be read as one.
        ok: whether every task succeeded.
        results: the return message of each task, in the order of the requests; None: a task did not succeed.
        error_message: traceback of the first failure; None: every task succeeded.
        outcomes: how each task ended, where a job of several tasks did not succeed; None: it did, or had one task.
    """

    omitted_when_none: ClassVar[frozenset[str]] = frozenset({"outcomes"})
    WHEN_TOO_LARGE: ClassVar[str] = (
        "Divide the job, give each classifying task a scores_loc, where its scores go in a file of their own, switch "
        "ECHO_TRAINING_LABELS off for a training, or raise the setting MAX_MESSAGE_BYTES."
    )

    original_job: Annotated[Any, PlainSerializer(lambda job: job.serialize() if isinstance(job, JobMsg) else job)]
    ok: StrictBool
    results: Annotated[list[Result] | None, PlainSerializer(_serialize_all)]
    error_message: str | None
    outcomes: Annotated[Outcomes | None, PlainSerializer(_serialize_all)] = None

    @field_validator("original_job")
    @classmethod
    def _read_job(cls, job: Any) -> Any:
        if isinstance(job, dict) and isinstance(name := job.get("task_name"), str) and name in TASKS:
            try:
                return JobMsg.deserialize(job)
            except MessageError:
                # The job whose failure this message reports may be the very message that does not validate.
                return job
        return job

    @field_validator("results")
    @classmethod
    def _read_results(cls, results: list[Any] | None, info: ValidationInfo) -> list[Any] | None:
        return _read_returns(results, info)

    @field_validator("outcomes")
    @classmethod
    def _read_outcomes(cls, outcomes: list[Any] | None, info: ValidationInfo) -> list[Any] | None:
        if outcomes is None:
            return None
        found = [_read(TaskOutcome, outcome, number) for number, outcome in enumerate(outcomes)]
        results = _read_returns([outcome.result for outcome in found], info) or []
        return [outcome.model_copy(update={"result": result}) for outcome, result in zip(found, results, strict=True)]

    @classmethod
    def example(cls) -> Self:
        return cls(
            original_job=JobMsg.example(),
            ok=True,
            results=[cast("Any", TASKS["classify_image"].return_message.example())],
            error_message=None,
        )


def _read(message_class: type[BaseMessage], value: Any, number: int) -> Any:
    if isinstance(value, message_class):
        return value
    try:
        return message_class.deserialize(value)
    except MessageError as error:
        raise MessageError(f"number {number}: {error}") from None


def _read_returns(results: list[Any] | None, info: ValidationInfo) -> list[Any] | None:
    job = info.data.get("original_job")
    if results is None or not isinstance(job, JobMsg):
        return results
    return_message = TASKS[job.task_name].return_message
    return [None if result is None else _read(return_message, result, number) for number, result in enumerate(results)]


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a job message and, under ``$defs``, of every message it may carry and every answer.

    >>> sorted(json_schema())[:2]
    ['$defs', '$schema']
    """
    from pydantic.json_schema import models_json_schema

    messages: list[type[BaseModel]] = [JobReturnMsg, TaskOutcome]
    for task in TASKS.values():
        messages += [message for message in (task.message, task.return_message) if message not in messages]
    _, definitions = models_json_schema([(message, "validation") for message in messages])
    texts = field_texts(JobMsg)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"spacer_like job message, version {SCHEMA_VERSION}",
        "$defs": definitions["$defs"],
        "oneOf": [
            {
                "type": "object",
                "properties": {
                    "task_name": {"const": name, "description": texts["task_name"]},
                    "tasks": {
                        "type": "array",
                        "items": {"$ref": f"#/$defs/{task.message.__name__}"},
                        "description": texts["tasks"],
                    },
                    "schema_version": {
                        "description": texts["schema_version"],
                        "type": "integer",
                        "minimum": 1,
                        "maximum": SCHEMA_VERSION,
                        "default": SCHEMA_VERSION,
                    },
                },
                "required": ["task_name", "tasks"],
                "additionalProperties": False,
            }
            for name, task in TASKS.items()
        ],
    }


def digest_of(message: Message) -> str:
    """The SHA-256 (hexadecimal) of a request; equal requests have the same one."""
    described = json.dumps([message.task, message.serialize()], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(described.encode()).hexdigest()
