"""Vectors of many images: encoders, files, names, exact search, lists and duplicates.

- `Encoder`, `extractor_encoder`: images uint8 [n, size, size, 3] to vectors float32 [n, d], by an extractor.
- `write_embeddings`, `read_embeddings`, `Embeddings`: a file of names and vectors with the id of their encoder, float16
  of length one or float32 as they were made; `MergedEmbeddings`: several files as one. Reading maps a file and copies
  nothing.
- `NameList`: names by the million, looked up by name or prefix.
- `ExactSearch`, `Nearest`: the k nearest of all vectors; `single_blocks`: vectors as float32, a block at a time, for a
  matrix product with anything else.
- `VectorIndex`, `write_index`, `read_index`: vectors to look among, with lists (IVF) or without;
  `sorted_into_lists`, `usual_list_count` make the lists, by faiss.
- `CodeIndex`, `write_codes`: an index with a code of 32 bytes in place of each vector; `codes_of` makes the codes.
- `duplicate_groups`: which images look the same.

Vectors of different encoders are never compared: `check_same_encoder` and `MergedEmbeddings` refuse them.
"""

from spacer_like.embeddings.codes import codes_of
from spacer_like.embeddings.duplicates import duplicate_groups
from spacer_like.embeddings.embeddings_file import Embeddings, MergedEmbeddings, read_embeddings, write_embeddings
from spacer_like.embeddings.encoder import Encoder, check_same_encoder, extractor_encoder, unit_length
from spacer_like.embeddings.index import CodeIndex, VectorIndex, read_index, write_codes, write_index
from spacer_like.embeddings.lists import sorted_into_lists, usual_list_count
from spacer_like.embeddings.names import NameList
from spacer_like.embeddings.search import ExactSearch, Nearest, single_blocks

__all__ = [
    "CodeIndex",
    "Embeddings",
    "Encoder",
    "ExactSearch",
    "MergedEmbeddings",
    "NameList",
    "Nearest",
    "VectorIndex",
    "check_same_encoder",
    "codes_of",
    "duplicate_groups",
    "extractor_encoder",
    "read_embeddings",
    "read_index",
    "single_blocks",
    "sorted_into_lists",
    "unit_length",
    "usual_list_count",
    "write_codes",
    "write_embeddings",
    "write_index",
]
