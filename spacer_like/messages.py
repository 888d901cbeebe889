"""The whole wire contract: every message of every family, and the two that carry them.

`TASKS` is the one table that knows which families there are; adding a family adds its lines here.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, NamedTuple, Self

from pydantic import BaseModel, PlainSerializer, StrictBool, StrictInt, field_validator
from pydantic_core.core_schema import ValidationInfo

from spacer_like.chips.messages import (
    BuildIndexMsg,
    BuildIndexReturnMsg,
    BuildLabelTableMsg,
    BuildLabelTableReturnMsg,
    ChipsFolderMsg,
    ChipsFolderReturnMsg,
    ChipTileMsg,
    ChipTileReturnMsg,
    EncodeChipsMsg,
    EncodeChipsReturnMsg,
    FetchLabelsMsg,
    FetchLabelsReturnMsg,
    FindSimilarMsg,
    FindSimilarReturnMsg,
    IndexNodataMsg,
    IndexNodataReturnMsg,
    LabelChipsMsg,
    LabelChipsReturnMsg,
    LocateChipMsg,
    LocateChipReturnMsg,
    PlotLabelsMsg,
    PlotLabelsReturnMsg,
    TrainMultilabelMsg,
    TrainMultilabelReturnMsg,
)
from spacer_like.data_classes import Annotation, DataClass, DataLocation, ImageLabels, LabelId, TrainingTaskLabels
from spacer_like.exceptions import MessageError
from spacer_like.message_base import BaseMessage, Message, ReturnMessage
from spacer_like.points.messages import (
    ClassifyFeaturesMsg,
    ClassifyImageMsg,
    ClassifyReturnMsg,
    ExtractFeaturesMsg,
    ExtractFeaturesReturnMsg,
    TrainClassifierMsg,
    TrainClassifierReturnMsg,
)
from spacer_like.rarity.messages import (
    AnalyzeScoresMsg,
    AnalyzeScoresReturnMsg,
    BucketizeScoresMsg,
    BucketizeScoresReturnMsg,
    CheckCollectionMsg,
    CheckCollectionReturnMsg,
    CompareRankingsMsg,
    CompareRankingsReturnMsg,
    ComputeHistogramMsg,
    ComputeHistogramReturnMsg,
    ConvertCollectionMsg,
    ConvertCollectionReturnMsg,
    EmbeddingScoreMsg,
    EmbeddingScoreReturnMsg,
    ExplainImageMsg,
    ExplainImageReturnMsg,
    MergeHistogramsMsg,
    MergeHistogramsReturnMsg,
    MergeScoresMsg,
    MergeScoresReturnMsg,
    ScoreCollectionMsg,
    ScoreCollectionReturnMsg,
    ScoreUnseenMsg,
    ScoreUnseenReturnMsg,
    TrainRarityClassifierMsg,
    TrainRarityClassifierReturnMsg,
)

__all__ = [
    "SCHEMA_VERSION",
    "TASKS",
    "AnalyzeScoresMsg",
    "AnalyzeScoresReturnMsg",
    "Annotation",
    "BucketizeScoresMsg",
    "BucketizeScoresReturnMsg",
    "BuildIndexMsg",
    "BuildIndexReturnMsg",
    "BuildLabelTableMsg",
    "BuildLabelTableReturnMsg",
    "CheckCollectionMsg",
    "CheckCollectionReturnMsg",
    "ChipTileMsg",
    "ChipTileReturnMsg",
    "ChipsFolderMsg",
    "ChipsFolderReturnMsg",
    "ClassifyFeaturesMsg",
    "ClassifyImageMsg",
    "ClassifyReturnMsg",
    "CompareRankingsMsg",
    "CompareRankingsReturnMsg",
    "ComputeHistogramMsg",
    "ComputeHistogramReturnMsg",
    "ConvertCollectionMsg",
    "ConvertCollectionReturnMsg",
    "DataClass",
    "DataLocation",
    "EmbeddingScoreMsg",
    "EmbeddingScoreReturnMsg",
    "EncodeChipsMsg",
    "EncodeChipsReturnMsg",
    "ExplainImageMsg",
    "ExplainImageReturnMsg",
    "ExtractFeaturesMsg",
    "ExtractFeaturesReturnMsg",
    "FetchLabelsMsg",
    "FetchLabelsReturnMsg",
    "FindSimilarMsg",
    "FindSimilarReturnMsg",
    "ImageLabels",
    "IndexNodataMsg",
    "IndexNodataReturnMsg",
    "JobMsg",
    "JobReturnMsg",
    "LabelChipsMsg",
    "LabelChipsReturnMsg",
    "LabelId",
    "LocateChipMsg",
    "LocateChipReturnMsg",
    "MergeHistogramsMsg",
    "MergeHistogramsReturnMsg",
    "MergeScoresMsg",
    "MergeScoresReturnMsg",
    "PlotLabelsMsg",
    "PlotLabelsReturnMsg",
    "ScoreCollectionMsg",
    "ScoreCollectionReturnMsg",
    "ScoreUnseenMsg",
    "ScoreUnseenReturnMsg",
    "TaskOutcome",
    "TrainClassifierMsg",
    "TrainClassifierReturnMsg",
    "TrainMultilabelMsg",
    "TrainMultilabelReturnMsg",
    "TrainRarityClassifierMsg",
    "TrainRarityClassifierReturnMsg",
    "TrainingTaskLabels",
    "json_schema",
]

SCHEMA_VERSION = 1


class Task(NamedTuple):
    """The messages of a task, and the module whose function of the task's name answers them."""

    message: type[Message]
    return_message: type[ReturnMessage]
    module: str


