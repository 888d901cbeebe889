"""Every reader of the package: a valid file, and the call that reads it.

A row covers the public functions that it names: those that it calls, and those that are called on the way.
"""

from __future__ import annotations

import gzip
import io
import json
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from spacer_like.data_classes import DataLocation, ImageFeatures, ImageLabels, ValResults
from spacer_like.storage import delete, write_bytes

TESTS = Path(__file__).parents[1]
CHIPS, RARITY, LEARNING, EMBEDDINGS, REGRESSION = (
    TESTS / room / "golden" for room in ("chips", "rarity", "learning", "embeddings", "regression")
)


@dataclass(frozen=True)
class Reader:
    """A row of the table.

    Fields:
        name: of the row.
        covers: ``module:function`` of each public reader that it feeds, without ``spacer_like.``.
        make: the bytes of a valid file; called once.
        read: reads the bytes of a file, which errors call by the text that is given.
        ending: of the file's name.
        called: what errors must call it; empty: its name.
        share: how many mutations it gets, of what others get.
    """

    name: str
    covers: tuple[str, ...]
    make: Callable[[], bytes]
    read: Callable[[bytes, str], Any]
    ending: str = ""
    share: float = 1.0
    called: str = ""


def stored(read: Callable[[DataLocation], Any]) -> Callable[[bytes, str], Any]:
    """The reader of bytes that a reader of locations is."""

    def read_stored(data: bytes, name: str) -> Any:
        location = DataLocation("memory", name)
        write_bytes(location, data)
        try:
            return read(location)
        finally:
            delete(location)

    return read_stored


def on_disk(read: Callable[[Path], Any]) -> Callable[[bytes, str], Any]:
    """The reader of bytes that a reader of local files is."""

    def read_file(data: bytes, name: str) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(data)
            return read(path)

    return read_file


def golden(folder: Path, name: str) -> Callable[[], bytes]:
    return (folder / name).read_bytes


# Features, labels and messages.


def feature_pack_of(loc: DataLocation) -> Any:
    from spacer_like.data_classes.feature_pack import FeaturePack

    pack = FeaturePack(loc, "")
    return [pack.features(loc.below(name)) for name in pack.names]


def pack_file() -> bytes:
    from spacer_like.data_classes.feature_pack import write_pack

    file = io.BytesIO()
    write_pack(file, [("a.features", features()), ("b/c.features", features())])
    return file.getvalue()


def features() -> ImageFeatures:
    vectors = np.random.default_rng(0).random((4, 6), np.float32)
    return ImageFeatures.from_arrays([(1, 2), (30, 4), (5, 600), (7, 8)], vectors, "ab" * 20)


def features_as_pyspacer() -> bytes:
    from spacer_like.config import override

    with override(feature_file_format="pyspacer"):
        return features().to_bytes()


def for_training(location: DataLocation) -> Any:
    return ImageLabels({location: [(1, 2, 3), (30, 4, 5)]}).load_all_data()


def job() -> bytes:
    from spacer_like.messages import JobMsg

    return json.dumps(JobMsg.example().serialize()).encode()


def job_of(data: bytes, name: str) -> Any:
    from spacer_like.messages import JobMsg

    return stored(JobMsg.load)(data, name)


def job_for_the_command(data: bytes, name: str) -> Any:
    from spacer_like.cli.job_commands import read_job

    write_bytes(DataLocation("memory", name), data)
    return read_job(f"memory://{name}")


def submission(data: bytes, name: str) -> Any:
    from spacer_like.engines.array import read_manifest
    from spacer_like.storage import write_bytes

    write_bytes(DataLocation("memory", f"{name}/manifest.json"), data)
    return read_manifest(DataLocation("memory", name))


def manifest_of_requests() -> bytes:
    return json.dumps({"version": 1, "shards": 1, "requests": [["chip_tile", "ab" * 32]] * 3}).encode()


def run_of_shards() -> bytes:
    return json.dumps({"version": 1, "shards": [["ab" * 32], ["cd" * 32]], "children": [2]}).encode()


def run_of(data: bytes, name: str) -> Any:
    from spacer_like.engines.scheduled import read_run

    write_bytes(DataLocation("memory", f"{name}/runs/1.json"), data)
    return read_run(DataLocation("memory", name), 1)


def engine_record() -> bytes:
    return json.dumps({"engine": "local", "options": {"processes": 2}}).encode()


def engine_of(data: bytes, name: str) -> Any:
    from spacer_like.engines.submissions import open_submission

    with tempfile.TemporaryDirectory() as parent:
        folder = DataLocation("filesystem", str(Path(parent) / name))
        write_bytes(folder.below("engine.json"), data)
        return open_submission(folder)


def child_record() -> bytes:
    return json.dumps({"run": 1, "shard": 0, "exit_code": 0}).encode()


def child_records(data: bytes, name: str) -> Any:
    from spacer_like.engines.child_records import read_child_records

    write_bytes(DataLocation("memory", f"{name}/children/1-0.json"), data)
    return read_child_records(DataLocation("memory", name))


def child_start() -> bytes:
    times = {"started": "2026-11-28T10:00:00.000+00:00", "notice": ""}
    return json.dumps({"version": 1, "run": 1, "shard": 0, "job": "a:0", "attempt": 1} | times).encode()


def child_start_of(data: bytes, name: str) -> Any:
    from spacer_like.engines.child_records import parse_start

    return parse_start(data, name)


def child_record_of(data: bytes, name: str) -> Any:
    from spacer_like.engines.child_records import parse_child_record

    return parse_child_record(data, name)


def second_children() -> bytes:
    return json.dumps({"version": 1, "shards": [3, 7], "id": None, "submitted": "2026-11-28T10:00:00+00:00"}).encode()


def second_children_of(data: bytes, name: str) -> Any:
    from spacer_like.engines.scheduled import read_copied

    write_bytes(DataLocation("memory", f"{name}/copies/1-0.json"), data)
    return read_copied(DataLocation("memory", name), 1, 0)


def plan_of(data: bytes, name: str) -> Any:
    from spacer_like.engines.plan import read_plan

    write_bytes(DataLocation("memory", f"{name}/plan.json"), data)
    return read_plan(DataLocation("memory", name))


def outcome() -> bytes:
    from spacer_like.messages import ClassifyReturnMsg, TaskOutcome

    return json.dumps(TaskOutcome("done", ClassifyReturnMsg.example()).serialize()).encode()


def outcome_of(data: bytes, name: str) -> Any:
    from spacer_like.engines.array import read_result

    return read_result(data, name, "classify_image")


def report() -> bytes:
    return (LEARNING / "evaluation_report_1.json").read_bytes()


def drawn_report(data: bytes, name: str) -> Any:
    from spacer_like.data_classes.base import parse_json
    from spacer_like.reports.evaluation import read_evaluation

    return read_evaluation(parse_json(data, name), name)


FEATURES = "data_classes.features:ImageFeatures"
MESSAGES = "data_classes.base:"
DATA_ROWS = [
    Reader(
        "a pack of feature files",
        ("data_classes.feature_pack:FeaturePack.__init__",),
        pack_file,
        stored(feature_pack_of),
    ),
    Reader(
        "features",
        (f"{FEATURES}.from_bytes", f"{FEATURES}.load", "data_classes.feature_file:decode"),
        lambda: features().to_bytes(),
        stored(ImageFeatures.load),
    ),
    Reader(
        "features as PySpacer writes them", (f"{FEATURES}.from_bytes",), features_as_pyspacer, ImageFeatures.from_bytes
    ),
    Reader(
        "legacy features",
        (f"{FEATURES}.deserialize", "data_classes.feature_file:decode_legacy"),
        lambda: json.dumps([[0.5, 1.25, -2e-3], [1, 2, 3]]).encode(),
        ImageFeatures.from_bytes,
    ),
    Reader(
        "features for training",
        (
            "data_classes.labels:ImageLabels.load_all_data",
            "data_classes.labels:ImageLabels.load_data_in_batches",
            "data_classes.feature_reading:load_data_in_batches",
            "data_classes.feature_reading:read_in_groups",
            "data_classes.feature_reading:FeatureReader.read",
        ),
        lambda: features().to_bytes(),
        stored(for_training),
    ),
    Reader(
        "a job message",
        (f"{MESSAGES}load_json", f"{MESSAGES}parse_json", f"{MESSAGES}DataClass.load"),
        job,
        job_of,
    ),
    Reader("a job message, for the command", ("cli.job_commands:read_job",), job, job_for_the_command),
    Reader("requests in a folder", ("engines.array:read_manifest",), manifest_of_requests, submission),
    Reader("shards of a submission", ("engines.scheduled:read_run",), run_of_shards, run_of),
    Reader("which engine", ("engines.submissions:open_submission",), engine_record, engine_of),
    Reader("how children ended", ("engines.child_records:read_child_records",), child_record, child_records),
    Reader(
        "the plan of a submission",
        ("engines.plan:read_plan",),
        golden(TESTS / "engines/golden", "plan_1.json"),
        plan_of,
    ),
    Reader("how a child ended", ("engines.child_records:parse_child_record",), child_record, child_record_of),
    Reader("that a child has started", ("engines.child_records:parse_start",), child_start, child_start_of),
    Reader("second children", ("engines.scheduled:read_copied",), second_children, second_children_of),
    Reader("the outcome of a request", ("engines.array:read_result", "engines.base:read_outcome"), outcome, outcome_of),
    Reader(
        "results",
        (f"{MESSAGES}DataClass.deserialize",),
        lambda: json.dumps(ValResults.example().serialize()).encode(),
        stored(ValResults.load),
    ),
    Reader("an evaluation report", ("reports.evaluation:read_evaluation",), report, drawn_report),
]

