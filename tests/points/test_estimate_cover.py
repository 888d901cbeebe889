"""Cover out of tables: of all photographs, of groups and of each, by people, by a machine, and by both."""

import csv

import pytest

from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import MessageError, SpacerInputError, TableError
from spacer_like.points.cover.taxonomy import grouped, read_taxonomy
from spacer_like.points.messages import EstimateCoverMsg
from spacer_like.points.tasks.cover import estimate_cover

HEADING = "Name,Row,Column,Label,site"


def table(path, photographs, labels_of, site=lambda number: f"s{number % 2}"):
    rows = [
        f"reef/{'ab'[number % 2]}/{number}.jpg,{point},0,{label},{site(number)}"
        for number in photographs
        for point, label in enumerate(labels_of(number))
    ]
    path.write_text("\n".join([HEADING, *rows]))
    return DataLocation("filesystem", str(path))


def truth(number):
    """Photographs of coral, of sand, and of both."""
    return [["coral"] * 10, ["sand"] * 10, ["coral"] * 5 + ["sand"] * 5][number % 3]


def machine(number):
    """The machine takes every fifth point of coral for sand."""
    return ["sand" if label == "coral" and not point % 5 else label for point, label in enumerate(truth(number))]


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_people_alone(tmp_path):
    found = estimate_cover(EstimateCoverMsg(labels_loc=table(tmp_path / "labels.csv", range(30), truth)))
    assert found.basis == "people"
    assert [(one.label, one.share, one.n_with_label) for one in found.cover] == [("coral", 0.5, 20), ("sand", 0.5, 20)]
    for one in found.cover:
        assert 0.3 < one.low < 0.5 < one.high < 0.7
    assert (found.n_photographs, found.n_checked, found.n_points) == (30, 30, 300)


def test_a_checked_machine_is_corrected_and_narrows_the_interval(tmp_path):
    checked = table(tmp_path / "checked.csv", range(12), truth)
    predicted = table(tmp_path / "predicted.csv", range(60), machine)
    alone = estimate_cover(EstimateCoverMsg(labels_loc=checked)).cover[0]
    found = estimate_cover(EstimateCoverMsg(labels_loc=checked, machine_loc=predicted))
    coral = next(one for one in found.cover if one.label == "coral")
    assert found.basis == "people and machine"
    assert coral.share == pytest.approx(0.5, abs=0.01)
    assert coral.high - coral.low < 0.7 * (alone.high - alone.low)
    assert (found.n_photographs, found.n_checked) == (60, 12)


def test_a_machine_that_nobody_checked_has_no_intervals(tmp_path):
    found = estimate_cover(EstimateCoverMsg(machine_loc=table(tmp_path / "predicted.csv", range(9), machine)))
    assert found.basis == "machine"
    assert [(one.low, one.high) for one in found.cover] == [(None, None)] * 2


def test_groups_levels_and_single_photographs_are_in_the_table(tmp_path):
    (tmp_path / "taxonomy.csv").write_text("label,kind,living\ncoral,animal,yes\nsand,,no\n")
    message = EstimateCoverMsg(
        labels_loc=table(tmp_path / "checked.csv", range(12), truth),
        machine_loc=table(tmp_path / "predicted.csv", range(30), machine),
        group_column="site",
        taxonomy_loc=DataLocation("filesystem", str(tmp_path / "taxonomy.csv")),
        cover_loc=DataLocation("filesystem", str(tmp_path / "cover.csv")),
        picture_loc=DataLocation("filesystem", str(tmp_path / "cover.png")),
    )
    found = estimate_cover(message)
    rows = rows_of(tmp_path / "cover.csv")
    assert found.groups == {"s0": 15, "s1": 15}
    assert found.ungrouped == []
    assert [(row["level"], row["label"]) for row in rows if row["scope"] == "all"] == [
        *[("label", "coral"), ("label", "sand")],
        *[("kind", "animal"), ("kind", "sand")],
        *[("living", "yes"), ("living", "no")],
    ]
    assert {row["name"] for row in rows if row["scope"] == "group"} == {"s0", "s1"}
    single = {row["name"]: row for row in rows if row["scope"] == "image" and row["label"] == "coral"}
    assert len(single) == 30
    assert (single["reef/a/0.jpg"]["basis"], float(single["reef/a/0.jpg"]["high"])) == ("people", 1.0)
    assert float(single["reef/a/0.jpg"]["low"]) == pytest.approx(0.722, abs=0.001)
    assert single["reef/a/24.jpg"]["basis"] == "people and machine"
    assert (tmp_path / "cover.png").read_bytes().startswith(b"\x89PNG")


