"""Two photographs' worth of points, extracted once with the default extractor and its real weights."""

import io

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from spacer_like.data_classes import DataLocation, ImageLabels
from spacer_like.extractors import EfficientNetLite0Extractor
from spacer_like.messages import ExtractFeaturesMsg, JobMsg
from spacer_like.storage import write_bytes
from spacer_like.tasks import process_job

POINTS = 45
CLASSES = ("dark", "medium", "bright")


def png(pixels):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture(scope="session")
def photographs(tmp_path_factory):
    """(location of the photograph, of its features, annotations) of each; labels are by the brightness of the pixel."""
    folder = tmp_path_factory.mktemp("photographs")
    random = np.random.default_rng(0)
    found = []
    for number, pixels in enumerate(load_sample_images().images):
        image = DataLocation("filesystem", str(folder / f"{number}.png"))
        write_bytes(image, png(pixels))
        rowcols = {tuple(random.integers(0, pixels.shape[:2]).tolist()) for _ in range(POINTS)}
        annotations = [(row, col, CLASSES[int(pixels[row, col].sum()) // 256]) for row, col in sorted(rowcols)]
        found.append((image, DataLocation("filesystem", str(folder / f"{number}.features")), annotations))
    return found


@pytest.fixture(scope="session")
def extracted(photographs):
    """The photographs after their features were extracted by one job."""
    # The environment of the oldest packages has none.
    pytest.importorskip("torch")
    job = JobMsg(
        "extract_features",
        [
            ExtractFeaturesMsg("", EfficientNetLite0Extractor(), [point[:2] for point in annotations], image, features)
            for image, features, annotations in photographs
        ],
    )
    answer = process_job(job)
    assert answer.ok, answer.error_message
    return photographs


@pytest.fixture(scope="session")
def labels(extracted):
    return ImageLabels({features: annotations for _, features, annotations in extracted})