# Images.


@cache
def picture(image_format: str, **options: Any) -> bytes:
    from PIL import Image

    numbers = np.random.default_rng(0).integers(0, 255, (24, 40, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(np.repeat(np.repeat(numbers, 2, 0), 2, 1)).save(stream, image_format, **options)
    return stream.getvalue()


def loaded(location: DataLocation) -> Any:
    from spacer_like.images.decode import load_image, to_rgb_array

    return to_rgb_array(load_image(location))


def squares(data: bytes, name: str) -> Any:
    from spacer_like.images.square import decoded, squared

    squared(data, name, 16, "bicubic", "#ffffff")
    return decoded(data, name)


def described(data: bytes, name: str) -> Any:
    from spacer_like.tags.image_hashes import described_image, pixel_hash

    found = described_image(data, name, lambda image: None)
    assert pixel_hash(data, name) == found.hash_id
    return found


def turned_photograph() -> bytes:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "reef"
    return picture("JPEG", exif=exif.tobytes())


def small_picture(data: bytes, name: str) -> Any:
    from spacer_like.review.pictures import picture as small

    return small(data, name)


def database() -> bytes:
    from spacer_like.storage import read_bytes
    from spacer_like.tags.sqlite_tables import Table, write_database

    loc = DataLocation("memory", "made.db")
    table = Table("stage1", ("file_name TEXT NOT NULL", "hash_id TEXT"), ("CREATE INDEX hashes ON stage1(hash_id)",))
    write_database(loc, table, [(f"{number}.png", f"{number:0128x}") for number in range(40)])
    data = read_bytes(loc)
    delete(loc)
    return data


def rows_of_database(path: Path) -> Any:
    from spacer_like.tags.sqlite_tables import opened_database

    with opened_database(path) as opened:
        return opened.execute("SELECT * FROM stage1 WHERE hash_id >= '0'").fetchall()


def picture_row(image_format: str, **options: Any) -> Iterator[Reader]:
    image = f"{image_format} {' '.join(options)}".strip()
    yield Reader(
        f"an image, {image}",
        (
            "images.decode:open_image",
            "images.decode:load_image",
            "images.identify:identify",
            "images.fast_jpeg:decoded_jpeg",
        ),
        lambda: picture(image_format, **options),
        stored(loaded),
        share=0.5,
    )
    yield Reader(
        f"an image as a square, {image}",
        (
            "images.square:squared",
            "images.square:decoded",
            "images.fast_jpeg:decoded_photograph",
            "images.fast_jpeg:jpeg_frame",
        ),
        lambda: picture(image_format, **options),
        squares,
        share=0.5,
    )
    yield Reader(
        f"an image described, {image}",
        ("tags.image_hashes:described_image", "tags.image_hashes:pixel_hash", "images.square:identified"),
        lambda: picture(image_format, **options),
        described,
        share=0.15,
    )


PICTURE_FORMATS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("JPEG", {"progressive": True}),
    ("JPEG", {}),
    ("PNG", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("TIFF", {}),
    ("GIF", {}),
    ("BMP", {}),
    ("WEBP", {}),
    ("ICO", {}),
    ("PPM", {}),
    ("JPEG2000", {}),
    ("TGA", {}),
    ("PCX", {}),
    ("SGI", {}),
    ("DDS", {}),
    ("ICNS", {}),
    ("MPO", {}),
    ("AVIF", {}),
)


def archive() -> bytes:
    import zipfile

    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
        for number in range(3):
            made.writestr(zipfile.ZipInfo(f"images/{number}.png"), picture("PNG"))
        made.writestr("__MACOSX/0.png", b"x")
    return stream.getvalue()


def tar_archive() -> bytes:
    import tarfile

    stream = io.BytesIO()
    # The second one's header says that its name is long, in the way of GNU tar and in the way of POSIX.
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as made:
        for name in ("images/0.png", f"images/{'1' * 120}.png"):
            member = tarfile.TarInfo(name)
            member.size = len(picture("PNG"))
            made.addfile(member, io.BytesIO(picture("PNG")))
        made.format = tarfile.PAX_FORMAT
        member = tarfile.TarInfo("images/ø.png")
        member.size = len(picture("PNG"))
        made.addfile(member, io.BytesIO(picture("PNG")))
    return stream.getvalue()


def nested_archive() -> bytes:
    import zipfile

    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        made.writestr(zipfile.ZipInfo("b/in.zip"), archive())
        made.writestr(zipfile.ZipInfo("a/0.png"), picture("PNG"))
    return stream.getvalue()


def source_of_tags(path: Path) -> Any:
    from spacer_like.exceptions import ImageError
    from spacer_like.tags.file_cache import FileCache
    from spacer_like.tags.source import open_tag_source

    found: list[str] = []
    with open_tag_source(DataLocation("filesystem", str(path)), tagged=False) as source:
        for image in source.images:
            try:
                found.append(FileCache.compute_hash(source.read(image)))
            except ImageError as error:
                found.append(str(error))
        return found, source.unreadable


def in_archive(data: bytes, name: str) -> Any:
    from spacer_like.exceptions import ImageError, visible
    from spacer_like.images.archive import ImageArchive

    found = []
    with ImageArchive(io.BytesIO(data), name) as opened:
        for member in opened.names:
            try:
                found.append(opened.read(member))
            except ImageError as error:
                if visible(member) not in str(error):
                    raise
    return found


def collection_of(ending: str) -> Callable[[Path], Any]:
    def read(path: Path) -> Any:
        from spacer_like.rarity.messages import PreparationMsg
        from spacer_like.rarity.tasks.collections import open_collection

        (path.parent / "ids.npz").write_bytes(ids())
        with open_collection(DataLocation("filesystem", str(path)), PreparationMsg(size=6)) as collection:
            return [tokens for tokens, _ in collection.batches()]

    return read


IMAGE_ROWS = [row for image_format, options in PICTURE_FORMATS for row in picture_row(image_format, **options)] + [
    Reader("a database", ("tags.sqlite_tables:opened_database",), database, on_disk(rows_of_database), ".db"),
    Reader(
        "an archive of images",
        (
            "images.archive:ImageArchive.__init__",
            "images.archive:ImageArchive.read",
            "images.zips:archive_members",
            "images.zips:zip_members",
        ),
        archive,
        in_archive,
    ),
    Reader(
        "a tar archive of images",
        ("images.archive:ImageArchive.__init__", "images.archive:ImageArchive.read", "images.tars:tar_members"),
        tar_archive,
        in_archive,
        ".tar",
    ),
    Reader(
        "a tar archive of images, packed",
        ("images.archive:ImageArchive.__init__", "images.tars:plain_tar"),
        lambda: gzip.compress(tar_archive(), mtime=0),
        in_archive,
        ".tar.gz",
        share=0.5,
    ),
    Reader(
        "a photograph that is turned",
        ("review.pictures:picture",),
        turned_photograph,
        small_picture,
    ),
    Reader(
        "an image to review, PNG",
        ("review.pictures:picture",),
        lambda: picture("PNG"),
        small_picture,
        share=0.3,
    ),
    Reader(
        "an archive in an archive",
        (
            "images.nested:open_nested_files",
            "tags.source:open_tag_source",
            "tags.source:TagSource.read",
            "tags.file_cache:FileCache.compute_hash",
        ),
        nested_archive,
        on_disk(source_of_tags),
        ".zip",
        share=0.5,
    ),
    Reader(
        "an archive as a collection",
        ("rarity.tasks.collections:open_collection", "images.sets:open_set"),
        archive,
        on_disk(collection_of(".zip")),
        ".zip",
        share=0.5,
    ),
]

# Classifiers and weights.


def classifier(name: str) -> Reader:
    from spacer_like.learning.model_files import classifier_from_bytes

    return Reader(
        f"a classifier, {name}",
        (
            "learning.model_files:classifier_from_bytes",
            "learning.sklearn_tree:from_pickle_bytes",
            "learning.pickles:read_pickle",
        ),
        golden(LEARNING, name),
        classifier_from_bytes,
        share=0.5,
    )


def random_forest() -> bytes:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.ensemble import RandomForestClassifier

    from spacer_like.learning.sklearn_estimators import to_pickle

    features = np.random.default_rng(0).random((40, 3))
    forest = RandomForestClassifier(3, max_depth=3, random_state=0)
    return to_pickle(CalibratedClassifierCV(forest, cv=2).fit(features, (features[:, 0] > 0.5).astype(int)))


def classifier_tensors() -> bytes:
    from spacer_like.learning.model_files import CLASSIFIER, classifier_from_bytes

    return CLASSIFIER.to_bytes(classifier_from_bytes((LEARNING / "mlp3_1.9.1.pkl").read_bytes()))


def used_classifier(location: DataLocation) -> Any:
    from spacer_like.learning.model_files import load_classifier

    found = load_classifier(location)
    return found.predict_proba(np.zeros((1, found.n_features_in_)))


def torch_weights() -> bytes:
    import torch

    stream = io.BytesIO()
    torch.save({"net": torch.nn.Linear(3, 2).state_dict(), "epoch": np.int64(3)}, stream)
    return stream.getvalue()


def old_torch_weights() -> bytes:
    import torch

    stream = io.BytesIO()
    torch.save(torch.nn.Linear(3, 2).state_dict(), stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


def fitted(data: bytes, name: str) -> Any:
    from torch import nn

    from spacer_like.extractors.torch_weights import fit, read_state_dict

    network = nn.Linear(3, 2)
    return fit(network, read_state_dict(io.BytesIO(data), name), name)


SMALL_OF_TIMM = "test_efficientnet"


def weights_of_timm() -> bytes:
    from spacer_like.extras import import_torchvision

    import_torchvision()
    import timm
    import torch

    stream = io.BytesIO()
    torch.save({"state_dict": timm.create_model(SMALL_OF_TIMM, num_classes=3).state_dict(), "epoch": 3}, stream)
    return stream.getvalue()


def network_of_timm(location: DataLocation) -> Any:
    from spacer_like.extractors import TimmExtractor

    return TimmExtractor({"weights": location}, model=SMALL_OF_TIMM).build_module()


@cache
def small_of_open_clip() -> str:
    """The name of a model that is small enough to be built hundreds of times."""
    from spacer_like.extras import import_torchvision

    import_torchvision()
    import open_clip

    name = "reef-small"
    vision = {"image_size": 16, "layers": 1, "width": 8, "head_width": 4, "patch_size": 8}
    text = {"context_length": 4, "vocab_size": 8, "width": 8, "heads": 1, "layers": 1}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.json"
        path.write_text(json.dumps({"embed_dim": 6, "vision_cfg": vision, "text_cfg": text}))
        open_clip.add_model_config(path)
    return name


def weights_of_open_clip() -> bytes:
    name = small_of_open_clip()
    import open_clip
    from safetensors.torch import save

    return save(open_clip.create_model(name).state_dict())


def network_of_open_clip(location: DataLocation) -> Any:
    from spacer_like.extractors import OpenClipExtractor

    return OpenClipExtractor({"weights": location}, model=small_of_open_clip()).build_module()


def calibration() -> bytes:
    from spacer_like.extractors.calibration import Calibration, TensorRange

    of_tensors = {f"Conv_{number}": TensorRange(low=-1.5, high=2.5, means=(0.25, 0.5)) for number in range(2)}
    return Calibration(extractor_id="lite0", patches=3, sha256="0" * 64, tensors=of_tensors).to_bytes()


def read_calibration(data: bytes, name: str) -> Any:
    from spacer_like.extractors.calibration import Calibration

    return Calibration.from_bytes(data, name)


def caffe_layers() -> dict[str, list[Any]]:
    numbers = np.arange(24, dtype=np.float32)
    return {"conv1": [numbers.reshape(2, 3, 2, 2), numbers[:2]], "fc6": [numbers.reshape(4, 6), numbers[:4]]}


def caffemodel(dialect: str) -> Callable[[], bytes]:
    def make() -> bytes:
        from ..extractors.caffe_files import caffemodel as written

        return written(caffe_layers(), dialect)

    return make


def blobs(data: bytes, name: str) -> Any:
    from spacer_like.extractors.caffe_weights import read_caffemodel

    return read_caffemodel(data, ("conv1", "fc6"), name)


def prototxt() -> bytes:
    from ..extractors.caffe_files import definition, random_layers

    return definition(random_layers(2, 4, 4, 32), 32).encode()


def network_definition(data: bytes, name: str) -> Any:
    from spacer_like.extractors.vgg16_definition import read_definition

    return read_definition(data.decode("utf-8", "replace"), 32, name)


def rarity_network(data: bytes, name: str) -> Any:
    from spacer_like.rarity.rarity_network import RARITY_NETWORK

    return RARITY_NETWORK.from_bytes(data, name)


def multilabel_model(data: bytes, name: str) -> Any:
    from spacer_like.chips.models.multilabel_model import MULTILABEL_MODEL

    return MULTILABEL_MODEL.from_bytes(data, name)


class KeptSnapshot:
    def __init__(self, data: bytes | None) -> None:
        self.data = data

    def latest(self, fingerprint: str) -> bytes | None:
        return self.data

    def keep(self, fingerprint: str, epoch: int, data: bytes) -> None:
        if epoch == 1:
            self.data = data


def trained(snapshots: KeptSnapshot) -> Any:
    """How a training of two epochs goes on from a snapshot: whatever is none of its own is no reason to stop."""
    from numpy.random import RandomState

    from spacer_like.learning.perceptron import Perceptron, PerceptronLearner
    from spacer_like.learning.split import Split
    from spacer_like.learning.training_loop import TrainingConfig, fit

    features = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
    network = Perceptron((3, 2, 2), 1e-3, RandomState(0))
    learner = PerceptronLearner(network, features, (features[:, :1] > 0) == [False, True])
    config = TrainingConfig(2, 4, 1e-3, 0, keeps="best")
    return fit(learner, config, Split(np.arange(8), np.arange(8, 12)), snapshots)


def snapshot() -> bytes:
    kept = KeptSnapshot(None)
    trained(kept)
    assert kept.data is not None
    return kept.data


MODEL_ROWS = [
    *(classifier(name) for name in ("mlp3_1.9.1.pkl", "lr2_1.5.2.pkl", "lr3_0.17.1_text.pkl", "mlp2_1.1.3.pkl")),
    Reader(
        "a calibrated random forest of scikit-learn",
        ("learning.sklearn_estimators:from_tree",),
        random_forest,
        stored(used_classifier),
        share=0.5,
    ),
    Reader(
        "a classifier as safetensors",
        (
            "learning.model_file:ModelFormat.from_bytes",
            "learning.model_file:begins_as_safetensors",
            "learning.model_file:read_header",
        ),
        classifier_tensors,
        stored(used_classifier),
    ),
    Reader(
        "weights of torch",
        (
            "extractors.torch_weights:read_state_dict",
            "extractors.torch_extractors:TorchExtractor.load_weights",
            "extractors.resnet:ResNet50Extractor.load_weights",
        ),
        torch_weights,
        fitted,
    ),
    Reader("weights of torch before 1.6", ("extractors.torch_weights:read_state_dict",), old_torch_weights, fitted),
    Reader(
        "weights of a network of timm",
        (
            "extractors.torch_weights:read_published_weights",
            "extractors.timm_extractor:TimmExtractor.load_weights",
            "extractors.timm_network:timm_network",
        ),
        weights_of_timm,
        stored(network_of_timm),
        share=0.3,
    ),
    Reader(
        "weights of a model of open_clip",
        (
            "extractors.torch_weights:read_published_weights",
            "extractors.library_extractor:LibraryExtractor.load_weights",
            "extractors.open_clip_extractor:OpenClipExtractor.load_weights",
            "extractors.open_clip_network:open_clip_network",
        ),
        weights_of_open_clip,
        stored(network_of_open_clip),
        share=0.3,
    ),
    Reader("a calibration", ("extractors.calibration:Calibration.from_bytes",), calibration, read_calibration, ".json"),
    Reader("weights of Caffe", ("extractors.caffe_weights:read_caffemodel",), caffemodel("new"), blobs),
    Reader("weights of Caffe until 2014", ("extractors.caffe_weights:read_caffemodel",), caffemodel("old"), blobs),
    Reader(
        "a network definition of Caffe",
        ("extractors.prototxt:parse", "extractors.vgg16_definition:read_definition"),
        prototxt,
        network_definition,
    ),
    Reader(
        "a rarity network",
        ("learning.model_file:ModelFormat.from_bytes",),
        golden(RARITY, "rarity-head-v1.safetensors"),
        rarity_network,
    ),
    Reader(
        "a model of many labels",
        ("learning.model_file:ModelFormat.from_bytes",),
        golden(CHIPS, "multilabel-model-v1.safetensors"),
        multilabel_model,
    ),
    Reader(
        "a snapshot of a training",
        ("learning.snapshots:read_snapshot",),
        snapshot,
        lambda data, name: trained(KeptSnapshot(data)),
    ),
]

# Arrays and tables.


def npz(array: Any, **others: Any) -> Callable[[], bytes]:
    def make() -> bytes:
        stream = io.BytesIO()
        np.savez_compressed(stream, array, **others)
        return stream.getvalue()

    return make


def npy() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.arange(12).reshape(3, 4))
    return stream.getvalue()


def npy_header(data: bytes, name: str) -> Any:
    from spacer_like.exceptions import TableError
    from spacer_like.npy_header import read_npy_header

    try:
        return read_npy_header(io.BytesIO(data))
    except ValueError as error:
        # Its words follow a colon in the sentences of those that call it.
        raise TableError(f"'{name}': {error}.") from None


def stack() -> bytes:
    from spacer_like.images.stacks import StackWriter

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stack.npz"
        with StackWriter(path, 3, 6) as writer:
            writer.add(np.random.default_rng(0).integers(0, 256, (3, 6, 6, 3), np.uint8))
        return path.read_bytes()


def stacked(data: bytes, name: str) -> Any:
    from spacer_like.images.stacks import Stack

    found = Stack(io.BytesIO(data), name)
    size = found.shape[1]
    places = range(min(found.shape[0], 4))
    return list(found.parts(places, 2, lambda count: np.empty((count, size, size, 3), np.uint8)))


def ids() -> bytes:
    from spacer_like.images.stacks import ids_file

    return ids_file(["1", "22", "é"])


def ids_of(data: bytes, name: str) -> Any:
    from spacer_like.images.stacks import read_ids

    return read_ids(io.BytesIO(data), name, 3)


def array_of(data: bytes, name: str) -> Any:
    from spacer_like.tables.array_file import from_npz

    return from_npz(data, name)


def buckets(data: bytes, name: str) -> Any:
    from spacer_like.rarity.buckets import read_buckets

    return read_buckets(data, name).numbers(np.array([0.5, np.nan]))


def histogram_at(location: DataLocation) -> Any:
    from spacer_like.rarity.tasks.histogram_storage import open_histogram, read_histogram

    list(open_histogram(location).pieces())
    return read_histogram(location)


@cache
def count_table() -> Any:
    from spacer_like.rarity.count_table import CountTable
    from spacer_like.rarity.histogram_file import from_parquet

    return CountTable.from_histogram(from_parquet((RARITY / "histogram-v1.parquet").read_bytes(), "golden"))


def counts() -> bytes:
    from spacer_like.rarity.count_table import npy_head

    table = count_table()
    return npy_head(table.counts.shape) + table.counts.tobytes()


def counts_at(path: Path) -> Any:
    from spacer_like.rarity.tasks.histogram_storage import read_table

    path.with_name(f"{path.name}.json").write_bytes(count_table().description())
    return np.array(read_table(DataLocation("filesystem", str(path)), count_table().header).counts[:1])


def description_at(path: Path) -> Any:
    from spacer_like.rarity.tasks.histogram_storage import read_table

    path.with_name(path.name.removesuffix(".json")).write_bytes(counts())
    return read_table(DataLocation("filesystem", str(path).removesuffix(".json")), count_table().header)


def metadata(data: bytes, name: str) -> Any:
    from spacer_like.rarity.metadata import read_metadata

    return read_metadata(data, name)


METADATA = b'id,rarityScore,rarityRank,url\n10,undefined,,"http://a/10,b"\n2,1.5,2,"say ""cheese"""\n007,3.25,1,\n5,0.5,3,http://a/5\n'


def scores(parquet: bool) -> Callable[[], bytes]:
    def make() -> bytes:
        from spacer_like.rarity.metadata import read_metadata
        from spacer_like.rarity.score_table import token_rows
        from spacer_like.rarity.table_files import encoded

        rows = token_rows(("10", "2", "7", "99"), read_metadata(METADATA, "metadata.csv"))
        return encoded(rows.table("0xab", np.array([1.0, 3.0, 3.0, 9.0])), parquet)

    return make


def scores_at(location: DataLocation) -> Any:
    from spacer_like.rarity.tasks.tables import read_scores

    found = read_scores(location)
    return found.scores, found.token_ids, found.collections(), found.not_scored


def whitelist(location: DataLocation) -> Any:
    from spacer_like.workflows.rarity_collections import read_list

    return read_list(location)


def points(data: bytes, name: str) -> Any:
    from spacer_like.points.point_table import read_points

    return read_points(data, name, labelled=True)


def cpc(data: bytes, name: str) -> Any:
    from spacer_like.points.cpc import read_cpc

    return read_cpc(data, name)


def taxonomy(data: bytes, name: str) -> Any:
    from spacer_like.points.cover.taxonomy import read_taxonomy

    return read_taxonomy(data, name)


POINTS = b"image,row,col,label\nreef.jpg,10,20,coral\nreef.jpg,30,40,sand\nother.jpg,1,2,coral\n"

TABLE_ROWS = [
    Reader("an array's header", ("npy_header:read_npy_header", "npy_header:parse_npy_header"), npy, npy_header),
    Reader("an array", ("tables.array_file:from_npz",), npz(np.arange(12.0).reshape(3, 4)), array_of),
    Reader(
        "edges of buckets",
        ("rarity.buckets:read_buckets",),
        npz(np.arange(11.0), probabilities=np.linspace(0, 1, 11)),
        buckets,
    ),
    Reader("a stack", ("images.stacks:Stack.__init__",), stack, stacked),
    Reader(
        "a stack that is deflated",
        ("images.stacks:Stack.__init__",),
        npz(np.full((3, 6, 6, 3), 7, np.uint8)),
        stacked,
    ),
    Reader("ids of a stack", ("images.stacks:read_ids",), ids, ids_of),
    Reader(
        "a stack as a collection",
        ("rarity.tasks.collections:open_collection",),
        stack,
        on_disk(collection_of(".npz")),
        ".npz",
        share=0.5,
    ),
    Reader(
        "a histogram",
        (
            "rarity.histogram_file:HistogramFile.__init__",
            "rarity.histogram_file:from_parquet",
            "rarity.tasks.histogram_storage:read_histogram",
            "rarity.tasks.histogram_storage:open_histogram",
        ),
        golden(RARITY, "histogram-v1.parquet"),
        stored(histogram_at),
    ),
    Reader(
        "a table of counts",
        ("rarity.tasks.histogram_storage:read_table",),
        counts,
        on_disk(counts_at),
        ".npy",
        share=0.3,
    ),
    Reader(
        "a table of counts' description",
        ("rarity.count_table:CountTable.described",),
        lambda: count_table().description(),
        on_disk(description_at),
        ".npy.json",
        called="reef-7.npy",
    ),
    *(
        Reader(
            f"a table of scores{ending}",
            (
                "rarity.table_files:read_table",
                "rarity.tasks.tables:read_scores",
                "tables.files:csv_names",
                "tables.files:read_csv",
            ),
            scores(ending == ".parquet"),
            stored(scores_at),
            ending,
        )
        for ending in (".csv", ".parquet")
    ),
    Reader("metadata", ("rarity.metadata:read_metadata",), lambda: METADATA, metadata),
    Reader(
        "a whitelist",
        ("workflows.rarity_collections:read_list",),
        lambda: b"collection_id,name\npunks,Punks\napes,Apes\n",
        stored(whitelist),
    ),
    Reader("points", ("points.point_table:read_points",), lambda: POINTS, points),
    Reader("a file of CPCe", ("points.cpc:read_cpc",), lambda: (TESTS / "points/golden/reef-1.cpc").read_bytes(), cpc),
    Reader(
        "groups of labels",
        ("points.cover.taxonomy:read_taxonomy",),
        lambda: b"label,genus,group\nPorites lobata,Porites,coral\nturf,,algae\n",
        taxonomy,
    ),
]

# Chips.


def manifest_of(data: bytes, name: str) -> Any:
    from spacer_like.chips.cutting.manifest import read_header, read_manifest

    read_header(io.BytesIO(data), name)
    return read_manifest(data, name).made()


def raster_manifest(data: bytes, name: str) -> Any:
    from spacer_like.chips.rasters.manifest import read_raster_manifest

    return read_raster_manifest(data, name).made()


def marks(data: bytes, name: str) -> Any:
    from spacer_like.chips.places_by_example.marks import read_marks

    return read_marks(data, name)


def chips_at(path: Path) -> Any:
    from spacer_like.chips.chip_source import open_chips

    return open_chips(DataLocation("filesystem", str(path))).names


def band_chip(ending: str) -> Callable[[], bytes]:
    def make() -> bytes:
        from spacer_like.chips.rasters.chip_files import chip_file

        pixels = np.arange(3 * 16 * 16, dtype=np.uint16).reshape(3, 16, 16)
        return chip_file(pixels, ending.removeprefix("."), None, None, (10, 0, 300_000, 0, -10, 4_900_000), 7)

    return make


def band_image(data: bytes, name: str) -> Any:
    from spacer_like.chips.band_chips import band_image
    from spacer_like.chips.chip_drawing import drawn
    from spacer_like.config import override

    with override(max_image_pixels=2**20):
        drawn(data, name)
        return band_image(data, name).pixels.sum()


def embeddings(data: bytes, name: str) -> Any:
    from spacer_like.embeddings.embeddings_file import read_embeddings

    return [str(chip) for chip in read_embeddings(io.BytesIO(data), name).names]


def index(data: bytes, name: str) -> Any:
    from spacer_like.embeddings.index import read_index

    found = read_index(io.BytesIO(data), name)
    found.search(found.vector(0)[None], 2)
    return [str(chip) for chip in found.names]


def index_of_codes() -> bytes:
    from spacer_like.embeddings import MergedEmbeddings, codes_of, write_codes

    sink = io.BytesIO()
    merged = MergedEmbeddings([embeddings_of_codes()])
    write_codes(sink, merged, *codes_of(merged.singles, len(merged), 0))
    return sink.getvalue()


@cache
def embeddings_of_codes() -> Any:
    from spacer_like.embeddings import read_embeddings, unit_length, write_embeddings

    sink = io.BytesIO()
    vectors = unit_length(np.random.default_rng(0).standard_normal((20, 6), np.float32))
    write_embeddings(sink, "encoder", 6, [([f"{number:02}" for number in range(20)], vectors)])
    return read_embeddings(sink, "embeddings")


def search_by_codes(data: bytes, name: str) -> Any:
    from spacer_like.embeddings import CodeIndex, read_index
    from spacer_like.exceptions import FeatureFileError

    found = read_index(io.BytesIO(data), name)
    if not isinstance(found, CodeIndex):
        raise FeatureFileError(f"'{name}' holds no codes.")
    found.compare_with([embeddings_of_codes()])
    found.search(found.vector(0)[None], 2)
    return [str(chip) for chip in found.names]


def label_table(ending: str) -> Callable[[], bytes]:
    def make() -> bytes:
        from spacer_like.tables.files import table_bytes
        from spacer_like.tables.label_table import LabelTable

        targets = np.array([[1, 0], [0, 1], [1, 1]], bool)
        return table_bytes(
            LabelTable(["a.jpg", "b.jpg", "c.jpg"], ("forest", "water"), targets).sparse(), ending == ".parquet"
        )

    return make


def labels_of(ending: str) -> Callable[[bytes, str], Any]:
    def read(data: bytes, name: str) -> Any:
        from spacer_like.tables.label_table import read_label_table, read_score_table

        read_score_table(data, name, ending == ".parquet")
        return read_label_table(data, name, ending == ".parquet").counts()

    return read


def rules(data: bytes, name: str) -> Any:
    from spacer_like.chips.labels.label_rules import LabelRules

    return LabelRules.from_json(data, name).matches({"building": "hut"})


def elements() -> bytes:
    from spacer_like.chips.labels.map_elements import MapElements

    way = {"lat": 0.5, "lon": 0.25}
    made = [
        {"type": "node", "id": 1, "lat": 0.5, "lon": 0.5, "tags": {"water": "pond"}},
        {"type": "way", "id": 2, "nodes": [1, 3], "geometry": [way, way], "tags": {"building": "hut"}},
        {
            "type": "relation",
            "id": 3,
            "members": [{"type": "way", "ref": 2, "role": "", "geometry": [way]}],
            "tags": {"a": "b"},
        },
    ]
    return MapElements.of("031111212322", made, "test").to_json()


def elements_of(data: bytes, name: str) -> Any:
    from spacer_like.chips.labels.map_elements import MapElements

    return MapElements.from_json(data, name).tags()


def nodata(data: bytes, name: str) -> Any:
    from spacer_like.chips.nodata import NodataIndex

    return NodataIndex.from_json(data, name)


def extract(sign: int = 1) -> bytes:
    """Nodes, a way and a relation, with the ids of what is uploaded or, of the sign -1, of what is not yet."""
    import osmium

    mutable = osmium.osm.mutable
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made.osm.pbf"
        writer = osmium.SimpleWriter(str(path))
        for number, place in enumerate(((0.25, 0.25), (0.5, 0.5), (0.75, 0.25)), 1):
            writer.add_node(mutable.Node(id=sign * number, location=place, tags={"water": "pond"}))
        corners = [sign * number for number in (1, 2, 3, 1)]
        writer.add_way(mutable.Way(id=sign * 9, nodes=corners, tags={"building": "hut"}))
        members = [("w", sign * 9, "outer"), ("n", sign, "")]
        writer.add_relation(mutable.Relation(id=sign * 7, members=members, tags={"type": "site"}))
        writer.close()
        return path.read_bytes()


def elements_in_extract(data: bytes, name: str) -> Any:
    from spacer_like.chips.labels.osm_extract import elements_in

    return list(elements_in(io.BytesIO(data), [[(0.0, 0.0, 1.0, 1.0)]], name))


@cache
def tile(**options: Any) -> bytes:
    from ..chips.tile_making import make_tile

    with tempfile.TemporaryDirectory() as folder:
        sizes = {"width": 128, "height": 128, "column": 0, "row": 0, "pixel": 5000 / 128, "BLOCKSIZE": 128}
        return make_tile(Path(folder) / "t.tif", **sizes | {"OVERVIEWS": "NONE"} | options).read_bytes()


@cache
def tile_on_the_grid() -> bytes:
    """Four chips of zoom 17, one of them masked in part."""
    from ..chips.tile_making import PIXEL

    return tile(width=1024, height=1024, pixel=PIXEL, BLOCKSIZE=512, mask=half_masked)


def layout(data: bytes, name: str) -> Any:
    from spacer_like.chips.cutting.cog import read_cog

    return read_cog(lambda offset, length: data[offset : offset + length], len(data), name)


def cut(way: str) -> Callable[[DataLocation], Any]:
    def read(location: DataLocation) -> Any:
        from spacer_like.chips.messages.tiles import ChipTileMsg
        from spacer_like.chips.tasks.tiles import chip_tile

        return chip_tile(
            ChipTileMsg(
                tile_loc=location,
                manifest_loc=DataLocation("memory", "manifest.parquet"),
                chips_loc=DataLocation("memory", "cut"),
                zone=33,
                quadkey="031111212322",
                acquisition="1050410012C31100",
                zoom=17,
                way=way,
            )
        )

    return read


def world(data: bytes, name: str) -> Any:
    from spacer_like.chips.rasters.world_files import world_transform

    return world_transform(data, name)


def auxiliary(data: bytes, name: str) -> Any:
    from spacer_like.chips.rasters.world_files import auxiliary

    return auxiliary(data, name)


def auxiliary_file() -> bytes:
    from pyproj import CRS

    described = CRS.from_epsg(32633).to_wkt("WKT1_GDAL").replace('"', "&quot;")
    return f"<a><SRS>{described}</SRS><GeoTransform>3e5, 2, 0, 5e6, 0, -2</GeoTransform></a>".encode()


def cut_windows(size: int) -> Callable[[DataLocation], Any]:
    def read(location: DataLocation) -> Any:
        from spacer_like.chips.messages import CutRasterMsg
        from spacer_like.chips.tasks.rasters import cut_raster

        return cut_raster(
            CutRasterMsg(
                raster_loc=location,
                manifest_loc=DataLocation("memory", "manifest.parquet"),
                chips_loc=DataLocation("memory", "cut"),
                grid="pixels",
                size=size,
            )
        )

    return read


def features_file(ending: str) -> Callable[[], bytes]:
    def make() -> bytes:
        import pyarrow as pa
        import pyarrow.parquet as pq
        import shapely
        from pyogrio.raw import write

        shapes = np.array([shapely.box(0, 0, 2, 3), shapely.Point(1, 2)], object)
        wkb = shapely.to_wkb(shapes)
        if ending == ".parquet":
            geo = {"primary_column": "geometry", "columns": {"geometry": {"encoding": "WKB"}}}
            table = pa.table({"kind": ["a", "b"], "geometry": pa.array(wkb.tolist(), pa.binary())})
            sink = io.BytesIO()
            pq.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), sink)
            return sink.getvalue()
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            path, kinds = Path(folder) / f"a{ending}", np.array(["a", "b"], object)
            write(path, wkb, [kinds], ["kind"], crs="EPSG:4326", geometry_type="Unknown")
            return path.read_bytes()

    return make


