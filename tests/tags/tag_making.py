"""Tables of made up images with tags, near each other where their tags are the same."""

import hashlib
from collections.abc import Mapping

import numpy as np

from spacer_like.embeddings.embeddings_table import EmbeddingsTable, ImageRecord, embeddings_writer
from spacer_like.location import DataLocation

ENCODER = "ab" * 20
# As in the data that image-tagging-tools was tried with.
COUNTS = {"blue": 13, "other-training": 12, "other-validation": 10, "red": 14}


def record(path: str, *tags: str, pixels: str | None = None) -> ImageRecord:
    digest = hashlib.blake2b((pixels or path).encode()).hexdigest()
    content = hashlib.blake2b(path.encode()).hexdigest()
    return ImageRecord(path, content, digest, "PNG", 99, 8, 8, tags)


def table_of(counts: Mapping[str, int] | None = None, dimension: int = 16, spread: float = 1.0) -> EmbeddingsTable:
    """Images of some tags, each tag's around a point of its own."""
    counts = COUNTS if counts is None else counts
    random = np.random.default_rng(7)
    records, vectors = [], []
    for tag in sorted(counts):
        middle = random.normal(size=dimension) * 1.5
        for number in range(counts[tag]):
            records.append(record(f"{tag}/{number:02}.png", tag))
            vectors.append(middle + spread * random.normal(size=dimension))
    return EmbeddingsTable("table", ENCODER, records, np.array(vectors, np.float32))


def stored(table: EmbeddingsTable, loc: DataLocation) -> DataLocation:
    with open(loc.key, "wb") as file, embeddings_writer(file, table.encoder_id, table.dimension) as append:
        append(table.records, table.vectors)
    return loc