TASKS: dict[str, Task] = {
    task.message.task: task
    for task in (
        Task(ExtractFeaturesMsg, ExtractFeaturesReturnMsg, "spacer_like.points.tasks"),
        Task(TrainClassifierMsg, TrainClassifierReturnMsg, "spacer_like.points.tasks"),
        Task(ClassifyFeaturesMsg, ClassifyReturnMsg, "spacer_like.points.tasks"),
        Task(ClassifyImageMsg, ClassifyReturnMsg, "spacer_like.points.tasks"),
        Task(CheckCollectionMsg, CheckCollectionReturnMsg, "spacer_like.rarity.tasks.collections"),
        Task(ConvertCollectionMsg, ConvertCollectionReturnMsg, "spacer_like.rarity.tasks.collections"),
        Task(ComputeHistogramMsg, ComputeHistogramReturnMsg, "spacer_like.rarity.tasks.histograms"),
        Task(MergeHistogramsMsg, MergeHistogramsReturnMsg, "spacer_like.rarity.tasks.histograms"),
        Task(ScoreCollectionMsg, ScoreCollectionReturnMsg, "spacer_like.rarity.tasks.scoring"),
        Task(ScoreUnseenMsg, ScoreUnseenReturnMsg, "spacer_like.rarity.tasks.scoring"),
        Task(ExplainImageMsg, ExplainImageReturnMsg, "spacer_like.rarity.tasks.scoring"),
        Task(MergeScoresMsg, MergeScoresReturnMsg, "spacer_like.rarity.tasks.tables"),
        Task(AnalyzeScoresMsg, AnalyzeScoresReturnMsg, "spacer_like.rarity.tasks.tables"),
        Task(BucketizeScoresMsg, BucketizeScoresReturnMsg, "spacer_like.rarity.tasks.tables"),
        Task(CompareRankingsMsg, CompareRankingsReturnMsg, "spacer_like.rarity.tasks.tables"),
        Task(TrainRarityClassifierMsg, TrainRarityClassifierReturnMsg, "spacer_like.rarity.tasks.embeddings"),
        Task(EmbeddingScoreMsg, EmbeddingScoreReturnMsg, "spacer_like.rarity.tasks.embeddings"),
        Task(ChipTileMsg, ChipTileReturnMsg, "spacer_like.chips.tasks.tiles"),
        Task(ChipsFolderMsg, ChipsFolderReturnMsg, "spacer_like.chips.tasks.tiles"),
        Task(IndexNodataMsg, IndexNodataReturnMsg, "spacer_like.chips.tasks.chips"),
        Task(LocateChipMsg, LocateChipReturnMsg, "spacer_like.chips.tasks.chips"),
        Task(FetchLabelsMsg, FetchLabelsReturnMsg, "spacer_like.chips.tasks.labels"),
        Task(BuildLabelTableMsg, BuildLabelTableReturnMsg, "spacer_like.chips.tasks.label_tables"),
        Task(PlotLabelsMsg, PlotLabelsReturnMsg, "spacer_like.chips.tasks.label_tables"),
        Task(TrainMultilabelMsg, TrainMultilabelReturnMsg, "spacer_like.chips.tasks.models"),
        Task(LabelChipsMsg, LabelChipsReturnMsg, "spacer_like.chips.tasks.models"),
        Task(EncodeChipsMsg, EncodeChipsReturnMsg, "spacer_like.chips.tasks.search"),
        Task(BuildIndexMsg, BuildIndexReturnMsg, "spacer_like.chips.tasks.search"),
        Task(FindSimilarMsg, FindSimilarReturnMsg, "spacer_like.chips.tasks.search"),
    )
}