def outlines_file() -> bytes:
    import pyarrow as pa
    import shapely

    from spacer_like.chips.labels.outlines import OUTLINE_SCHEMA
    from spacer_like.tables.files import table_bytes

    rows = [["a.jpg"], ["lake"], [3], [shapely.to_wkb(shapely.box(1, 2, 3, 4))]]
    return table_bytes(pa.table(rows, schema=OUTLINE_SCHEMA), parquet=True)


def outlines_of(data: bytes, name: str) -> Any:
    from spacer_like.chips.labels.outlines import read_outlines

    return list(read_outlines(data, name))


def names_of_values(data: bytes, name: str) -> Any:
    from spacer_like.chips.labels.mask_labels import names_in

    return names_in(data, name)


def names_of_bands(data: bytes, name: str) -> Any:
    from spacer_like.chips.labels.mask_labels import names_beside

    return names_beside(data, 1, name)


def features_at(path: Path) -> Any:
    from spacer_like.chips.labels.vector_layer import open_layer

    layer = open_layer(str(path), str(path), None, "kind", None)
    return [text for batch in layer.features() for text in batch.values]


def shown(location: DataLocation) -> Any:
    from spacer_like.chips.grid import Cell
    from spacer_like.tile_server.open_tile import OpenTile

    found = OpenTile(location, Cell(33, "031111212322"))
    try:
        with found._own_errors():
            return found.dataset.read()
    finally:
        found.close()