def test_folders_group_photographs_and_names_may_differ_in_case(tmp_path):
    labels = table(tmp_path / "labels.csv", range(12), truth)
    (tmp_path / "upper.csv").write_text((tmp_path / "labels.csv").read_text().upper().replace("CORAL", "coral"))
    upper = DataLocation("filesystem", str(tmp_path / "upper.csv"))
    found = estimate_cover(EstimateCoverMsg(labels_loc=labels, machine_loc=upper, folder_level=2))
    assert found.groups == {"A": 6, "B": 6}
    assert found.n_photographs == 12


def test_points_without_a_label_are_left_out_and_counted(tmp_path):
    labels = table(tmp_path / "labels.csv", range(6), lambda number: ["coral", "", "sand"])
    found = estimate_cover(EstimateCoverMsg(labels_loc=labels))
    assert (found.n_points, found.n_unlabelled) == (12, 6)


def test_two_photographs_are_too_few(tmp_path):
    found = estimate_cover(EstimateCoverMsg(labels_loc=table(tmp_path / "labels.csv", range(2), truth)))
    assert [(one.low, one.too_few) for one in found.cover] == [(None, True)] * 2


def test_what_cannot_be_estimated_is_said(tmp_path):
    labels = table(tmp_path / "labels.csv", range(6), truth)
    others = table(tmp_path / "others.csv", range(50, 60), machine)
    with pytest.raises(MessageError, match="Neither labels_loc nor machine_loc"):
        estimate_cover(EstimateCoverMsg())
    with pytest.raises(SpacerInputError, match=r"others\.csv has none of the photographs of .*labels\.csv"):
        estimate_cover(EstimateCoverMsg(labels_loc=labels, machine_loc=others))
    with pytest.raises(SpacerInputError, match="no column 'transect'"):
        estimate_cover(EstimateCoverMsg(labels_loc=labels, group_column="transect"))


def test_a_photograph_is_of_one_group(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text(f"{HEADING}\na.jpg,1,1,coral,x\na.jpg,2,2,coral,y\n")
    with pytest.raises(SpacerInputError, match=r"line 3: a\.jpg is of 'y' here, and of 'x'"):
        estimate_cover(EstimateCoverMsg(labels_loc=DataLocation("filesystem", str(path)), group_column="site"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("label\ncoral\n", "no column of groups"),
        ("label,kind\ncoral,animal\ncoral,plant\n", r"line 3: the label 'coral' is in the kind 'plant' here"),
        ("label,label\ncoral,animal\n", "a name of its own"),
        ('label,kind\n"coral,animal', "not CSV"),
    ],
)
def test_malformed_taxonomies(text, sentence):
    with pytest.raises(TableError, match=sentence):
        read_taxonomy(text.encode(), "taxonomy.csv")


def test_a_label_without_a_group_is_one_by_itself():
    assert read_taxonomy(b"label;genus\nPorites lobata;Porites\n", "t.csv") == {"genus": {"Porites lobata": "Porites"}}
    names, member = grouped(["Porites lobata", "Porites lutea", "sand"], {"Porites lobata": "P", "Porites lutea": "P"})
    assert names == ["P", "sand"]
    assert member.tolist() == [[1, 0], [1, 0], [0, 1]]


def test_checked_photographs_that_the_machine_lacks_are_not_dropped_silently(tmp_path):
    checked = table(tmp_path / "checked.csv", range(12), truth)
    later = table(tmp_path / "later.csv", range(5, 60), machine)
    with pytest.raises(SpacerInputError, match=r"no labels of 5 of the 12 photographs .* such as reef/a/0\.jpg"):
        estimate_cover(EstimateCoverMsg(labels_loc=checked, machine_loc=later))
    some = table(tmp_path / "some.csv", range(5, 12), machine)
    assert estimate_cover(EstimateCoverMsg(labels_loc=checked, machine_loc=some)).basis == "people"


@pytest.mark.parametrize("has_machine", [False, True])
def test_photographs_that_are_alike_by_chance_are_no_certainty(tmp_path, has_machine):
    def same(number):
        return ["coral"] * 3 + ["sand"] * 2

    labels = table(tmp_path / "labels.csv", range(8), same)
    predicted = table(tmp_path / "predicted.csv", range(20), same) if has_machine else None
    found = estimate_cover(EstimateCoverMsg(labels_loc=labels, machine_loc=predicted)).cover[0]
    n_points = 100 if has_machine else 40
    assert found.share == pytest.approx(0.6)
    assert found.high - found.low > 3.5 * (0.6 * 0.4 / n_points) ** 0.5
