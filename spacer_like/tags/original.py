"""The functions of image-tagging-tools by their names and parameters, over this package's tasks.

They take paths, as a person types them; the tasks of this family do the same for locations.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from spacer_like.exceptions import MessageError
from spacer_like.location import DataLocation
from spacer_like.tags.messages import (
    ClassifyImagesMsg,
    ClassifyImagesReturnMsg,
    ProcessImagesMsg,
    ProcessImagesReturnMsg,
    TrainTagsMsg,
    TrainTagsReturnMsg,
)
from spacer_like.tags.messages.process import DEFAULT_EXTRACTOR
from spacer_like.tags.model_names import model_file_name

if TYPE_CHECKING:
    from spacer_like.extractors.base import FeatureExtractor

FOLDER = "./output"
_DEVICES = (None, "cpu", "cuda")


def process_dataset(
    input_folder: str,
    output_folder: str = FOLDER,
    tagged_dataset: bool = True,
    extractor: FeatureExtractor | None = None,
    batch_size: int = 32,
    num_threads: int = 4,
    device: str | None = None,
) -> ProcessImagesReturnMsg:
    """Make the JSON files, ``stage1.db`` and the table ``embeddings.parquet`` of a folder or archive of images.

    Args:
        tagged_dataset: whether an image's tag is the name of its folder.
        extractor: what makes the vectors; None: EfficientNet-Lite0, which needs no file.
        batch_size, num_threads, device: accepted, and without influence: what the machine has is used, to the same
            vectors.

    Raises:
        MessageError: the device is none that there is.
        SpacerError: errors of `process_images`.
    """
    from spacer_like.tags.tasks.process import process_images

    if device not in _DEVICES:
        raise MessageError(f"The device must be cpu or cuda, and is '{device}'.")
    out = DataLocation.local(output_folder)
    return process_images(
        ProcessImagesMsg(
            images_loc=DataLocation.local(input_folder),
            embeddings_loc=out.below("embeddings.parquet"),
            tagged=tagged_dataset,
            metadata_json_loc=out.below("input-metadata.json"),
            tag_to_hash_json_loc=out.below("input-tag-to-image-hash-list.json") if tagged_dataset else None,
            hash_to_tag_json_loc=out.below("input-image-hash-to-tag-list.json") if tagged_dataset else None,
            database_loc=out.below("stage1.db"),
            extractor=extractor or DEFAULT_EXTRACTOR,
        )
    )


def train(
    metadata_json: str, tag_to_hash_json: str, output: str | None = None, test_per: float = 0.1
) -> TrainTagsReturnMsg:
    """Train the models of the tags in two JSON files, into the folders ``models`` and ``reports`` of an output folder.

    Raises:
        SpacerError: errors of `train_tags`.
    """
    from spacer_like.tags.tasks.train import train_tags

    out = DataLocation.local(output or FOLDER)
    return train_tags(
        TrainTagsMsg(
            metadata_json_loc=DataLocation.local(metadata_json),
            tag_to_hash_json_loc=DataLocation.local(tag_to_hash_json),
            models_loc=out.below("models"),
            reports_loc=out.below("reports"),
            split="first",
            test_share=test_per,
        )
    )


def classify_main(
    folder_path: str,
    output_dir: str | None = None,
    json_file_path: str | None = None,
    bins_number: int = 10,
    model_path: str | None = None,
    extractor: FeatureExtractor | None = None,
) -> ClassifyImagesReturnMsg:
    """Classify the images of a folder or an archive, or one image, and copy them to a folder for each score.

    Args:
        folder_path: archives in a folder are opened, too.
        output_dir: None: a folder in ``./output`` that bears the time.
        json_file_path: records of images whose vectors are known; None: every vector is made.
        model_path: a folder of models, or one model's file; None: ``./output/models``.
        extractor: the one that the models were trained with; None: EfficientNet-Lite0.

    Raises:
        SpacerError: errors of `classify_images`.
    """
    from spacer_like.tags.tasks.classify import classify_images

    folder = DataLocation.local(FOLDER)
    images = DataLocation.local(folder_path)
    named_by_time, database = default_outputs(images)
    return classify_images(
        ClassifyImagesMsg(
            images_loc=images,
            models_loc=folder.below("models") if model_path is None else DataLocation.local(model_path),
            output_loc=folder.below(named_by_time) if output_dir is None else DataLocation.local(output_dir),
            metadata_json_loc=None if json_file_path is None else DataLocation.local(json_file_path),
            bins=bins_number,
            database_loc=folder.below(database),
            extractor=extractor or DEFAULT_EXTRACTOR,
        )
    )


def default_outputs(images: DataLocation) -> tuple[str, str]:
    """The names of the folder, by the time, and of the database of a classification; archives have others."""
    from spacer_like.images.archive import archive_stem
    from spacer_like.storage import list_keys

    now = datetime.now()
    time = f"{now.month}_{now.day}_{now.hour}_{now.minute}"
    locs = [images] if archive_stem(images.filename)[1] else list_keys(images.below(""))
    if any(archive_stem(loc.filename)[1] for loc in locs):
        return f"tagging_output_from_zip-{time}", "stage4.db"
    return f"tagging_output_{time}", "stage3.db"


def list_models(folder: str = f"{FOLDER}/models") -> Mapping[str, list[str]]:
    """The tags of the models in a folder, sorted, by the models' type.

    Raises:
        ModelFileError: there is no model, or one is damaged.
    """
    from spacer_like.tags.model_folder import tags_by_type

    return tags_by_type(DataLocation.local(folder))


def generate_model_path(folder: str, model_type: str, tag_name: str) -> str | None:
    """The path of the model of a type and a tag in a folder; None where there is none."""
    names = (model_file_name(model_type, tag_name), f"model-{model_type}-tag-{tag_name}.pkl")
    return next((path for name in names if os.path.isfile(path := os.path.join(folder, name))), None)
