"""The task that trains a model of each tag."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from spacer_like.embeddings import check_same_encoder, duplicate_groups
from spacer_like.embeddings.embeddings_table import (
    OTHER_TRAINING,
    OTHER_VALIDATION,
    SPECIAL_TAGS,
    EmbeddingsTable,
    read_embeddings_table,
)
from spacer_like.exceptions import MessageError, TrainingLabelsError
from spacer_like.extras import package_versions
from spacer_like.overwriting import NamedLocation, check_locations, locations_of, task
from spacer_like.storage import open_file, read_bytes, storage_factory
from spacer_like.tables.corrections import read_corrections
from spacer_like.tags.labelled_images import (
    LabelledImages,
    labelled_images,
    with_reviewed,
)
from spacer_like.tags.messages import TagWithoutModel, TrainedTag, TrainTagsMsg, TrainTagsReturnMsg
from spacer_like.tags.model_folder import model_locations, tag_model_location
from spacer_like.tags.model_names import report_file_name
from spacer_like.tags.original_json import read_original_json, read_tag_to_hash
from spacer_like.tags.tag_model import TAG_MODEL
from spacer_like.tags.tag_reports import TagEvaluation, evaluate, report_json, report_text
from spacer_like.tags.tag_split import TagExamples, split_by_order, split_by_pixels, tag_targets
from spacer_like.tags.tag_training import train_models, why_untrained

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacer_like.location import DataLocation

_NAMED = 3


@dataclass(frozen=True)
class _Written:
    """A model with its report, and where they go."""

    evaluation: TagEvaluation
    model_loc: DataLocation
    report_locs: tuple[DataLocation, ...]


@task
def train_tags(msg: TrainTagsMsg) -> TrainTagsReturnMsg:
    """Train a model of each tag, and evaluate it on images that it has not learnt from.

    Models of tags that are not trained stay where they are.

    Raises:
        MessageError: not exactly one source of images is named, or no image has the tag ``other-training``.
        TableError: a malformed table, JSON file or file of corrections.
        ExtractorMismatchError: a reviewed table is of another encoder.
        TrainingLabelsError: nothing can be learnt of any tag.
    """
    start = time.perf_counter()
    there = model_locations(msg.models_loc)
    images = _read_images(msg)
    _correct(images, msg)
    groups = duplicate_groups(images.vectors, msg.duplicate_distance, "The table")
    examples, without = _examples(images, msg, groups)
    # Each type's models are in the order of the tags.
    by_type = [[*_trained(images, examples, one, groups, msg)] for one in dict.fromkeys(msg.model_types)]
    outputs = [_output(msg, evaluation) for of_tag in zip(*by_type, strict=True) for evaluation in of_tag]
    _check_outputs(msg, outputs)
    if msg.reports_loc is not None:
        _write(msg.reports_loc, _reports(outputs))
    made = {one.model_loc.key for one in outputs}
    earlier = [loc.filename for loc in there if loc.key not in made]
    # The models last: where one exists, its report does too.
    _write(msg.models_loc, ((one.model_loc, TAG_MODEL.to_bytes(one.evaluation.model)) for one in outputs))
    return TrainTagsReturnMsg(
        models=[_trained_tag(one) for one in outputs],
        without_model=without,
        n_earlier_models=len(earlier),
        earlier_models=earlier[:1000],
        n_images=len(images),
        n_corrections=len(images.answers),
        n_contradicted_corrections=images.n_contradicted,
        n_unknown_corrections=len(images.unknown),
        unknown_corrections=images.unknown[:1000],
        mean_average_precision=_means(outputs),
        runtime=time.perf_counter() - start,
    )


def _read_images(msg: TrainTagsMsg) -> LabelledImages:
    pair = (msg.metadata_json_loc, msg.tag_to_hash_json_loc)
    if (msg.embeddings_loc is None) == (pair == (None, None)):
        raise MessageError(
            "train_tags learns from embeddings_loc, or else from metadata_json_loc and tag_to_hash_json_loc: name one "
            "of the two."
        )
    if msg.embeddings_loc is not None:
        with open_file(msg.embeddings_loc) as file:
            return labelled_images(read_embeddings_table(file, msg.embeddings_loc.display_name))
    if msg.metadata_json_loc is None or msg.tag_to_hash_json_loc is None:
        raise MessageError("metadata_json_loc and tag_to_hash_json_loc belong together, and one of them is missing.")
    loc = msg.tag_to_hash_json_loc
    hashes_of_tag = read_tag_to_hash(read_bytes(loc), loc.display_name)
    loc = msg.metadata_json_loc
    return labelled_images(read_original_json(read_bytes(loc), loc.display_name, hashes_of_tag), hashes_of_tag)


def _correct(images: LabelledImages, msg: TrainTagsMsg) -> None:
    """Apply people's answers."""
    if msg.corrections_loc is None:
        if msg.reviewed_locs:
            raise MessageError("reviewed_locs are of images that corrections answer about: give corrections_loc, too.")
        return
    answers = read_corrections(read_bytes(msg.corrections_loc), msg.corrections_loc.display_name)
    with_reviewed(images, _reviewed(images, msg), answers)
    images.correct(answers)


def _reviewed(images: LabelledImages, msg: TrainTagsMsg) -> Iterator[EmbeddingsTable]:
    for loc in msg.reviewed_locs:
        with open_file(loc) as file:
            table = read_embeddings_table(file, loc.display_name)
        check_same_encoder(images.encoder_id, table.encoder_id, "What is learnt from")
        yield table


