"""Models of tags read from a folder or a file: our own, and pickles of image-tagging-tools, which are never run."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from spacer_like.exceptions import ExtractorMismatchError, ModelFileError, visible
from spacer_like.learning.model_file import begins_as_safetensors
from spacer_like.learning.tag_pickles import read_tag_pickle
from spacer_like.storage import list_keys, read_bytes, read_many
from spacer_like.tags.model_names import MODEL_SUFFIXES, ModelName, is_utf8, model_file_name, parsed_model_name
from spacer_like.tags.tag_model import TAG_MODEL, TagModel, scorers_of

if TYPE_CHECKING:
    from spacer_like.location import DataLocation

_NAMED = 3


def read_tag_models(
    models_loc: DataLocation, tags: Collection[str] | None = None, model_types: Collection[str] | None = None
) -> list[TagModel]:
    """The models at a location, in the order of their types and tags.

    Args:
        models_loc: a folder or prefix, of whose files those that are named as models are read; or one model's file.
        tags, model_types: those of which models are wanted; None: of all.

    Raises:
        ModelFileError: there is no such model, one is damaged or unsafe, or two are of one tag and type.
        DataNotFoundError: the file does not exist.
    """
    if models_loc.filename.endswith(MODEL_SUFFIXES):
        found = {models_loc: tag_model_from_bytes(read_bytes(models_loc), models_loc)}
    else:
        locs = [loc for loc in model_locations(models_loc) if _may_be(loc, tags, model_types)]
        found = {loc: tag_model_from_bytes(data, loc) for loc, data in read_many(locs)}
    wanted = [
        (loc, model)
        for loc, model in found.items()
        if (tags is None or model.tag in tags) and (model_types is None or model.model_type in model_types)
    ]
    if not wanted:
        raise _no_model(models_loc, tags, model_types)
    models: dict[tuple[str, str], tuple[DataLocation, TagModel]] = {}
    for loc, model in sorted(wanted, key=lambda pair: (pair[1].model_type, pair[1].tag, pair[0].key)):
        other = models.setdefault((model.model_type, model.tag), (loc, model))[0]
        if other != loc:
            raise ModelFileError(
                f"'{other.display_name}' and '{loc.display_name}' are both models of the tag '{model.tag}' and the "
                f"type {model.model_type}: remove one of them."
            )
    return [model for _, model in models.values()]


def tags_by_type(models_loc: DataLocation) -> dict[str, list[str]]:
    """The tags of the models at a location, sorted, by the models' type; errors as `read_tag_models`."""
    found: dict[str, list[str]] = {}
    for model in read_tag_models(models_loc):
        found.setdefault(model.model_type, []).append(model.tag)
    return found


def model_locations(models_loc: DataLocation) -> list[DataLocation]:
    """The files of a folder that are named as models, in the order of their names; folders in it are not entered."""
    folder = models_loc.below("")
    locs = [
        loc
        for loc in list_keys(folder)
        if "/" not in loc.key[len(folder.key) :] and parsed_model_name(loc.filename) is not None
    ]
    return sorted(locs, key=lambda loc: loc.key)


def tag_model_location(models_loc: DataLocation, model_type: str, tag: str) -> DataLocation:
    """Where a model of a tag and type is, or would be, in a folder."""
    return models_loc.below(model_file_name(model_type, tag))


def tag_model_from_bytes(data: bytes, loc: DataLocation) -> TagModel:
    """The model in a file's bytes. Nothing in the file is ever run.

    Args:
        loc: where it is; of a pickle the name says which tag and type it is of.

    Raises:
        ModelFileError: the file is damaged or unsafe, holds no such model, or a pickle is not named as one.
    """
    name = f"'{loc.display_name}'"
    if begins_as_safetensors(data) or not loc.filename.endswith(".pkl"):
        return TAG_MODEL.from_bytes(data, name)
    said = _said_by(loc)
    if not is_utf8("".join(said)):
        raise ModelFileError(f"The name of the file {name} is no text in UTF-8: give it another one.")
    (scorer,) = scorers_of(read_tag_pickle(data, name))
    return TagModel(said.tag, said.model_type, scorer)


def check_models_encoder(models: Sequence[TagModel], encoder_id: str) -> None:
    """Refuse models that were trained on vectors of another encoder; one that does not say of which is taken.

    Raises:
        ExtractorMismatchError: there is one; the sentence names the first.
    """
    for model in models:
        if model.extractor_id is not None and model.extractor_id != encoder_id:
            raise ExtractorMismatchError(
                f"The {model.model_type} model of the tag '{model.tag}' was trained on vectors of the encoder "
                f"{model.extractor_id[:16]}, and these are of {encoder_id[:16]}: name the extractor that it was "
                "trained with, or train models on these vectors."
            )


def _no_model(
    models_loc: DataLocation, tags: Collection[str] | None, model_types: Collection[str] | None
) -> ModelFileError:
    """The error where no model is wanted, which says of which tags and types there are some."""
    of_tags = "" if tags is None else f" of {_some(tags)}"
    of_types = "" if model_types is None else f" of the type {' or '.join(sorted(model_types))}"
    is_file = models_loc.filename.endswith(MODEL_SUFFIXES)
    there = [said for loc in ([] if is_file else model_locations(models_loc)) if (said := _said_by(loc))]
    hint = "a model's file is called model-<type>-tag-<tag>.safetensors, and train_tags makes it."
    if there:
        types = " and ".join(sorted({visible(one.model_type) for one in there}))
        hint = f"there are those of the type {types} and the tags {_some({one.tag for one in there})}."
    return ModelFileError(f"There is no model{of_tags}{of_types} in '{models_loc.display_name}': {hint}")


def _some(tags: Collection[str]) -> str:
    """The first tags of some."""
    named = ", ".join(f"'{visible(tag)}'" for tag in sorted(tags)[:_NAMED])
    return f"{named} and {len(tags) - _NAMED} more" if len(tags) > _NAMED else named


def _may_be(loc: DataLocation, tags: Collection[str] | None, model_types: Collection[str] | None) -> bool:
    """Whether a file may hold a wanted model: its name may be one's own choice, and only its own names are sure."""
    said = _said_by(loc)
    if loc.filename != model_file_name(*said) and PurePosixPath(loc.key).suffix != ".pkl":
        return True
    return (tags is None or said.tag in tags) and (model_types is None or said.model_type in model_types)


def _said_by(loc: DataLocation) -> ModelName:
    said = parsed_model_name(loc.filename)
    if said is None:
        raise ModelFileError(
            f"The file '{loc.display_name}' does not say of which tag its model is: call it model-<type>-tag-<tag>.pkl."
        )
    return said