def half_masked(column: int, row: int, width: int, height: int) -> Any:
    return np.broadcast_to(np.arange(column, column + width) < 60, (height, width))


CHIP_ROWS = [
    Reader(
        "a manifest",
        (
            "chips.cutting.manifest:read_manifest",
            "chips.cutting.manifest:read_header",
            "tables.described:DescribedTables.opened",
            "tables.described:DescribedTables.read",
        ),
        golden(CHIPS, "manifest-v1.parquet"),
        manifest_of,
    ),
    Reader(
        "a manifest of a raster's chips",
        ("chips.rasters.manifest:read_raster_manifest",),
        golden(CHIPS, "raster-manifest-v1.parquet"),
        raster_manifest,
    ),
    Reader(
        "marks of chips",
        ("chips.places_by_example.marks:read_marks",),
        lambda: b"chip,answer\r\nM14-1-2_a.jpg,yes\r\nM14-1-3_a.jpg,no\r\n",
        marks,
        ".csv",
    ),
    Reader(
        "a manifest as chips",
        ("chips.chip_source:open_chips", "chips.chip_source:read_manifests"),
        golden(CHIPS, "manifest-v1.parquet"),
        on_disk(chips_at),
        ".parquet",
        share=0.5,
    ),
    *(
        Reader(
            f"embeddings, version {version}",
            (
                "embeddings.embeddings_file:read_embeddings",
                "mapped_tensors:read_tensors",
            ),
            golden(EMBEDDINGS, f"embeddings-v{version}.safetensors"),
            embeddings,
        )
        for version in (1, 2)
    ),
    *(
        Reader(
            f"a chip of bands{ending}",
            ("chips.band_chips:band_image", "chips.chip_drawing:drawn"),
            band_chip(ending),
            band_image,
            ending=ending,
            share=0.5,
        )
        for ending in (".npy", ".tif")
    ),
    *(
        Reader(
            f"an index, {kind}",
            ("embeddings.index:read_index",),
            golden(EMBEDDINGS, f"index-{kind}-v1.safetensors"),
            index,
        )
        for kind in ("exact", "ivf")
    ),
    *(
        Reader(
            f"features{ending}",
            ("chips.labels.vector_layer:open_layer",),
            features_file(ending),
            on_disk(features_at),
            ending,
            share=0.2,
        )
        for ending in (".geojson", ".gpkg", ".parquet")
    ),
    Reader("outlines in chips", ("chips.labels.outlines:read_outlines",), outlines_file, outlines_of),
    *(
        Reader(f"names of a mask's values{ending}", ("chips.labels.mask_labels:names_in",), make, names_of_values)
        for ending, make in (
            (".csv", lambda: b"value,name\n1,forest\n2,water\n"),
            (".json", lambda: b'{"1": "forest", "2": "water"}'),
        )
    ),
    Reader(
        "names of a mask's classes beside it",
        ("chips.labels.mask_labels:names_beside",),
        lambda: (
            b'<PAMDataset><PAMRasterBand band="1"><CategoryNames><Category>a</Category></CategoryNames>'
            b"</PAMRasterBand></PAMDataset>"
        ),
        names_of_bands,
    ),
    Reader("an index, codes", ("embeddings.index:read_index",), index_of_codes, search_by_codes, share=0.5),
    *(
        Reader(
            f"a table of labels{ending}",
            ("tables.label_table:read_label_table", "tables.label_table:read_score_table"),
            label_table(ending),
            labels_of(ending),
        )
        for ending in (".csv", ".parquet")
    ),
    Reader(
        "rules of labels",
        ("chips.labels.label_rules:LabelRules.from_json",),
        lambda: b'{"home": {"building": ["house", "hut"]}, "water": {"water": ["*"]}}',
        rules,
    ),
    Reader(
        "elements of a map",
        ("chips.labels.map_elements:MapElements.from_json", "chips.labels.map_elements:read_json"),
        elements,
        elements_of,
    ),
    Reader(
        "a no-data index",
        ("chips.nodata:NodataIndex.from_json",),
        lambda: b'{"all_data": ["a.jpg"], "partial_data": [], "no_data": ["b.jpg", "c.jpg"]}',
        nodata,
    ),
    Reader(
        "an extract of OpenStreetMap",
        ("chips.labels.osm_blobs:BlobReader.__init__", "chips.labels.osm_extract:elements_in"),
        extract,
        elements_in_extract,
        share=0.3,
    ),
    Reader(
        "an extract of what is not uploaded yet",
        ("chips.labels.osm_current:current",),
        lambda: extract(-1),
        elements_in_extract,
        share=0.15,
    ),
    Reader(
        "a tile's layout",
        ("chips.cutting.cog:read_cog", "chips.cutting.tiff:Tiff.__init__"),
        lambda: tile(mask=half_masked),
        layout,
    ),
    *(
        Reader(
            f"a tile that is cut by way of {way}",
            (
                "chips.cutting.block_chips:band_parts",
                "chips.cutting.block_chips:passed_through",
                "chips.cutting.block_reading:read_parts",
                "chips.cutting.decoded_blocks:encoded_anew",
                "chips.cutting.strips:strip_chips",
                "chips.cutting.gdal_reading:opened",
                "chips.tasks.opened_tile:opened_tile",
            ),
            tile_on_the_grid,
            stored(cut(way)),
            share=0.15,
        )
        for way in ("auto", "blocks", "strips")
    ),
    Reader(
        "a raster that is cut",
        (
            "chips.rasters.raster:driver_of",
            "chips.tasks.opened_raster:opened_raster",
            "chips.tasks.opened_raster:opened_overview",
            "chips.tasks.opened_raster:opened_member",
            "chips.tasks.opened_raster:opened_scene",
        ),
        lambda: tile(mask=half_masked),
        stored(cut_windows(64)),
        share=0.3,
    ),
    Reader("a world file", ("chips.rasters.world_files:world_transform",), lambda: b"2 0 0 -2 9 9", world, share=0.3),
    Reader("an auxiliary file of a raster", ("chips.rasters.world_files:auxiliary",), auxiliary_file, auxiliary),
    Reader(
        "a raster whose blocks are copied",
        ("chips.rasters.whole_blocks:WholeBlocks.jpeg",),
        lambda: tile(BLOCKSIZE=128),
        stored(cut_windows(128)),
        share=0.3,
    ),
    Reader(
        "a tile that is shown",
        (
            "tile_server.open_tile:OpenTile.__init__",
            "tile_server.open_tile:OpenTile.read",
            "chips.cutting.tile_picture:TilePicture.read",
        ),
        lambda: tile(mask=half_masked),
        stored(shown),
        share=0.3,
    ),
]

