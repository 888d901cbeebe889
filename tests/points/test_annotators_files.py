"""Tables and points of annotators' programs: CPCe, CoralNet, BIIGLE."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacer_like.exceptions import SpacerInputError, TableError
from spacer_like.points.cpc import CpcFile, CpcPoint, read_cpc, write_cpc
from spacer_like.points.point_table import read_points

GOLDEN = Path(__file__).parent / "golden" / "reef-1.cpc"


def test_a_file_of_cpce_is_read():
    found = read_cpc(GOLDEN.read_bytes(), "reef-1.cpc")
    assert (found.image, found.height, found.width) == (r"C:\Reef\Transect 1\reef-1.JPG", 480, 640)
    assert found.points == [
        CpcPoint(140, 95, "Turf"),
        CpcPoint(290, 420, "Sand", "bleached"),
        CpcPoint(460, 600),
    ]


def test_a_file_of_cpce_is_written_as_it_was():
    assert write_cpc(read_cpc(GOLDEN.read_bytes(), "reef-1.cpc")) == GOLDEN.read_bytes()


def test_a_file_of_cpce_is_a_table_of_points():
    table = read_points(GOLDEN.read_bytes(), "reef-1.cpc")
    assert table.images == {r"C:\Reef\Transect 1\reef-1.JPG": [(140, 95, "Turf"), (290, 420, "Sand"), (460, 600, None)]}
    assert table.names.find("photos/REEF-1.jpg") == r"C:\Reef\Transect 1\reef-1.JPG"


texts = st.text(st.characters(codec="ascii", exclude_characters='"', exclude_categories=["Cc"]), max_size=8)
points = st.builds(CpcPoint, st.integers(0, 5000), st.integers(0, 5000), texts.map(str.strip), texts)


@given(st.lists(points, max_size=5), texts)
def test_what_is_written_is_read_again(some, image):
    file = CpcFile(image, 480, 640, some)
    found = read_cpc(write_cpc(file), "a.cpc")
    assert (found.image, found.points, found.headings) == (image, some, file.headings)


@pytest.mark.parametrize(
    ("line", "text", "sentence"),
    [
        (0, "image,row,col", "line 1: here should be the paths"),
        (3, "corner", "line 4: here should be a corner"),
        (5, "many", "line 6: here should be the number"),
        (5, "9999999", "line 6: 9999999 points are more"),
        (5, "4", "line 10: here should be x,y of point 4"),
        (9, '"1","Turf"', "line 10: here should be number, label and note of point 1"),
    ],
)
def test_a_malformed_line_is_named(line, text, sentence):
    lines = GOLDEN.read_text().splitlines()
    lines[line] = text
    with pytest.raises(TableError, match=sentence):
        read_cpc("\r\n".join(lines).encode(), "reef-1.cpc")


def test_a_line_break_cannot_be_written():
    with pytest.raises(SpacerInputError, match="line break"):
        write_cpc(CpcFile("a\nb.jpg", 1, 1, []))


def test_the_headings_may_lack_and_letters_be_of_windows():
    lines = GOLDEN.read_text().splitlines()[:12]
    lines[9] = '"1","Rötliche Alge","Notes",""'
    assert read_cpc("\r\n".join(lines).encode("cp1252"), "a.cpc").points[0].label == "Rötliche Alge"


BIIGLE = (
    "annotation_label_id,label_id,label_name,label_hierarchy,user_id,firstname,lastname,image_id,filename,"
    "image_longitude,image_latitude,shape_id,shape_name,points,attributes,annotation_id,created_at\n"
    '1,7,Porites,"Coral > Porites",1,A,B,3,reef.jpg,,,1,Point,"[95.7,140.2]",{},9,2023-06-05\n'
    '2,8,Sand,Sand,1,A,B,3,reef.jpg,,,4,Circle,"[10,20,5]",{},10,2023-06-05\n'
)


def test_a_report_of_biigle_is_read_and_its_other_shapes_are_counted():
    table = read_points(BIIGLE.encode(), "report.csv")
    assert table.images == {"reef.jpg": [(140, 95, "Porites")]}
    assert table.notices() == ["report.csv has other shapes than points; 1 of its rows were left out."]


def test_a_point_of_biigle_that_is_none_is_named():
    with pytest.raises(SpacerInputError, match="line 2: the points"):
        read_points(BIIGLE.replace('"[95.7,140.2]"', "95").encode(), "report.csv")


def test_an_export_of_coralnet_with_suggestions_is_read():
    text = (
        "Name,Row,Column,Label code,Machine suggestion 1,Machine confidence 1\n"
        "reef.jpg,10,20,Porit,Porit,81\nreef.jpg,30,40,,CCA,40\n"
    )
    assert read_points(text.encode(), "export.csv").images == {"reef.jpg": [(10, 20, "Porit"), (30, 40, None)]}


def test_a_heading_that_names_a_column_twice_is_refused():
    with pytest.raises(SpacerInputError, match="names the column 'Row' twice"):
        read_points(b"image,Row,col,row\na.jpg,1,2,3\n", "t.csv")
