"""The commands points, cover and plan as they are typed."""

import csv
import json

import numpy as np
from PIL import Image

from spacer_like.cli.app import main
from spacer_like.points.cpc import read_cpc


def photographs(folder):
    for name in ("a", "b"):
        Image.new("RGB", (200, 100)).save(folder / f"{name}.png")


def test_points_are_set_and_written_for_cpce_and_read_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photographs(tmp_path)
    setting = ["--stratified", "2x3", "--random", "2", "--margin", "5%", "--seed", "7"]
    assert main(["points", "a.png", "b.png", *setting, "--out", "points.csv"]) == 0
    rows = list(csv.DictReader((tmp_path / "points.csv").read_text().splitlines()))
    assert [row["image"] for row in rows] == ["a.png"] * 12 + ["b.png"] * 12
    assert main(["points", "--points", "points.csv", "--out", "cpce", "--format", "cpc"]) == 0
    assert len(read_cpc((tmp_path / "cpce" / "a.cpc").read_bytes(), "a.cpc").points) == 12
    back = ["points", "--points", "cpce/a.cpc", "--points", "cpce/b.cpc", "--format", "coralnet", "--out", "back.csv"]
    assert main(back) == 0
    again = list(csv.DictReader((tmp_path / "back.csv").read_text().splitlines()))
    assert [(row["Name"], row["Row"], row["Column"], row["Label"]) for row in again] == [
        (row["image"], row["row"], row["col"], "") for row in rows
    ]


def test_points_are_either_set_or_read(tmp_path, capsys):
    assert main(["points", str(tmp_path), "--out", "x.csv"]) == 64
    assert "--grid, --random or --stratified" in capsys.readouterr().err


def survey(path, photographs):
    random = np.random.default_rng(0)
    rows = [
        f"{number}.jpg,{point},1,{label}"
        for number in range(photographs)
        for point, label in enumerate(random.choice(["coral", "sand"], 10, p=random.dirichlet([1, 1])))
    ]
    path.write_text("\n".join(["image,row,col,label", *rows]))


def test_cover_and_a_plan_of_a_pilot(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    survey(tmp_path / "labels.csv", 12)
    assert main(["cover", "labels.csv", "--out", "cover.csv", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {one["label"] for one in found["cover"]} == {"coral", "sand"}
    assert (tmp_path / "cover.csv").exists()
    assert main(["plan", "labels.csv", "--half-width", "0.05", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["n_photographs"] == plan["n_checked"] > 50
    assert main(["plan", "--share", "0.2", "--minutes", "200"]) == 0
    assert "photographs, with" in capsys.readouterr().out
    assert main(["plan", "labels.csv"]) == 64
    assert main(["cover"]) == 64