# Tags.


def tag_records() -> tuple[list[Any], Any]:
    from spacer_like.embeddings.embeddings_table import ImageRecord

    records = [
        ImageRecord(f"{number}.png", f"{number:064x}", f"{number:0128x}", "PNG", 1, 2, 3, ("cat",))
        for number in range(4)
    ]
    return records, np.arange(12, dtype=np.float32).reshape(4, 3)


def tag_embeddings() -> bytes:
    from spacer_like.embeddings.embeddings_table import embeddings_writer

    stream = io.BytesIO()
    records, vectors = tag_records()
    with embeddings_writer(stream, "encoder", vectors.shape[1]) as append:
        append(records, vectors)
    return stream.getvalue()


def read_tag_embeddings(data: bytes, name: str) -> Any:
    from spacer_like.embeddings.embeddings_table import read_embeddings_table

    return read_embeddings_table(io.BytesIO(data), name)


def tag_metadata() -> bytes:
    from spacer_like.tags.original_json import Marker, write_metadata

    stream = io.StringIO()
    write_metadata(stream, Marker("CLIP", "ViT-B-32", "openai"), zip(*tag_records(), strict=True), tagged=True)
    return stream.getvalue().encode()


def read_tag_metadata(data: bytes, name: str) -> Any:
    from spacer_like.tags.original_json import read_original_json

    return read_original_json(data, name)


