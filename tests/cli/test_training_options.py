"""How a training goes: stopping early, layers, rare classes, sources; and what is then said."""

import html
import json

import pytest

from .conftest import TRAINING

MLP = (*TRAINING, "--classifier", "MLP", "--validation", 0.3)


def test_what_chose_the_epoch_is_said(extracted, command):
    few = ("--epochs", 30, "--patience", 1, "--reference", 0.1)
    said = command("train", *TRAINING, "--classifier", "MLP", *few, "--stopping", 0.2)
    assert "the least loss on 16 points held back from learning" in " ".join(said.out.split()), said.err
    assert "All figures are of the validation points, which had no part in the training." in " ".join(said.out.split())


def test_a_pack_takes_the_place_of_the_feature_files(extracted, command):
    said = command("pack-features", "features", "--out", "features.safetensors")
    assert said.code == 0, said.err
    assert "96 points of 6 files: features.safetensors" in said.out
    models = []
    for features in ("features", "features.safetensors"):
        said = command("train", *MLP, "--features", features, "--model", "model.safetensors")
        assert said.code == 0, said.err
        models.append((extracted / "model.safetensors").read_bytes())
    assert models[0] == models[1]
    (extracted / "labels.csv").write_text("image,row,col,label\nphotos/9.jpg,1,1,sand\n")
    said = command("train", *MLP, "--features", "features.safetensors")
    assert "have no feature file in" in " ".join(said.err.split())
    assert "features.safetensors" in said.err


@pytest.fixture
def sites(extracted):
    """A table of sources: three sites of two images each."""
    lines = ["image,site", *(f"photos/{number}.jpg,site {number // 2}" for number in range(6))]
    (extracted / "sites.csv").write_text("\n".join(lines))
    return extracted


def test_a_training_stops_early_and_says_which_epoch_it_kept(extracted, command):
    said = command("train", *MLP, "--patience", 1, "--layers", "9,5", "--epochs", 30, "--json")
    assert said.code == 0, said.err
    found = said.json["report"]
    kept = found["by_image"]["kept_epoch"]
    assert found["by_image"]["ref_losses"][kept - 1] == min(found["by_image"]["ref_losses"])


def test_whole_sources_are_held_back_and_named(sites, command):
    said = command(
        "train", *MLP, "--split", "sources", "--sources", "sites.csv", "--report", "r.json", "--page", "p.html",
        "--plot", "p.png",
    )  # fmt: skip
    assert said.code == 0, said.err
    (source,) = json.loads((sites / "r.json").read_text())["by_image"]["sources"]
    assert (source["images"], source["points"]) == (2, 32)
    page = (sites / "p.html").read_text()
    for text in ("always the commonest class", "Matthews' correlation", source["source"]):
        assert text in said.out
        assert html.escape(text) in page


def test_folders_are_sources(sites, command):
    said = command("train", *MLP, "--split", "sources")
    assert "have no source" in said.err
    assert "--split vectors" in said.err


@pytest.mark.parametrize("how", ["weights", "subsample"])
def test_rare_classes_can_be_given_weight(extracted, command, how):
    fewest = ("--fewest", 5) if how == "subsample" else ()
    assert command("train", *MLP, "--balance", how, *fewest).code == 0


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("photo,site\n", "its first line must name image and source"),
        ("image,site\nphotos/0.jpg\n", "line 2: the image or its source is empty"),
        ("image,site\nphotos/0.jpg,a\nphotos/0.jpg,b\n", "line 3: photos/0.jpg is of 'b', and of 'a' before"),
        ("image,site\nphotos/0.jpg,a\n", "names no source of the image photos/1.jpg"),
        ('image,site\n"photos', "this is not CSV"),
    ],
)
def test_a_table_of_sources_that_is_none_is_refused(sites, command, text, sentence):
    (sites / "sites.csv").write_text(text)
    said = command("train", *MLP, "--sources", "sites.csv")
    assert said.code == 64
    assert sentence in said.err.replace("\n", " ")


def test_layers_must_be_numbers(extracted, command):
    assert "--layers must be whole numbers" in command("train", *MLP, "--layers", "9,x").err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--classifier", "LR", "--layers", "9,5"), "--layers is of a perceptron"),
        (("--epochs", 5, "--stopping", 0.2), "--stopping is of --patience"),
        (("--fewest", 5), "--fewest is of --balance subsample"),
        (("--balance", "weights", "--fewest", 5), "--fewest is of --balance subsample"),
    ],
)
def test_options_that_would_do_nothing_are_refused(extracted, command, options, sentence):
    said = command("train", *TRAINING, *options)
    assert said.code == 64
    assert sentence in " ".join(said.err.split())


def test_a_point_without_features_names_its_table_once(extracted, command):
    lines = (extracted / "labels.csv").read_text().splitlines()
    (extracted / "labels.csv").write_text("\n".join([*lines, f"{lines[1].split(',')[0]},1,1,sand"]))
    said = " ".join(command("train", *MLP).err.split())
    assert "match those of the feature vector (example: (1, 1))" in said
    assert said.count("labels.csv") == 1
