"""Labels of points, tags and chips, a few of which are wrong, with their features and pictures."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from spacer_like.data_classes import ImageFeatures, ImageLabels, PointFeatures
from spacer_like.embeddings import write_embeddings
from spacer_like.embeddings.embeddings_table import EmbeddingsTable
from spacer_like.location import DataLocation
from spacer_like.tables.files import table_bytes

from ..tags.tag_making import ENCODER, record, stored

D, IMAGES, POINTS = 8, 8, 9
SHADES = {"coral": (200, 40, 40), "sand": (220, 210, 150), "alga": (30, 160, 60)}
CLASSES = sorted(SHADES)


def loc(path: Path) -> DataLocation:
    return DataLocation("filesystem", str(path))


def picture(shade, size: int = 64) -> bytes:
    stream = BytesIO()
    Image.new("RGB", (size, size), shade).save(stream, "PNG")
    return stream.getvalue()


def vectors(labels: np.ndarray, k: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return (np.eye(k, D)[labels] * 4 + random.normal(size=(len(labels), D))).astype(np.float32)


def points(folder: Path) -> tuple[ImageLabels, dict[tuple[str, int, int], str]]:
    """Labels by feature file, and the true ones of those that are wrong, by image, row and column; and pictures."""
    labels, wrong = ImageLabels(), {}
    (folder / "images").mkdir()
    for number in range(IMAGES):
        name = f"{number}.png"
        (folder / "images" / name).write_bytes(picture(SHADES[CLASSES[number % 3]]))
        true = np.arange(POINTS) % 3
        at = [(6 * point + 3, 5 * point + 4) for point in range(POINTS)]
        made = vectors(true, 3, number)
        features = ImageFeatures(
            [PointFeatures(row, col, vector) for (row, col), vector in zip(at, made.tolist(), strict=True)],
            True,
            D,
            POINTS,
        )
        file = loc(folder / "features" / f"{name}.features")
        features.store(file)
        given = [CLASSES[one] for one in true]
        if number < 4:
            wrong[(name, *at[number])] = given[number]
            given[number] = CLASSES[(true[number] + 1) % 3]
        labels.add_image(file, [(row, col, label) for (row, col), label in zip(at, given, strict=True)])
    return labels, wrong


def tags(folder: Path) -> tuple[DataLocation, set[str]]:
    """A table of images with one tag each, and the paths of those whose tag is wrong; and pictures."""
    true = np.arange(60) % 3
    records, wrong = [], set()
    for number, one in enumerate(true):
        tag = CLASSES[one]
        if number in (4, 11):
            tag = CLASSES[(one + 1) % 3]
            wrong.add(f"in/{tag}/{number}.png")
        records.append(record(f"in/{tag}/{number}.png", tag))
        file = folder / "in" / tag / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(picture(SHADES[CLASSES[one]]))
    table = EmbeddingsTable("table", ENCODER, records, vectors(true, 3))
    return stored(table, loc(folder / "embeddings.parquet")), wrong


def chips(folder: Path) -> tuple[DataLocation, DataLocation, set[tuple[str, str]]]:
    """Vectors of chips in many neighbourhoods, a table of two labels, and which labels of which chips are wrong."""
    random = np.random.default_rng(3)
    has = random.random((120, 2)) < 0.5
    names = [f"M14-{8 * (number // 2)}-{number % 2}_a.png" for number in range(120)]
    made = (has @ np.eye(2, D) * 4 + random.normal(size=(120, D)) * 0.5).astype(np.float32)
    given = has.copy()
    given[[5, 40], [0, 1]] ^= True
    columns = {
        "Feature": names,
        **{label: given[:, place].astype(np.uint8) for place, label in enumerate(("home", "water"))},
    }
    (folder / "table.csv").write_bytes(table_bytes(pa.table(columns), parquet=False))
    with (folder / "vectors.safetensors").open("wb") as file:
        write_embeddings(file, ENCODER, D, [(names, made)], unit_length=False)
    (folder / "chips").mkdir()
    for name, (home, water) in zip(names, has, strict=True):
        (folder / "chips" / name).write_bytes(picture((200 * home, 40, 200 * water), 16))
    return loc(folder / "vectors.safetensors"), loc(folder / "table.csv"), {(names[5], "home"), (names[40], "water")}