def read_tag_lists(data: bytes, name: str) -> Any:
    from spacer_like.tags.original_json import read_tag_to_hash

    return read_tag_to_hash(data, name)


def tag_model() -> bytes:
    from spacer_like.tags.tag_model import TAG_MODEL, LinearScorer, TagModel

    return TAG_MODEL.to_bytes(TagModel("cat", "ovr-svm", LinearScorer(np.array([1.0, 2.0]), 0.5), "encoder"))


def pickled_tag_model() -> bytes:
    import joblib
    from sklearn.linear_model import LogisticRegression

    stream = io.BytesIO()
    joblib.dump(LogisticRegression().fit(np.eye(4), [0, 1, 0, 1]), stream)
    return stream.getvalue()


def read_tag_model(data: bytes, name: str) -> Any:
    from spacer_like.tags.model_folder import read_tag_models, tag_model_from_bytes

    location = DataLocation("memory", f"model-a-tag-{name}")
    tag_model_from_bytes(data, location)
    return stored(read_tag_models)(data, location.key)


def corrections() -> bytes:
    from spacer_like.tables.corrections import Answer, corrections_bytes

    return corrections_bytes([Answer("ab", "cat/1.png", "cat", True), Answer("", "cat/2.png", "=dog", False)])


def read_answers(data: bytes, name: str) -> Any:
    from spacer_like.tables.corrections import read_corrections

    return read_corrections(data, name)


