"""The JSON files of image-tagging-tools: records of images by the hash of their pixels, and the hashes of each tag.

They are written a part at a time, with an indentation of four spaces, as that program writes them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from logging import getLogger
from typing import Any, NamedTuple, TextIO

import numpy as np
from numpy.typing import NDArray

from spacer_like.embeddings.embeddings_table import MOST_DIMENSIONS, EmbeddingsTable, ImageRecord
from spacer_like.exceptions import TableError, damage_as
from spacer_like.tags.model_names import is_utf8

logger = getLogger(__name__)

OWN_TYPE = "spacer_like"
_CLIP_TYPE = "CLIP"
_MOST_HASH, _MOST_NAME, _MOST_ENCODER = 128, 4096, 200
_INDENTATION = " " * 4
_HEXADECIMAL = frozenset("0123456789abcdef")


class Marker(NamedTuple):
    """What a record says of the network that made its vector.

    Fields:
        embeddings_type: ``CLIP``, or `OWN_TYPE` for an extractor of this package.
        model: such as ``ViT-B-32``, or the extractor's class.
        pretrained: the name of the weights, such as ``openai``, or the encoder's id.
    """

    embeddings_type: str
    model: str
    pretrained: str

    @property
    def encoder_id(self) -> str:
        """The id of the encoder.

        >>> Marker("CLIP", "ViT-B-32", "openai").encoder_id
        'open_clip:ViT-B-32:openai'
        """
        return self.pretrained if self.embeddings_type == OWN_TYPE else f"open_clip:{self.model}:{self.pretrained}"


def write_metadata(
    file: TextIO, marker: Marker, rows: Iterable[tuple[ImageRecord, NDArray[np.float32]]], *, tagged: bool
) -> None:
    """Write the records of images, by the hashes of their pixels.

    Args:
        file: open for writing.
        rows: records and vectors float32 [d], each hash once.
        tagged: whether the tags are written.
    """
    _write_object(file, ((record.hash_id, _record(marker, record, vector, tagged)) for record, vector in rows))


def write_lists(file: TextIO, items: Iterable[tuple[str, Iterable[str]]]) -> None:
    """Write an object of lists of texts, such as the hashes of each tag."""
    _write_object(file, ((name, _list_in_parts(map(json.dumps, texts), 1)) for name, texts in items))


def read_original_json(
    metadata: bytes, name: str, hashes_of_tag: Mapping[str, Sequence[str]] | None = None
) -> EmbeddingsTable:
    """The table of the images in a file of metadata, in its order; `Marker.encoder_id` is the encoder.

    The content hashes are empty: nothing is known of the files' bytes.

    Args:
        name: what errors call the file.
        hashes_of_tag: see `read_tag_to_hash`; the tags of the images are then those, in that order. None: the tags that
            the records have.

    Raises:
        TableError: no such file, or vectors of different networks.
    """
    with damage_as(TableError, name, f"'{name}' is no metadata of image-tagging-tools"):
        found = json.loads(metadata, object_hook=_with_array, parse_constant=_refuse_constant)
        if not isinstance(found, dict) or not found:
            raise ValueError("it has no object of records")
        items = list(found.items())
        records = [_read_record(hash_id, record) for hash_id, record in items]
        markers = {_marker(record) for _, record in items}
        vectors = [record.get("embeddings_vector") for _, record in items]
        if not all(isinstance(vector, np.ndarray) and len(vector) == len(vectors[0]) for vector in vectors):
            raise ValueError("its vectors are no lists of equally many numbers")
        if len(markers) > 1:
            raise ValueError("its vectors were made by different networks")
        stacked = np.stack(vectors)
        encoder_id = markers.pop().encoder_id
        if not np.isfinite(stacked).all() or not 1 <= stacked.shape[1] <= MOST_DIMENSIONS:
            raise ValueError("its vectors are empty, or have numbers that are not finite")
        if not 0 < len(encoder_id) <= _MOST_ENCODER:
            raise ValueError("it does not say what made its vectors")
    if hashes_of_tag is not None:
        records = _with_tags(records, hashes_of_tag, name)
    return EmbeddingsTable(name, encoder_id, records, stacked)


def read_tag_to_hash(data: bytes, name: str) -> dict[str, list[str]]:
    """The hashes of each tag, in the order of the file.

    Args:
        name: what errors call the file.

    Raises:
        TableError: no such file.
    """
    with damage_as(TableError, name, f"'{name}' is no list of hashes of tags of image-tagging-tools"):
        found = json.loads(data, parse_constant=_refuse_constant)
        if not isinstance(found, dict) or not all(_are_texts(hashes) for hashes in found.values()):
            raise ValueError("it has no object of lists of texts")
        if any(not tag or _is_bad_text(tag) for tag in found):
            raise ValueError("it has a tag that is no text")
    return found


def _write_object(file: TextIO, items: Iterable[tuple[str, Iterable[str]]]) -> None:
    """Write an object whose values come in parts of their JSON."""
    before = f"{{\n{_INDENTATION}"
    for name, parts in items:
        file.write(f"{before}{json.dumps(name)}: ")
        file.writelines(parts)
        before = f",\n{_INDENTATION}"
    file.write("{}" if before.startswith("{") else "\n}")


def _record(marker: Marker, record: ImageRecord, vector: NDArray[np.float32], tagged: bool) -> Iterator[str]:
    values: dict[str, Any] = {
        "hash_id": record.hash_id,
        "file_path": record.path,
        "file_name": record.path.rpartition("/")[2],
        "file_type": record.format,
        "image_size_bytes": record.size_bytes,
        "image_resolution": [record.width, record.height],
        "image_xsize": record.width,
        "image_ysize": record.height,
        **({"image_tags": list(record.tags)} if tagged else {}),
        **marker._asdict(),
    }
    text = json.dumps(values, indent=4).removesuffix("\n}")
    yield text.replace("\n", f"\n{_INDENTATION}")
    yield f',\n{_INDENTATION * 2}"embeddings_vector": '
    yield from _list_in_parts(map(repr, vector.astype(np.float64).tolist()), 2)
    yield f"\n{_INDENTATION}}}"


def _list_in_parts(values: Iterable[str], depth: int) -> Iterator[str]:
    """The JSON of a list that stands `depth` deep, of that of its values."""
    begin = between = f"[\n{_INDENTATION * (depth + 1)}"
    for value in values:
        yield between
        yield value
        between = f",\n{_INDENTATION * (depth + 1)}"
    yield "[]" if between == begin else f"\n{_INDENTATION * depth}]"


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _with_array(record: dict[str, Any]) -> dict[str, Any]:
    """The same with its vector as an array: as a list it takes eight times the memory, and there are many."""
    vector = record.get("embeddings_vector")
    if isinstance(vector, list) and all(type(number) in (int, float) for number in vector):
        with np.errstate(over="ignore"):
            record["embeddings_vector"] = np.array(vector, np.float64).astype(np.float32)
    return record


def _read_record(hash_id: str, record: Any) -> ImageRecord:
    if not isinstance(record, dict):
        raise ValueError("a record of it is no object")
    if not 0 < len(hash_id) <= _MOST_HASH or not _HEXADECIMAL.issuperset(hash_id):
        raise ValueError("a record of it does not stand under the hash of an image's pixels")
    path, file_type = record.get("file_path"), record.get("file_type", "")
    numbers = [record.get(key, 0) for key in ("image_size_bytes", "image_xsize", "image_ysize")]
    tags = record.get("image_tags", [])
    if not path or not _are_texts([path, file_type]):
        raise ValueError("a record of it does not say where its file is")
    if any(type(number) is not int or not 0 <= number < 2**31 for number in numbers):
        raise ValueError("a size in it is no whole number")
    n_bytes, width, height = numbers
    if not _are_texts(tags):
        raise ValueError("the tags of a record are no list of texts")
    return ImageRecord(path, "", hash_id, file_type, n_bytes, width, height, tuple(dict.fromkeys(tags)))


def _marker(record: dict[str, Any]) -> Marker:
    parts: list[Any] = [
        record.get(name, default) for name, default in zip(Marker._fields, (_CLIP_TYPE, None, None), strict=True)
    ]
    if not _are_texts(parts):
        raise ValueError("a record of it does not say what made its vector")
    return Marker(*parts)


def _are_texts(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(text, str) and not _is_bad_text(text) for text in values)


def _is_bad_text(text: str) -> bool:
    """Whether it is too long, or no table could hold it."""
    return len(text) > _MOST_NAME or not is_utf8(text)


def _with_tags(
    records: Sequence[ImageRecord], hashes_of_tag: Mapping[str, Sequence[str]], name: str
) -> list[ImageRecord]:
    tags_of: dict[str, dict[str, None]] = {record.hash_id: {} for record in records}
    unknown = 0
    for tag, hashes in hashes_of_tag.items():
        for hash_id in hashes:
            if hash_id in tags_of:
                tags_of[hash_id][tag] = None
            else:
                unknown += 1
    if unknown:
        logger.warning("%d hashes of tags are of images that '%s' does not have: they are left out.", unknown, name)
    return [record._replace(tags=tuple(tags_of[record.hash_id])) for record in records]
