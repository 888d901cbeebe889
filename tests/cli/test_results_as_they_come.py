"""`classify` writes each image as soon as it is done and holds none; what cannot be read back is not written."""

import gc
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spacer_like import config
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import InvalidKeyError, RowColumnMissingError
from spacer_like.messages import ClassifyFeaturesMsg, ClassifyReturnMsg, JobMsg, JobReturnMsg

FILES = [f"features/photos/{number}.jpg.features" for number in range(6)]
MODEL = ("--model", "reef.pkl")


def place(folder, name):
    return DataLocation("filesystem", str(folder / name))


def job(folder, scores=None):
    """The reef's feature files, to be classified; `scores` are names of files for their scores."""
    return JobMsg(
        "classify_features",
        [
            ClassifyFeaturesMsg(
                job_token=file,
                feature_loc=place(folder, file),
                classifier_loc=place(folder, "reef.pkl"),
                scores_loc=place(folder, scores.format(number)) if scores else None,
            )
            for number, file in enumerate(FILES)
        ],
    )


@pytest.mark.parametrize("out", ["all.csv", "all.json"])
def test_no_answer_is_held_once_it_is_written(trained, command, monkeypatch, out):
    from spacer_like.cli.classified import Classified

    alive = []

    def take(self, number, result, own=Classified.take):
        own(self, number, result)
        gc.collect()
        alive.append(sum(type(one) is ClassifyReturnMsg for one in gc.get_objects()))

    gc.collect()
    before = sum(type(one) is ClassifyReturnMsg for one in gc.get_objects())
    monkeypatch.setattr(Classified, "take", take)
    assert command("classify", *FILES, *MODEL, "--out", out, "--json").code == 0
    assert [count - before for count in alive] == [1] * 6


def test_the_rows_are_in_a_file_beside_the_table_as_soon_as_an_image_is_done(trained, command, monkeypatch):
    from spacer_like.cli.classified import Classified

    lines = []

    def take(self, number, result, own=Classified.take):
        own(self, number, result)
        assert not Path("all.csv").exists()
        lines.append(len(Path("all.csv.part").read_text().splitlines()))

    monkeypatch.setattr(Classified, "take", take)
    assert command("classify", *FILES, *MODEL, "--out", "all.csv").code == 0
    assert lines == [1 + 16 * (number + 1) for number in range(6)]
    assert len(Path("all.csv").read_text().splitlines()) == 97
    assert not Path("all.csv.part").exists()


def test_a_table_and_an_answer_in_json_are_one_value_each(trained, command):
    answer = command("classify", *FILES, *MODEL, "--out", "all.json", "--json").json
    assert answer["ok"] is True
    assert answer["failures"] == []
    assert [len(image["points"]) for image in answer["images"]] == [16] * 6
    assert json.loads(Path("all.json").read_text()) == {"images": answer["images"]}


def test_an_answer_of_which_an_image_failed_is_one_value_too(trained, command):
    Path(FILES[0]).write_text("no features")
    said = command("classify", *FILES, *MODEL, "--json")
    assert said.code == 64
    assert said.json["ok"] is False
    assert len(said.json["images"]) == 5
    assert [failure["name"] for failure in said.json["failures"]] == ["0.jpg"]


def test_where_nothing_was_classified_no_file_is_left(trained, command):
    Path(FILES[0]).write_text("no features")
    before = set(Path().iterdir())
    said = command("classify", FILES[0], *MODEL, "--out", "all.csv", "--json")
    assert said.code == 64
    assert said.json["error"]["class"].endswith("FeatureFileError")
    assert set(Path().iterdir()) == before


