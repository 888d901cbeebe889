"""A table of embeddings made in parts by an engine, and in one by one request."""

from pathlib import Path

import pytest

from spacer_like import config
from spacer_like.engines.base import Engine, Serial, failed
from spacer_like.engines.processes import Processes
from spacer_like.exceptions import DataNotFoundError, MessageError, TransientError
from spacer_like.location import DataLocation
from spacer_like.messages import ProcessImagesMsg
from spacer_like.tags.tasks.process import process_images
from spacer_like.testing.extractors import MeanColour
from spacer_like.workflows.tags import process_in_parts

from .conftest import drawing

N_IMAGES = 11


def at(path: Path) -> DataLocation:
    return DataLocation("filesystem", str(path))


@pytest.fixture(autouse=True)
def mean_colour_is_allowed(monkeypatch):
    monkeypatch.setenv("SPACER_ALLOWED_CLASS_PREFIXES", "spacer_like.testing.extractors")
    with config.override(allowed_class_prefixes=("spacer_like.testing.extractors",)):
        yield


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    """Eleven pictures, two of them equal, a damaged one, and a file that is none."""
    folder = tmp_path_factory.mktemp("images")
    for number in range(N_IMAGES):
        drawing(number if number else 7).save(folder / f"{number:02d}.png")
    (folder / "05b.png").write_bytes(b"broken")
    (folder / "notes.txt").write_text("no image")
    return folder


def request(images: Path, out: Path) -> ProcessImagesMsg:
    return ProcessImagesMsg(
        images_loc=at(images),
        embeddings_loc=at(out / "table.parquet"),
        extractor=MeanColour(),
        tagged=False,
        failures_loc=at(out / "failures.csv"),
        metadata_json_loc=at(out / "metadata.json"),
    )


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class Losing(Engine):
    """Loses the requests of some indexes, of those that come together."""

    def __init__(self, *lost: int) -> None:
        self._lost = lost

    def work(self, messages, before):
        every = list(messages)
        for index, message in every:
            if len(every) > 1 and index in self._lost:
                yield index, failed(TransientError("The worker was lost."))
            else:
                yield from ((index, outcome) for _, outcome in Serial().outcomes([message]))


@pytest.mark.parametrize("engine", [Serial(), Processes(2), Losing(1)], ids=["serial", "processes", "a part is lost"])
def test_parts_join_to_the_files_of_one_request(images, tmp_path, engine):
    expected = process_images(request(images, tmp_path / "one"))
    with engine:
        outcome = process_in_parts(request(images, tmp_path / "parts"), engine, images_of_a_part=3)
    assert outcome.status == "done"
    assert files_in(tmp_path / "parts") == files_in(tmp_path / "one")
    without_counts = {"runtime": 0.0, "n_encoded": 0, "n_reused": 0}
    assert outcome.result.serialize() | without_counts == expected.serialize() | without_counts
    # The equal pictures are in two parts, each of which has decoded its own.
    assert outcome.result.n_encoded == N_IMAGES
    assert expected.n_encoded == N_IMAGES - 1


def test_a_part_that_is_done_is_not_done_again(images, tmp_path):
    lost = process_in_parts(request(images, tmp_path), Losing(0, 1, 2, 3), images_of_a_part=3)
    assert (lost.status, lost.transient) == ("failed", True)
    part = ProcessImagesMsg(
        images_loc=at(images), embeddings_loc=at(tmp_path / "p"), extractor=MeanColour(), tagged=False, part=[3, 4]
    )
    answer = process_images(part)
    assert (answer.n_images, answer.n_encoded, answer.n_failed) == (3, 3, 0)
    assert process_images(part).n_encoded == 0


def test_what_the_table_has_already_is_not_decoded_again(images, tmp_path):
    process_images(request(images, tmp_path))
    before = files_in(tmp_path)
    outcome = process_in_parts(request(images, tmp_path), Serial(), images_of_a_part=3)
    assert (outcome.result.n_encoded, outcome.result.n_reused) == (0, N_IMAGES)
    assert files_in(tmp_path) == before


def test_a_part_may_be_empty_and_has_no_files_beside_its_table(images, tmp_path):
    part = {"tagged": False, "part": [0, 100], "extractor": MeanColour(), "images_loc": at(images)}
    assert process_images(ProcessImagesMsg(embeddings_loc=at(tmp_path / "p.parquet"), **part)).n_images == 0
    with pytest.raises(MessageError, match="database_loc is of all images: leave it out, or leave part out"):
        process_images(
            ProcessImagesMsg(embeddings_loc=at(tmp_path / "p.parquet"), database_loc=at(tmp_path / "d.db"), **part)
        )
    for wrong in ([1, 1], [-1, 2], [0]):
        with pytest.raises(MessageError, match="part"):
            ProcessImagesMsg(embeddings_loc=at(tmp_path / "p.parquet"), **part | {"part": wrong})


def test_what_cannot_be_is_refused_before_anything_begins(tmp_path):
    with pytest.raises(DataNotFoundError):
        process_in_parts(request(tmp_path / "none", tmp_path), Losing(0))
