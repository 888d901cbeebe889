"""No command writes over what it reads, or to one place twice; and each says so before it begins."""

import json
import shutil

import pytest

from .conftest import COLOURS, TRAINING
from .test_mistakes import sentence

CLASSIFY = ("classify", "photos/0.jpg", "--model", "reef.pkl", "--extractor", COLOURS, "--grid", 3)


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((*CLASSIFY, "--annotate", "photos/0.jpg"), "--annotate would overwrite the image"),
        ((*CLASSIFY, "--annotate", "photos/../photos/./0.jpg"), "--annotate would overwrite the image"),
        ((*CLASSIFY, "--annotate", "link.jpg"), "--annotate would overwrite the image"),
        ((*CLASSIFY[:-2], "--points", "labels.csv", "--out", "labels.csv"), "--out would overwrite --points"),
        ((*CLASSIFY, "--out", "model.csv", "--model", "model.csv"), "--out would overwrite --model"),
        ((*CLASSIFY, "photos/1.jpg", "--annotate", "pictures", "--out", "pictures/0.jpg.csv"), None),
        (("classify", "photos/0.jpg", "x/0.jpg", *CLASSIFY[2:], "--annotate", "pictures"), "are named '0.jpg'"),
        (("classify", "features/photos/0.jpg.features", "--model", "reef.pkl", "--out", "m.json"), None),
        (("classify", "0.json.features", "--model", "0.json", "--out", "0.json"), "--out would overwrite --model"),
        (("train", *TRAINING, "--model", "labels.csv"), "--model would overwrite the table of labels"),
        (("train", *TRAINING, "--model", "new.pkl", "--previous", "new.pkl"), "--model would overwrite --previous"),
        (("train", *TRAINING, "--model", "link.pkl", "--previous", "reef.pkl"), "--model would overwrite --previous"),
        (("train", *TRAINING, "--report", "r", "--valresult", "r"), "--valresult and --report are both"),
        (("train", *TRAINING, "--report", "r.json", "--page", "r.json"), "--page"),
        (("train", *TRAINING, "--plot", "model.png"), "--plot"),
        (("train", *TRAINING, "--plot", "p.png", "--page", "p.png"), "--plot and --page are both"),
        (("train", *TRAINING, "--plot", "table.png"), "--plot would overwrite the table of labels"),
        (("train", *TRAINING, "--page", "features/photos/0.jpg.features"), "--page would overwrite labels."),
        (("extract", "--points", "labels.csv", "--out", "f", "--extractor", COLOURS, "--points-out", "labels.csv"),
         "--points-out would overwrite --points"),
        (("extract", "photos", "--grid", 2, "--out", "f", "--extractor", COLOURS, "--points-out", "photos/1.jpg"),
         "--points-out would overwrite tasks.1.image_loc"),
        (("run", "job.json", "--result", "job.json"), "--result would overwrite the job"),
        (("run", "job.json", "--result", "{folder}/./job.json"), "--result would overwrite the job"),
        (("run", "job.json", "--result", "reef.pkl"), "--result would overwrite classifier_loc"),
        (("chips", "nodata", "c.parquet", "--out", "c.parquet"), "--out would overwrite CHIPS"),
        (("chips", "label-table", "i.json", "l.json", "--out", "t.csv,t.csv"), "are both"),
        (
            ("chips", "label-table", "i.json", "l.json", "--out", "t.csv", "--dense", "t.csv"),
            "--out and --dense are both",
        ),
        (("chips", "plot-labels", "t.csv", "--map", "t.csv"), "--map would overwrite TABLE"),
        (("chips", "plot-labels", "t.csv", "--map", "a.png", "--distribution", "a.png"), "are both"),
        (("chips", "train", "t.csv", "chips", "--model", "t.csv"), "--model would overwrite TABLE"),
        (("chips", "train", "t.csv", "chips", "--metrics", "t.csv"), "--metrics would overwrite TABLE"),
        (("chips", "label", "chips", "--model", "m.csv", "--out", "m.csv"), "--out would overwrite --model"),
        (("chips", "encode", "chips", "--model", "m", "--out", "m"), "--out would overwrite --model"),
        (("chips", "index", "a", "b", "--out", "b"), "--out would overwrite EMBEDDINGS"),
        (("chips", "similar", "a", "--index", "i", "--sheet", "i"), "--sheet would overwrite --index"),
        (("chips", "similar", "photos/0.jpg", "--index", "i", "--sheet", "photos/0.jpg"), "would overwrite the image"),
        (("chips", "cut", "tree", "--out", "tree"), "--out would overwrite RASTERS"),
    ],
)  # fmt: skip
def test_outputs_have_places_of_their_own(trained, command, arguments, told):
    (trained / "link.jpg").symlink_to("photos/0.jpg")
    (trained / "link.pkl").hardlink_to(trained / "reef.pkl")
    (trained / "model.png").hardlink_to(trained / "reef.pkl")
    (trained / "table.png").symlink_to("labels.csv")
    shutil.copy(trained / "reef.pkl", trained / "model.csv")
    (trained / "x").mkdir()
    shutil.copy(trained / "photos" / "0.jpg", trained / "x" / "0.jpg")
    job = {"job_token": "1", "feature_loc": "features/photos/0.jpg.features", "classifier_loc": "reef.pkl"}
    task = {
        name: text if name == "job_token" else {"storage_type": "filesystem", "key": f"{trained}/{text}"}
        for name, text in job.items()
    }
    (trained / "job.json").write_text(json.dumps({"task_name": "classify_features", "tasks": [task]}))
    before = files(trained)
    said = command(*(str(one).format(folder=trained) for one in arguments))
    if told is None:
        assert said.code == 0, said.err
        assert {path: data for path, data in files(trained).items() if path in before} == before
    else:
        assert told in sentence(said)
        assert files(trained) == before


def test_a_rarity_run_is_not_written_into_its_own_images(reef, command):
    before = files(reef)
    for out in ("photos", "./photos/", "link"):
        (reef / "link").unlink(missing_ok=True)
        (reef / "link").symlink_to("photos")
        assert "--out" in sentence(command("rarity", "photos", "--out", out))
    assert files(reef) == before