def _examples(
    images: LabelledImages, msg: TrainTagsMsg, groups: NDArray[np.int64]
) -> tuple[TagExamples, list[TagWithoutModel]]:
    """The examples of the tags that can be learnt, and the tags that cannot."""
    tags = images.tags if msg.tags is None else sorted({*msg.tags} - {*SPECIAL_TAGS})
    without = [TagWithoutModel(tag=tag, reason=_SPECIAL) for tag in SPECIAL_TAGS if tag in (msg.tags or ())]
    if msg.negatives == OTHER_TRAINING and not images.has(OTHER_TRAINING).any():
        raise MessageError(
            f"No image has the tag '{OTHER_TRAINING}', which tags are told from: add such images, or ask for "
            "negatives=rest, all images that do not have a tag."
        )
    targets = tag_targets(images, tags, msg.negatives)
    if msg.split == "first":
        examples = split_by_order(images, tags, targets, msg.test_share)
    else:
        examples = split_by_pixels(images, tags, targets, msg.test_share, groups, msg.seed)
    reasons = [why_untrained(examples, column) for column in range(len(tags))]
    without += [TagWithoutModel(tag=tag, reason=why) for tag, why in zip(tags, reasons, strict=True) if why]
    kept = [column for column, why in enumerate(reasons) if not why]
    if not kept:
        named = "; ".join(f"'{one.tag}': {one.reason}" for one in without[:_NAMED])
        raise TrainingLabelsError(f"Nothing can be learnt of any tag: {named or 'no image has a tag.'}")
    return examples.of_tags(kept), without


_SPECIAL = "It is what tags are told from or compared with, and gets none."


def _trained(
    images: LabelledImages, examples: TagExamples, model_type: str, groups: NDArray[np.int64], msg: TrainTagsMsg
) -> Iterator[TagEvaluation]:
    """The evaluations of the models of one type, which they hold."""
    trained = train_models(
        images.vectors,
        examples,
        model_type,
        groups,
        encoder_id=images.encoder_id,
        precision=msg.precision,
        seed=msg.seed,
    )
    versions = package_versions("numpy", "scikit-learn")
    is_out = images.has(OTHER_VALIDATION)
    for column, model in enumerate(trained.models):
        tested = examples.is_test[:, column], examples.is_trained[:, column]
        scores, targets = trained.scores[:, column], examples.targets[:, column]
        found = evaluate(model, scores, targets, tested, images.paths, is_out)
        metrics = {**found.metrics, "validation_is_held_out": found.is_held_out, "n_validation": len(found.test_has)}
        yield replace(found, model=replace(model, metrics=metrics, versions=versions))


def _output(msg: TrainTagsMsg, evaluation: TagEvaluation) -> _Written:
    model = evaluation.model
    reports = tuple(
        msg.reports_loc.below(report_file_name(model.model_type, model.tag, suffix))
        for suffix in (".txt", ".json")
        if msg.reports_loc is not None
    )
    return _Written(evaluation, tag_model_location(msg.models_loc, model.model_type, model.tag), reports)


def _check_outputs(msg: TrainTagsMsg, outputs: Sequence[_Written]) -> None:
    """Refuse files that would overwrite what is read or, where the case of letters is ignored, each other."""
    read = [named for named in locations_of(msg) if not named.is_output]
    models = [NamedLocation(f"the model of '{one.evaluation.model.tag}'", one.model_loc, True) for one in outputs]
    named = [(f"the report of '{one.evaluation.model.tag}'", loc) for one in outputs for loc in one.report_locs]
    reports = [NamedLocation(name, loc, True) for name, loc in named]
    check_locations([*read, *models, *reports])


def _reports(outputs: Sequence[_Written]) -> Iterator[tuple[DataLocation, bytes]]:
    for one in outputs:
        text, machine = one.report_locs
        yield text, report_text(one.evaluation).encode("utf-8", "backslashreplace")
        yield machine, report_json(one.evaluation)


def _write(folder: DataLocation, files: Iterator[tuple[DataLocation, bytes]]) -> None:
    storage = storage_factory(folder.storage_type, folder.bucket_name)
    storage.write_many((loc.key, [data]) for loc, data in files)


def _trained_tag(written: _Written) -> TrainedTag:
    evaluation, model = written.evaluation, written.evaluation.model
    held_out = evaluation.is_held_out
    metrics = evaluation.metrics if held_out else dict.fromkeys(evaluation.metrics)
    n_test_tag = int(evaluation.test_has.sum()) if held_out else 0
    return TrainedTag(
        tag=model.tag,
        model_type=model.model_type,
        model_loc=written.model_loc,
        n_tag=evaluation.n_learnt_tag,
        n_other=evaluation.n_learnt_other,
        n_test_tag=n_test_tag,
        n_test_other=len(evaluation.test_has) - n_test_tag if held_out else 0,
        threshold=model.threshold,
        review_threshold=model.review_threshold,
        accuracy=metrics["accuracy"],
        average_precision=metrics["average_precision"],
        roc_auc=metrics["roc_auc"],
    )


def _means(outputs: Sequence[_Written]) -> dict[str, float]:
    """The mean average precision of the models of each type of which it is known."""
    found: dict[str, list[float]] = {}
    for one in outputs:
        value = one.evaluation.metrics["average_precision"]
        if value is not None and one.evaluation.is_held_out:
            found.setdefault(one.evaluation.model.model_type, []).append(value)
    return {model_type: float(np.mean(values)) for model_type, values in found.items()}
