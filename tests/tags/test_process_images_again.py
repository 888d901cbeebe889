"""A run that was killed is taken up again, and the network's vectors do not depend on what stands beside an image."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from spacer_like import config
from spacer_like.data_classes import DataLocation
from spacer_like.embeddings.embeddings_table import read_embeddings_table
from spacer_like.messages import ProcessImagesMsg
from spacer_like.tags.tasks.process import process_images
from spacer_like.testing.extractors import MeanColour

from .photographs import coloured, encoded, photographs, small

N_IMAGES = 300
# Each image takes so long that two processes that are killed have not done all of them.
CHILD = """
import json, sys, time
from spacer_like import config
from spacer_like.messages import ProcessImagesMsg
from spacer_like.progress import listening
from spacer_like.tags.tasks import part_files
from spacer_like.tags.tasks.process import process_images
from spacer_like.testing.extractors import MeanColour

features = MeanColour.patches_to_features

def slow(self, patches):
    time.sleep(0.006)
    return features(self, patches)

MeanColour.patches_to_features = slow
part_files.SECONDS_OF_A_PART = 0
with config.override(allowed_class_prefixes=("spacer_like.testing",), torch_threads=1):
    with listening(lambda work, ended, total: ended == 1 and print("begins", flush=True)):
        process_images(ProcessImagesMsg.deserialize(json.loads(sys.argv[1])))
"""


def at(path: Path) -> DataLocation:
    return DataLocation("filesystem", str(path))


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


class TestKilled:
    @pytest.fixture(scope="class")
    @classmethod
    def images(cls, tmp_path_factory) -> Path:
        folder = tmp_path_factory.mktemp("images")
        for number in range(N_IMAGES):
            (folder / f"{number}.png").write_bytes(coloured(number % 290) if number % 50 else b"broken")
        return folder

    def request(self, images: Path, out: Path) -> ProcessImagesMsg:
        return ProcessImagesMsg(
            images_loc=at(images),
            embeddings_loc=at(out / "table.parquet"),
            extractor=MeanColour(),
            tagged=False,
            metadata_json_loc=at(out / "metadata.json"),
            failures_loc=at(out / "failures.csv"),
        )

    @pytest.mark.parametrize("seed", range(2))
    def test_at_any_moment_and_done_again_the_bytes_are_those_of_one_run(self, seed, images, tmp_path):
        whole, killed = tmp_path / "whole", tmp_path / "killed"
        expected = process_images(self.request(images, whole))
        killed.mkdir()
        seconds = random.Random(seed)
        n_kept = []
        for _ in range(2):
            request = json.dumps(self.request(images, killed).serialize())
            with subprocess.Popen([sys.executable, "-c", CHILD, request], stdout=subprocess.PIPE) as child:
                assert child.stdout is not None
                child.stdout.readline()
                time.sleep(seconds.uniform(0, 0.3))
                os.kill(child.pid, signal.SIGKILL)
            n_kept.append(len(list(killed.glob("table.parquet.part-*"))))
            assert not (killed / "table.parquet").exists()

        answer = process_images(self.request(images, killed))

        assert n_kept[0] <= n_kept[1]
        assert answer.n_images == expected.n_images == N_IMAGES - 6
        assert answer.n_encoded <= expected.n_encoded
        assert (answer.n_encoded < expected.n_encoded) is (n_kept[1] > 0)
        assert files_in(killed) == files_in(whole) == {"table.parquet", "metadata.json", "failures.csv"}
        for name in files_in(whole):
            assert (killed / name).read_bytes() == (whole / name).read_bytes()


class TestEfficientNetLite0:
    """Of whole images, as they are and with others."""

    @pytest.fixture(scope="class")
    @classmethod
    def images(cls, tmp_path_factory) -> Path:
        folder = tmp_path_factory.mktemp("images")
        for name, pixels in photographs().items():
            (folder / f"{name}.jpg").write_bytes(encoded(pixels))
        (folder / "smaller.png").write_bytes(encoded(small("china", 300), "PNG"))
        return folder

    def vectors(self, images: Path, out: Path, name: str = "table.parquet", **fields) -> dict[str, np.ndarray]:
        request = ProcessImagesMsg(images_loc=at(images), embeddings_loc=at(out / name), tagged=False, **fields)
        process_images(request)
        table = read_embeddings_table(BytesIO((out / name).read_bytes()), name)
        return {Path(record.path).name: vector for record, vector in zip(table.records, table.vectors, strict=True)}

    @pytest.mark.parametrize("use_onnx", [True, False], ids=["onnxruntime", "torch"])
    def test_vectors_are_the_same_alone_beside_others_and_with_what_was_known(self, images, tmp_path, use_onnx):
        with config.override(use_onnx=use_onnx):
            together = self.vectors(images, tmp_path)
            alone = self.vectors(images / "petals.jpg", tmp_path, "alone.parquet")
            with config.override(torch_threads=1):
                self.vectors(images, tmp_path, "again.parquet", previous_loc=at(tmp_path / "alone.parquet"))

        assert np.array_equal(alone["petals.jpg"], together["petals.jpg"])
        # The last bits of torch's vectors depend on its threads.
        if use_onnx:
            assert (tmp_path / "again.parquet").read_bytes() == (tmp_path / "table.parquet").read_bytes()

    def test_a_smaller_copy_is_nearer_than_another_photograph(self, images, tmp_path):
        found = {name: vector / np.linalg.norm(vector) for name, vector in self.vectors(images, tmp_path).items()}
        assert found["china.jpg"] @ found["smaller.png"] > 0.85
        assert found["china.jpg"] @ found["flower.jpg"] < 0.5