def _serialize_all(messages: list[BaseMessage] | None) -> list[dict[str, Any]] | None:
    return None if messages is None else [message.serialize() for message in messages]


class JobMsg(Message):
    """A job: one or more requests to the same task.

    >>> JobMsg.example().task_name
    'classify_image'
    """

    task_name: str
    tasks: Annotated[list[Any], PlainSerializer(_serialize_all)]
    schema_version: StrictInt = SCHEMA_VERSION

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
        return cls(task_name="classify_image", tasks=[ClassifyImageMsg.example()])


class TaskOutcome(ReturnMessage):
    """How one task of a job that did not wholly succeed has ended.

    Fields:
        status: ``done``, ``failed``, or ``not_run`` where the job was ended before its turn.
        result: the return message, if done.
        error_class: the error's dotted name, if failed.
        error_message: its sentence.
        transient: whether doing the task again may succeed.
    """

    omitted_when_none: ClassVar[frozenset[str]] = frozenset({"result", "error_class", "error_message", "transient"})

    status: str
    result: Annotated[
        Any, PlainSerializer(lambda value: value.serialize() if isinstance(value, BaseMessage) else value)
    ] = None
    error_class: str | None = None
    error_message: str | None = None
    transient: bool | None = None


class JobReturnMsg(ReturnMessage):
    """What became of a job.

    Fields:
        original_job: the job; the JSON as it was found where it could not be read as one.
        ok: whether every task succeeded.
        results: one return message a task if ok, else None.
        error_message: the traceback of the first failure, else None.
        outcomes: how each task ended, where a job of several tasks was not ok.
    """

    omitted_when_none: ClassVar[frozenset[str]] = frozenset({"outcomes"})

    original_job: Annotated[Any, PlainSerializer(lambda job: job.serialize() if isinstance(job, JobMsg) else job)]
    ok: StrictBool
    results: Annotated[list[Any] | None, PlainSerializer(_serialize_all)]
    error_message: str | None
    outcomes: Annotated[list[Any] | None, PlainSerializer(_serialize_all)] = None

    @field_validator("original_job")
    @classmethod
    def _read_job(cls, job: Any) -> Any:
        if isinstance(job, dict) and job.get("task_name") in TASKS:
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
        return cls(original_job=JobMsg.example(), ok=True, results=[ClassifyReturnMsg.example()], error_message=None)


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
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"spacer_like job message, version {SCHEMA_VERSION}",
        "$defs": definitions["$defs"],
        "oneOf": [
            {
                "type": "object",
                "properties": {
                    "task_name": {"const": name},
                    "tasks": {"type": "array", "items": {"$ref": f"#/$defs/{task.message.__name__}"}},
                    "schema_version": {
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