TAG_ROWS = [
    Reader(
        "a model of a tag",
        ("tags.model_folder:tag_model_from_bytes", "tags.model_folder:read_tag_models"),
        tag_model,
        read_tag_model,
        ".safetensors",
    ),
    Reader(
        "a model of image-tagging-tools",
        ("learning.tag_pickles:read_tag_pickle", "tags.model_folder:tag_model_from_bytes"),
        pickled_tag_model,
        read_tag_model,
        ".pkl",
    ),
    Reader("corrections of tags", ("tables.corrections:read_corrections",), corrections, read_answers, ".csv"),
    Reader(
        "a table of embeddings of tags",
        ("embeddings.embeddings_table:read_embeddings_table", "embeddings.embeddings_table:EmbeddingsFile.__init__"),
        tag_embeddings,
        read_tag_embeddings,
        ".parquet",
    ),
    Reader(
        "metadata of image-tagging-tools",
        ("tags.original_json:read_original_json",),
        tag_metadata,
        read_tag_metadata,
        ".json",
    ),
    Reader(
        "hashes of tags of image-tagging-tools",
        ("tags.original_json:read_tag_to_hash",),
        lambda: b'{"cat": ["00", "01"], "dog": []}',
        read_tag_lists,
        ".json",
    ),
]

# Settings.


def settings_in(path: Path) -> Any:
    from spacer_like import config

    before = config.SECRETS_PATH
    config.SECRETS_PATH = path
    config._secrets.cache_clear()
    try:
        return config.look_up("MAX_IMAGE_PIXELS", int), config.look_up("ALLOWED_CLASS_PREFIXES", tuple)
    finally:
        config.SECRETS_PATH = before
        config._secrets.cache_clear()


SETTING_ROWS = [
    Reader(
        "secrets.json",
        (),
        lambda: b'{"MAX_IMAGE_PIXELS": 1000, "ALLOWED_CLASS_PREFIXES": ["a", "b"], "AWS_REGION": "x"}',
        on_disk(settings_in),
    ),
]

# Regression.


def regressor() -> Any:
    from spacer_like.regression.architectures import weight_shapes
    from spacer_like.regression.regressor import UNIT_SCALE, Domain, Regressor

    weights = {name: np.full(shape, 0.5, np.float32) for name, shape in weight_shapes("small_cnn", 16, None).items()}
    return Regressor("small_cnn", 16, None, UNIT_SCALE, weights, Domain(("c",), 3, (90.0, 5.0), (20.0, 1.0)))


def regressor_file() -> bytes:
    from spacer_like.regression.regressor import REGRESSOR

    return REGRESSOR.to_bytes(regressor())


def regressor_as_onnx() -> bytes:
    from spacer_like.regression.onnx_model import onnx_bytes

    return onnx_bytes(regressor())


def read_regressor_as_onnx(data: bytes, name: str) -> Any:
    from spacer_like.regression.onnx_model import read_onnx

    return read_onnx(data, name)


def read_regressor(data: bytes, name: str) -> Any:
    from spacer_like.regression.regressor import REGRESSOR

    return REGRESSOR.from_bytes(data, name)


def galaxy_catalog() -> bytes:
    return b" pgc | inc | inc_flg | fon | inc_note \n 2 | 67 | 0 | | \n 4 | 0 | 2 | F | [loose arms] \n"


def read_galaxies(data: bytes, name: str) -> Any:
    from spacer_like.regression.catalog import read_catalog

    catalog = read_catalog(data, name)
    return [row.label for row in catalog.rows], catalog.faults


def packed_galaxies() -> bytes:
    images, labels = np.zeros((2, 4, 4, 3), np.uint8), np.array([[5, 6], [50, 60]], np.int32)
    return npz(images, images=images, labels=labels)()


def read_packed_galaxies(data: bytes, name: str) -> Any:
    from spacer_like.regression.packing import read_packed

    return read_packed(data, name)


def pool_of_galaxies() -> bytes:
    images, numbers = np.zeros((2, 4, 4, 3), np.uint8), np.array([50, 60], np.int32)
    return npz(images, images=images, labels=numbers, pgcIDs=numbers, filter=np.array(["c", "r"], "S1"))()


def open_packed_galaxies(data: bytes, name: str) -> Any:
    from spacer_like.regression.dataset import open_packed

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.npz"
        path.write_bytes(data)
        return open_packed(DataLocation("filesystem", str(path)))


def stamp_of_a_galaxy(ending: str) -> Callable[[bytes, str], Any]:
    def read(data: bytes, name: str) -> Any:
        from spacer_like.regression.stamps import read_stamp

        return read_stamp(data, f"{name}/pgc5_4x4_50.RGB.{ending}")

    return read


def stamp(ending: str) -> Callable[[], bytes]:
    def make() -> bytes:
        from spacer_like.regression.stamps import stamp_bytes

        return stamp_bytes(np.arange(48, dtype=np.uint8).reshape(4, 4, 3), ending)

    return make


