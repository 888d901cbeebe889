"""The commands points, cover and plan as they are typed."""

import csv
import json

import numpy as np
from PIL import Image

from spacer_like.cli.app import main
from spacer_like.points.cpc import CpcFile, CpcPoint, read_cpc, write_cpc

from .conftest import COLOURS


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


def test_points_never_overwrite_what_they_are_of(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    photographs(tmp_path)
    assert main(["points", "a.png", "--random", "2", "--out", "cpce.csv"]) == 0
    assert main(["points", "--points", "cpce.csv", "--format", "cpc", "--out", "."]) == 0
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.png").read_bytes())
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for arguments in (
        ["a.png", "--random", "3", "--out", "a.png"],
        ["--points", "cpce.csv", "--out", "cpce.csv"],
        ["--points", "a.cpc", "--format", "cpc", "--out", "."],
        ["a.png", "a.jpg", "--random", "3", "--format", "cpc", "--out", "cpce"],
    ):
        assert main(["points", *arguments]) == 64
        assert "a location of its own" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_images_that_fail_are_named_and_the_others_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    photographs(tmp_path)
    (tmp_path / "no.png").write_text("no image")
    assert main(["points", "a.png", "no.png", "--random", "2", "--out", "set.csv", "--json"]) == 64
    answer = json.loads(capsys.readouterr().out)
    assert (answer["ok"], answer["images"], answer["failures"][0]["name"]) == (False, 1, "no.png")
    (tmp_path / "t.csv").write_text("image,row,col\na.png,1,1\nb.png,100,1\nmissing.png,1,1\n")
    assert main(["points", "--points", "t.csv", "--format", "cpc", "--out", "cpce"]) == 64
    said = " ".join(capsys.readouterr().err.split())
    assert "b.png: the point (row 100, column 1) lies outside its 100 x 200 pixels." in said
    assert "missing.png" in said
    assert [path.name for path in (tmp_path / "cpce").iterdir()] == ["a.cpc"]


def test_several_tables_are_one_and_may_not_contradict_each_other(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.csv").write_text("image,row,col,label\na.png,1,1,\na.png,2,2,sand\n")
    (tmp_path / "two.csv").write_text("image,row,col,label\na.png,1,1,turf\na.png,3,3,\n")
    both = ["points", "--points", "one.csv", "--points", "two.csv", "--out", "all.csv"]
    assert main(both) == 0
    rows = list(csv.DictReader((tmp_path / "all.csv").read_text().splitlines()))
    assert [(row["row"], row["label"]) for row in rows] == [("1", "turf"), ("2", "sand"), ("3", "")]
    (tmp_path / "two.csv").write_text("image,row,col,label\na.png,2,2,turf\n")
    assert main(both) == 64
    assert "has the label 'sand' in one table and 'turf' in another" in " ".join(capsys.readouterr().err.split())


def test_notes_of_cpce_stay_with_their_points(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photographs(tmp_path)
    some = [CpcPoint(3, 4, "sand", "bleached"), CpcPoint(5, 6)]
    (tmp_path / "old.cpc").write_bytes(write_cpc(CpcFile("C:\\reef\\A.PNG", 100, 200, some)))
    assert main(["points", "a.png", "--points", "old.cpc", "--format", "cpc", "--out", "cpce"]) == 0
    (written,) = (tmp_path / "cpce").rglob("*.cpc")
    assert read_cpc(written.read_bytes(), "a.cpc").points == some


def test_points_are_set_in_an_area_wherever_they_can_be_set(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    photographs(tmp_path)
    setting = ["a.png", "--stratified", "1x2", "--area", "0,0,20,20"]
    assert main(["points", *setting, "--out", "set.csv"]) == 0
    assert main(["extract", *setting, "--out", "f", "--extractor", COLOURS, "--points-out", "also.csv"]) == 0
    rows = [line.rsplit(",", 1)[0] for line in (tmp_path / "set.csv").read_text().splitlines()]
    assert rows == (tmp_path / "also.csv").read_text().splitlines()
    capsys.readouterr()
    assert main(["classify", "a.png", "--margin", "5", "--model", "m.pkl"]) == 64
    assert "add --grid, --random or --stratified" in " ".join(capsys.readouterr().err.split())


def test_an_export_of_squidle_is_placed_in_its_photographs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    photographs(tmp_path)
    (tmp_path / "export.csv").write_text(
        "label.name,point.x,point.y,point.media.key\nsand,0.5,0.25,campaign/a.png\n,1,1,b\nturf,0,0,c.png\nturf,,,a.png\n"
    )
    assert main(["points", "a.png", "b.png", "--points", "export.csv", "--out", "pixels.csv"]) == 0
    said = capsys.readouterr().err
    assert "other shapes than points; 1 of" in said
    assert "photographs that were not named; 1 were left out" in " ".join(said.split())
    assert (tmp_path / "pixels.csv").read_text().split() == [
        "image,row,col,label",
        "a.png,25,100,sand",
        "b.png,99,199,",
    ]
    assert main(["cover", "export.csv"]) == 64
    assert "is an export of Squidle+" in capsys.readouterr().err
    (tmp_path / "export.csv").write_text("point.x,point.y,point.media.key\n1.5,0.25,a.png\n")
    assert main(["points", "a.png", "--points", "export.csv", "--out", "pixels.csv"]) == 64
    assert "line 2: the position '1.5' is no share" in " ".join(capsys.readouterr().err.split())
    (tmp_path / "d.png").write_bytes(b"no picture")
    for key, why in (("d.png", "export.csv, line 2: "), ("e.png", "holds no points of the photographs named.")):
        (tmp_path / "export.csv").write_text(f"point.x,point.y,point.media.key\n0.5,0.25,{key}\n")
        assert main(["points", "a.png", "d.png", "--points", "export.csv", "--out", "pixels.csv"]) == 64
        said = " ".join(capsys.readouterr().err.split())
        assert why in said
        assert "is not CSV" not in said


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
    assert main(["plan", "--share", "1", "--minutes", "200"]) == 64
    assert "--share: it must be less than 1." in capsys.readouterr().err
    assert main(["cover"]) == 64


def test_what_is_wrong_with_a_table_of_a_cover_names_that_table(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    survey(tmp_path / "labels.csv", 3)
    (tmp_path / "groups.csv").write_text("label\ncoral\n")
    assert main(["cover", "labels.csv", "--taxonomy", "groups.csv"]) == 64
    assert capsys.readouterr().err.startswith(f"{tmp_path / 'groups.csv'} has no column of groups")
    assert main(["cover", "labels.csv", "--folder-level", "9"]) == 64
    said = " ".join(capsys.readouterr().err.split())
    assert "No path of a photograph has a folder of level 9 to group by: the deepest is of level 0" in said
