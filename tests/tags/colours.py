"""Images of one colour, and models that tell red and blue apart by the mean colour."""

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from spacer_like.embeddings import extractor_encoder
from spacer_like.location import DataLocation
from spacer_like.storage import write_bytes
from spacer_like.tags.model_names import model_file_name
from spacer_like.tags.tag_model import TAG_MODEL, LinearScorer, TagModel
from spacer_like.testing.extractors import MeanColour

LR = "ovr-logistic-regression"
RED, BLUE = (200, 20, 20), (20, 20, 200)


def image(colour: tuple[int, int, int], size: int = 24, form: str = "PNG") -> bytes:
    stream = BytesIO()
    Image.new("RGB", (size, size), colour).save(stream, form)
    return stream.getvalue()


def encoder_id() -> str:
    return extractor_encoder(MeanColour(), whole_images=True).encoder_id


def colour_model(tag: str, channel: int, **fields) -> TagModel:
    """A model that is sure of images whose channel is bright, and sure that others are not of its tag."""
    dimension = extractor_encoder(MeanColour(), whole_images=True).dimension
    brightness = extractor_encoder(MeanColour(), whole_images=True).features(
        np.stack([np.full((MeanColour.CROP_SIZE, MeanColour.CROP_SIZE, 3), value, np.uint8) for value in (0, 255)])
    )
    weights = np.zeros(dimension)
    weights[channel] = 20 / (brightness[1, channel] - brightness[0, channel])
    bias = -weights[channel] * brightness.mean(axis=0)[channel]
    return TagModel(tag, fields.pop("model_type", LR), LinearScorer(weights, float(bias)), encoder_id(), **fields)


def store(folder: DataLocation, *models: TagModel) -> DataLocation:
    for model in models:
        write_bytes(folder.below(model_file_name(model.model_type, model.tag)), TAG_MODEL.to_bytes(model))
    return folder


def red_and_blue(folder: Path) -> DataLocation:
    """A folder with a model of red and one of blue."""
    return store(DataLocation("filesystem", str(folder)), colour_model("red", 0), colour_model("blue", 2))