def read_galaxies_to_train_on(data: bytes, name: str) -> Any:
    from spacer_like.regression.dataset import read_pool

    return read_pool(data, name)


def array_of_galaxies() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.zeros((2, 4, 4, 3), np.uint8))
    return stream.getvalue()


INDEX_OF_GALAXIES = b"id,code,filter\n5,50,c\n6,60,r\n"


def opened_array_of_galaxies(data: bytes, name: str) -> Any:
    from spacer_like.regression.dataset import open_pool

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.npy"
        path.write_bytes(data)
        path.with_suffix(".csv").write_bytes(INDEX_OF_GALAXIES)
        return open_pool(DataLocation("filesystem", str(path))).images.sum()


def index_of_galaxies(data: bytes, name: str) -> Any:
    from spacer_like.regression.dataset import read_mapped_pool

    return read_mapped_pool(np.zeros((2, 4, 4, 3), np.uint8), data, name)


def prepared_galaxy(data: bytes, name: str) -> Any:
    from spacer_like.regression.stamps import prepared_pixels

    return prepared_pixels(data, name, 8, "g")


def galaxy_fits() -> bytes:
    from astropy.io import fits

    stream = io.BytesIO()
    fits.PrimaryHDU(np.arange(300, dtype=np.float32).reshape(3, 10, 10)).writeto(stream)
    return stream.getvalue()


def stretched_galaxy(data: bytes, name: str) -> Any:
    from spacer_like.regression.fits_images import fits_colour

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fits_colour(data, name)


def checkpoint_index() -> bytes:
    from ..regression.bundles import golden as files

    return files()["keras3-trained.ckpt.index"]


def tensors_of_checkpoint(index: bytes, name: str) -> Any:
    from spacer_like.regression.tensor_bundle import read_bundle, read_bundle_index

    from ..regression.bundles import golden as files

    return read_bundle(read_bundle_index(index, name), [files()["keras3-trained.ckpt.data-00000-of-00001"]], name)


def block_of_index() -> bytes:
    from ..regression.bundles import block_of, entry, field

    numbers = np.arange(6, dtype=np.float32).tobytes()
    return block_of({b"": field(1, 1), b"a": entry(numbers, (2, 3)), b"b": entry(numbers[4:8], (), 4)})


def weights_of_keras(ending: str) -> Callable[[], bytes]:
    """A file of a dense layer of one unit: the rest is as in large ones."""

    def make() -> bytes:
        import zipfile

        import h5py

        stream = io.BytesIO()
        with h5py.File(stream, "w") as file:
            file["layers/dense/vars/0"] = np.zeros((2, 1), np.float32)
        if ending == ".h5":
            return stream.getvalue()
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr(
                zipfile.ZipInfo("config.json"), '{"config": {"layers": [{"config": {"batch_shape": null}}]}}'
            )
            archive.writestr(zipfile.ZipInfo("model.weights.h5"), stream.getvalue())
        return packed.getvalue()

    return make


def layers_of_keras(data: bytes, name: str) -> Any:
    from spacer_like.regression.keras_files import read_keras_file

    return read_keras_file(data, name)


def tensors_of_block(data: bytes, name: str) -> Any:
    """As those of a checkpoint; the checksum, which no damage passes, is made anew."""
    from spacer_like.regression.tensor_bundle import read_bundle, read_bundle_index

    from ..regression.bundles import table

    return read_bundle(read_bundle_index(table(data), name), [np.arange(6, dtype=np.float32).tobytes()], name)


def read_intervals(data: bytes, name: str) -> Any:
    from spacer_like.regression.calibration_file import read_calibration

    calibration = read_calibration(data, name)
    return calibration, calibration.applied([50.0, 89.0], ["g", None])


def predictions_of_networks(parquet: bool) -> bytes:
    import pyarrow as pa

    from spacer_like.tables.files import table_bytes

    columns = {"pgc": [1, 2], "filter": ["g", "c"], "inc_m": [50.0, None], "model4_0": [51.5, 60.0]}
    return table_bytes(pa.table(columns), parquet)


def read_predictions_of_networks(parquet: bool) -> Callable[[bytes, str], Any]:
    def read(data: bytes, name: str) -> Any:
        from spacer_like.regression.prediction_table import Columns, read_predictions

        return read_predictions(data, name, parquet, Columns("inc_m", ["model4_0"], "filter", "pgc")).joined("median")

    return read


def configuration(loc: DataLocation) -> Any:
    from spacer_like.workflows.regression_config import read_config

    return read_config(loc)


REGRESSION_ROWS = [
    Reader(
        "a configuration of a pipeline",
        ("workflows.regression_config:read_config",),
        lambda: b'{"size": 64, "bands": ["g", "gri"], "held_out": 0.2, "networks": ["model4"], "original": false}',
        stored(configuration),
        ".json",
    ),
    Reader(
        "a calibration of inclinations",
        ("regression.calibration_file:read_calibration",),
        golden(REGRESSION, "calibration-v1.json"),
        read_intervals,
    ),
    Reader(
        "predictions of networks",
        ("regression.prediction_table:read_predictions",),
        lambda: predictions_of_networks(False),
        read_predictions_of_networks(False),
        ".csv",
    ),
    Reader(
        "predictions of networks as Parquet",
        ("regression.prediction_table:read_predictions",),
        lambda: predictions_of_networks(True),
        read_predictions_of_networks(True),
        ".parquet",
    ),
    Reader(
        "an index of a TensorFlow checkpoint",
        ("regression.tensor_bundle:read_bundle_index", "regression.tensor_bundle:read_bundle"),
        checkpoint_index,
        tensors_of_checkpoint,
        share=0.3,
    ),
    Reader(
        "weights of Keras in HDF5",
        ("regression.keras_files:read_keras_file", "regression.keras_hdf5:stored_layers"),
        weights_of_keras(".h5"),
        layers_of_keras,
        ".h5",
        share=0.03,
    ),
    Reader(
        "weights of Keras in an archive",
        ("regression.keras_files:read_keras_file", "regression.keras_hdf5:stored_layers"),
        weights_of_keras(".keras"),
        layers_of_keras,
        ".keras",
        share=0.03,
    ),
    Reader(
        "entries of a TensorFlow checkpoint",
        ("regression.tensor_bundle:read_bundle_index", "regression.tensor_bundle:read_bundle"),
        block_of_index,
        tensors_of_block,
    ),
    Reader(
        "a FITS image of a galaxy",
        ("regression.fits_images:fits_colour", "regression.fits_images:fits_grey", "regression.fits_images:fits_light"),
        galaxy_fits,
        stretched_galaxy,
        share=0.3,
    ),
    Reader(
        "a network of inclinations", ("learning.model_file:ModelFormat.from_bytes",), regressor_file, read_regressor
    ),
    Reader(
        "an ONNX model of inclinations",
        ("regression.onnx_model:read_onnx",),
        regressor_as_onnx,
        read_regressor_as_onnx,
    ),
    Reader("a catalog of galaxies", ("regression.catalog:read_catalog",), galaxy_catalog, read_galaxies),
    Reader("packed images of galaxies", ("regression.packing:read_packed",), packed_galaxies, read_packed_galaxies),
    Reader(
        "galaxies to train on",
        ("regression.dataset:read_pool",),
        pool_of_galaxies,
        read_galaxies_to_train_on,
        share=0.5,
    ),
    Reader(
        "an array of galaxies to train on",
        ("regression.dataset:open_pool",),
        array_of_galaxies,
        opened_array_of_galaxies,
        share=0.5,
    ),
    Reader(
        "the index of galaxies to train on",
        ("regression.dataset:read_mapped_pool",),
        lambda: INDEX_OF_GALAXIES,
        index_of_galaxies,
    ),
    Reader(
        "opened packed images of galaxies",
        ("regression.dataset:open_packed",),
        packed_galaxies,
        open_packed_galaxies,
        share=0.3,
    ),
    *(
        Reader(
            f"a prepared image of a galaxy as {ending}",
            ("regression.stamps:read_stamp",),
            stamp(ending),
            stamp_of_a_galaxy(ending),
            share=0.5,
        )
        for ending in ("jpg", "npy")
    ),
    Reader("an image of a galaxy", ("regression.stamps:prepared_pixels",), lambda: picture("PNG"), prepared_galaxy),
]

READERS = [
    *DATA_ROWS,
    *IMAGE_ROWS,
    *MODEL_ROWS,
    *TABLE_ROWS,
    *CHIP_ROWS,
    *TAG_ROWS,
    *REGRESSION_ROWS,
    *SETTING_ROWS,
]