SLOW = """
import sys, time
from spacer_like import interruption
interruption.listen()
from spacer_like.cli import main, classified
own = classified.Classified.take
def take(self, number, result):
    own(self, number, result)
    print(number, file=sys.stderr, flush=True)
    if number == 2:
        time.sleep(60)
classified.Classified.take = take
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("number", "left"), [(signal.SIGTERM, "all.csv"), (signal.SIGKILL, "all.csv.part"), (signal.SIGINT, "all.csv")]
)
def test_what_is_done_stays_when_the_program_is_ended(trained, number, left):
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, "classify", *FILES, *MODEL, "--out", "all.csv"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    for line in process.stderr:
        if line.strip() == b"2":
            break
    time.sleep(0.05)
    process.send_signal(number)
    process.wait(20)
    process.stderr.close()
    assert [path.name for path in Path().glob("all.csv*")] == [left]
    lines = Path(left).read_text().splitlines()
    assert lines[0] == "image,row,col,label,score,decided"
    assert len(lines) == 49


def test_a_piece_that_was_interrupted_leaves_nothing(tmp_path):
    from spacer_like.cli.classified import growing_output

    with growing_output(place(tmp_path, "all.csv")) as file:
        file.add(b"whole\n")
        file._file.write(b"hal")
    assert (tmp_path / "all.csv").read_bytes() == b"whole\n"


@pytest.mark.parametrize("options", [("--result", "answer.json"), ("--json",)])
def test_a_return_message_that_could_not_be_read_back_is_not_written(trained, command, options):
    job(trained).store(place(trained, "job.json"))
    with config.override(max_message_bytes=6000):
        said = command("run", "job.json", *options)
    assert said.code == 64
    assert "more than the 6000 that a message may have. It could not be read back, and is not written." in said.err
    assert "give each classifying task a scores_loc" in said.err
    assert '"results"' not in said.out
    assert not Path("answer.json").exists()


def test_with_a_place_for_the_scores_of_each_task_the_return_message_stays_small(trained, command):
    job(trained, "scores-{}.json").store(place(trained, "job.json"))
    with config.override(max_message_bytes=9000):
        said = command("run", "job.json", "--result", "answer.json")
        assert said.code == 0, said.err
        assert command("validate", "answer.json").code == 0
        answer = JobReturnMsg.load(place(trained, "answer.json"))
    whole = command("run", "job.json", "--json")
    assert whole.code == 0
    job(trained).store(place(trained, "inside.json"))
    inside = command("run", "inside.json", "--json").json["results"]
    for result, expected in zip(answer.results, inside, strict=True):
        assert result.scores == []
        scores = ClassifyReturnMsg.load(result.scores_loc)
        assert scores.serialize()["scores"] == [tuple(one) for one in expected["scores"]]
        assert scores.classes == result.classes == ["coral", "sand"]
        with pytest.raises(RowColumnMissingError, match=r"The scores are in the file .*scores-"):
            result[5, 8]


def test_a_container_answers_with_a_message_that_can_be_read(trained, monkeypatch):
    from spacer_like.mailman import env_job

    job(trained).store(place(trained, "job.json"))
    monkeypatch.setenv("JOB_MSG_LOC", str(trained / "job.json"))
    monkeypatch.setenv("RES_MSG_LOC", str(trained / "answer.json"))
    with config.override(max_message_bytes=6000):
        assert env_job() == 64
        answer = JobReturnMsg.load(place(trained, "answer.json"))
    assert answer.ok is False
    assert "could not be read back" in answer.error_message
    assert len(answer.original_job.tasks) == 6


def test_a_score_that_equals_the_threshold_is_decided(tmp_path):
    from spacer_like.cli.classified import Classified, growing_output

    result = ClassifyReturnMsg(
        runtime=0.0,
        scores=[(1, 1, [0.25, 0.75]), (2, 2, [0.5, 0.5]), (3, 3, [0.74, 0.26])],
        classes=["coral", "sand"],
        valid_rowcol=True,
    )
    classified = Classified(["a.jpg"], [{(1, 1): "sand", (3, 3): "sand"}], 0.75)
    with growing_output(place(tmp_path, "all.csv")) as file:
        classified.write_csv(file)
        classified.take(0, result)
    rows = (tmp_path / "all.csv").read_text().splitlines()
    assert rows[1:] == ["a.jpg,1,1,sand,0.7500,yes", "a.jpg,2,2,coral,0.5000,no", "a.jpg,3,3,coral,0.7400,no"]
    cover = classified.cover
    assert cover.classes == {"sand": [1, 1], "coral": [2, 0]}
    assert (cover.points, cover.labelled, cover.right) == (3, 2, 1)


def test_a_pipe_under_the_name_of_the_growing_file_is_left(tmp_path):
    from spacer_like.cli.classified import growing_output

    os.mkfifo(tmp_path / "all.csv.part")
    with pytest.raises(InvalidKeyError, match="is a pipe"), growing_output(place(tmp_path, "all.csv")):
        pass
    assert (tmp_path / "all.csv.part").is_fifo()
