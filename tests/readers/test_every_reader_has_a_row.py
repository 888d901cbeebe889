"""Whatever of the package reads bytes has a row in the table that damaged files are fed to.

A reader is a public function or method that either takes bytes or an open file and returns something, or is called by
one of the verbs that readers are called by. What the rule finds and is none is listed with the reason.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import spacer_like

from .rows import READERS

PACKAGE = Path(spacer_like.__file__).parent
VERBS = re.compile(r"^(load|read|open|opened|parse|parsed|decode|decoded|from|deserialize|identify|fetch)(_|$)")
TAKES_BYTES = re.compile(r"\b(bytes|BinaryIO|IO|BytesIO|memoryview|Buffer|Read|PositionedReader)\b")

# A module or function -> why damaged files are nothing to it.
NOT_READERS = {
    "chips.chip_source:dataset_version": "hashes",
    "learning.events:EventsFile.__init__": "writes",
    "review.page:picture_address": "bytes as they are",
    "points.suggestions:page_items": "bytes as they are",
    "points.feature_folder:read_features": "calls the reader of feature files, file after file",
    "chips.chip_dataset:ChipDataset.__init__": "calls the reader of tables of labels",
    "engines.result_template:ResultTemplate.__init__": "a text that a person writes",
    "storage": "bytes as they are, whose form nobody looks at; the contract suite of storages is theirs",
    "chips.labels.found_elements:ElementsFile.__init__": "a temporary file of its own",
    "chips.cutting.gdal_reading:SharedFile": "bytes as they are, for GDAL",
    "engines.scheduled:ScheduledSubmission.__init__": "it opens nothing: `read_run` and its neighbours do",
    "images.zips:member_offset": "a number out of an archive's header, which ImageArchive and Stack use",
    "images.decoding": "calls the readers of images, file after file",
    "tables.files:parquet_writer": "writes",
    "embeddings.embeddings_table:embeddings_writer": "writes",
    "tags.tasks.part_files:PartFiles": "calls the reader of tables, part after part; damaged ones are left out",
    "tags.image_hashes:content_hash": "bytes as they are",
    "regression.crc32c:crc32c": "bytes as they are",
    "workflows.extraction:ExtractionRecord.__init__": "a damaged record is read as one that names no files",
    "learning.image_metrics:ImageEvaluation.deserialize": "a part of the reader of evaluation reports",
    "regression.onnx_model:begins_as_onnx": "looks at the first bytes",
    "protocol_buffers": "a part of the readers of Caffe's weights and of TensorFlow's checkpoints",
    "tags.model_names:parsed_model_name": "a file's name",
    "tables.cells:decoded_table": "a part of the readers of metadata and lists",
    "mapped_tensors:TensorWriter": "writes",
    "data_classes.feature_pack:write_pack": "writes",
    "embeddings.embeddings_file:write_embeddings": "writes",
    "rarity.histogram_file:write_parquet": "writes",
    "extractors.onnx_session:OnnxNetwork": "a model of our own cache, made again where it cannot be loaded",
    "extractors.base:FeatureExtractor.__init__": "only keeps the location",
    "extractors.base:DummyExtractor.__init__": "only keeps the location",
    "extractors.band_extractors:BandExtractor.__init__": "takes no files",
    "extractors.band_extractors:BandStatisticsExtractor.__init__": "takes no files",
    "extractors.band_extractors:RandomFeaturesExtractor.__init__": "takes no files",
    "extractors.library_extractor:LibraryExtractor.__init__": "only keeps the location",
    "extractors.open_clip_extractor:OpenClipExtractor.__init__": "only keeps the location",
    "extractors.open_clip_network:open_clip_facts": "asks a library for what it knows of a name",
    "extractors.timm_extractor:TimmExtractor.__init__": "only keeps the location",
    "extractors.precision:PrecisionExtractor.__init__": "only keeps the location",
    "engines.array:ArraySubmission.__init__": "only keeps the location",
    "engines.submitted:Submitted.__init__": "only keeps the location",
    "engines.child_records:Children.__init__": "only keeps the location; `parse_start` and its neighbour read",
    "engines.twin:BesideTwin.__init__": "only keeps the location; `parse_child_record` reads",
    "engines.processes:Processes.__init__": "a line for its own workers",
    "engines.detached:Detached.__init__": "only keeps the location",
    "engines.dask_cluster:run_on_worker": "what the engine itself sends",
    "engines.worker:working_as": "a line of the process that began this one",
    "testing": "tests",
    "learning.snapshots:FolderSnapshots.__init__": "only keeps the location",
    "regression.training_data:BatchFiles.__init__": "only keeps the locations",
    "tile_server.footprint:from_web_mercator": "computes",
    "tile_server.tree_index:LiveTree.__init__": "lists folders",
    "extractors.base:FeatureExtractor.load_datastream": "bytes as they are, with their hash",
    "extractors.base:FeatureExtractor.load_data_into_filesystem": "bytes as they are, with their hash",
    "chips.cutting.passthrough": "bytes put together; check_block is what looks at them",
    "chips.chip_source:ChipSource.read": "bytes as they are",
    "embeddings.names:NameList.from_arrow": "takes what has been read",
    "rarity.count_table:CountTable.from_histogram": "takes what has been read",
    "rarity.histogram:Histogram.from_dense": "takes what has been read",
    "images.sets:ImageSet": "calls the readers of images, file after file",
    "tags.vector_source:VectorSource.encode": "calls the readers of images, file after file",
    "images.sets:FileSet": "calls the readers of images, file after file",
    "images.files": "bytes as they are; calls the reader of archives",
    "learning.sklearn_tree:from_sklearn": "takes an object of this process",
    "data_classes.features:ImageFeatures.from_arrays": "takes arrays of this process",
    "reports.evaluation_page": "draws",
    "tags.review_page:review_page": "writes a page of bytes as they are",
    "chips.tasks.labels:fetch_labels": "asks a server, whose answers tests/chips/test_overpass.py damages",
    "chips.tasks.labels:fetch_osm_by_quadkey": "asks a server, whose answers tests/chips/test_overpass.py damages",
    "cli.classified:GrowingFile.__init__": "writes",
    "cli.locations:read_text_source": "bytes as they are",
    "cli.from_message:from_message": "makes a command of a class",
    "extractors.efficientnet_network:EfficientNet.from_name": "a text",
    "learning.model_files:ClassifierUnpickler": "hands its bytes to classifier_from_bytes",
    # Texts that a person or a message gives, and no file.
    "chips.chip_name:ChipName.parse": "a text",
    "chips.grid:Cell.parse": "a text",
    "regression.labels:StampName.parse": "a text",
    "regression.labels:from_target": "computes",
    "regression.answers:answer_for": "calls the reader of prepared images, which has a row",
    "regression.tasks.predict:read_models": "calls the readers of networks and calibrations, which have rows",
    "chips.tree:TilePath.parse": "a text",
    "chips.similar_places:parsed_name": "a text",
    "points.set_points:parse_area": "a text",
    "points.set_points:parse_grid": "a text",
    "tile_server.addresses:LastPart.parse": "a text",
    "location:DataLocation.from_uri": "a text",
    "storage.http_connection:parsed": "a text",
    # Parts of JSON messages, which the rows of messages hold.
    "data_classes.labels:ImageLabels.deserialize": "a part of a message",
    "data_classes.labels:TrainingTaskLabels.deserialize": "a part of a message",
    "location:DataLocation.deserialize": "a part of a message",
    "extractors.base:FeatureExtractor.from_arguments": "a part of a message",
    "learning.metrics:EvaluationReport.deserialize": "a part of a message",
    "message_base:BaseMessage.deserialize": "a part of a message",
    "registry:Described": "a part of a message",
}


def found_readers() -> Iterator[str]:
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
        yield from (f"{module}:{name}" for name in _readers_in(ast.parse(path.read_text(encoding="utf-8")), ""))


def _readers_in(node: ast.AST, prefix: str) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef) and not child.name.startswith("_"):
            yield from _readers_in(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and _is_reader(child):
            yield f"{prefix}{child.name}"


def _is_reader(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    if function.name.startswith("_") and function.name != "__init__":
        return False
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    types = " ".join(ast.unparse(one.annotation) for one in arguments if one.annotation)
    returns = function.name == "__init__" or (function.returns and ast.unparse(function.returns) != "None")
    if function.name == "__init__" and "DataLocation" in types:
        return True
    return bool(VERBS.match(function.name) or (returns and TAKES_BYTES.search(types)))


def is_listed(reader: str, listed: str) -> bool:
    return reader == listed or reader.startswith((f"{listed}.", f"{listed}:"))


FOUND = list(found_readers())
COVERED = {covered for row in READERS for covered in row.covers}


@pytest.mark.parametrize("reader", FOUND)
def test_every_reader_has_a_row(reader):
    assert reader in COVERED or any(is_listed(reader, listed) for listed in NOT_READERS), (
        f"spacer_like.{reader} reads: give it a row in tests/readers/rows.py, with a valid file and the call, "
        "or a line in NOT_READERS with the reason why a damaged file is nothing to it."
    )


def test_the_table_names_what_exists():
    assert COVERED - set(FOUND) == set()


def test_no_line_is_in_vain():
    assert [listed for listed in NOT_READERS if not any(is_listed(reader, listed) for reader in FOUND)] == []


def test_the_rule_finds_a_reader_by_its_verb_and_by_what_it_takes():
    made = ast.parse("def load_reef(loc): ...\ndef pixels(data: bytes) -> int: ...\ndef put(data: bytes) -> None: ...")
    assert list(_readers_in(made, "")) == ["load_reef", "pixels"]
