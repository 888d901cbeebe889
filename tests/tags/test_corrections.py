"""People's answers: what files are understood, and what they change."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacer_like.embeddings.embeddings_table import EmbeddingsTable
from spacer_like.exceptions import TableError
from spacer_like.tables.corrections import Answer, corrections_bytes, read_corrections
from spacer_like.tags.labelled_images import labelled_images

from .tag_making import record, table_of

ANSWERS = [
    Answer("ab", "red/0.png", "red", True),
    Answer("", "a;b,'c'\n.png", "=tag", False),
    Answer("cd", "", "道", True),
]


class TestAFile:
    def test_comes_back(self):
        assert read_corrections(corrections_bytes(ANSWERS), "c.csv") == ANSWERS

    @pytest.mark.parametrize(
        "data",
        [
            b"id,path,tag,answer\nab,red/0.png,red,yes\n",
            b"\xef\xbb\xbfid;path;tag;answer\r\nab;red/0.png;red;yes\r\n;;;\r\n",
            b"sep=;\nid;path;tag;answer\nab;red/0.png;red;TRUE\n",
            "Answer\tTag\tnotes\tPath\tId\nY\tred\tof me\tred/0.png\tab\n".encode("utf-16"),
            b" id ,path, tag ,answer\nab, red/0.png ,red, Yes\n",
        ],
    )
    def test_of_a_spreadsheet_is_understood(self, data):
        assert read_corrections(data, "c.csv") == ANSWERS[:1]

    @pytest.mark.parametrize(
        ("data", "sentence"),
        [
            (b"", "'c.csv' is empty: its first row must be id,path,tag,answer."),
            (b"id,path,tag\n", "'c.csv' lacks the column answer: its first row must be id,path,tag,answer."),
            (b"tag,answer\n", "'c.csv' lacks the column id or path: its first row must be id,path,tag,answer."),
            (b"id,tag,answer\na,red,maybe\n", "Line 2 of 'c.csv' must answer yes or no, and says 'maybe'."),
            (b"id,tag,answer\na,red\n", "Line 2 of 'c.csv' must answer yes or no, and says ''."),
            (b"id,tag,answer\na,,no\n", "Line 2 of 'c.csv' must name a tag, of at most 1,000 letters."),
            (b"id,tag,answer\n,red,no\n", "Line 2 of 'c.csv' names no image: give its id or its path."),
            (b'id,tag,answer\n"a,red,no\n', "Line 2 of 'c.csv' is no CSV: unexpected end of data."),
            (b"\xff\xfe\xff", "'c.csv' is no table of corrections: "),
        ],
    )
    def test_that_is_none_is_refused(self, data, sentence):
        with pytest.raises(TableError) as error:
            read_corrections(data, "c.csv")
        assert str(error.value).startswith(sentence)


def corrected(*answers):
    images = labelled_images(table_of({"blue": 3, "red": 3}))
    images.correct(answers)
    return images


class TestAnswers:
    def test_have_precedence_over_the_folder(self):
        images = corrected(Answer("", "red/00.png", "red", False), Answer("", "red/00.png", "blue", True))
        assert images.rows_of_tag == {"blue": [0, 1, 2, 3], "red": [4, 5]}
        assert images.answered("red", False).tolist() == [3]

    def test_may_be_by_id_and_by_path_where_the_id_was_changed(self):
        ids = [one.id for one in table_of({"blue": 3, "red": 3}).records]
        images = corrected(Answer(ids[1], "", "red", True), Answer("1.23E+31", "blue/02.png", "red", True))
        assert images.rows_of_tag["red"] == [3, 4, 5, 1, 2]

    def test_may_be_by_as_much_of_the_end_of_a_path_as_no_other_has(self):
        records = [record(f"/photos/{name}.png", "red") for name in ("a/1", "b/1", "b/2")]
        images = labelled_images(EmbeddingsTable("t", "e", records, np.eye(3, 2, dtype=np.float32)))
        images.correct(Answer("", f"{end}.png", "blue", True) for end in ("b/1", "2", "1", "hotos/a/1"))
        assert images.rows_of_tag["blue"] == [1, 2]
        assert images.unknown == ["1.png", "hotos/a/1.png"]

    def test_that_come_later_count(self):
        images = corrected(*(Answer("", "red/00.png", "red", said) for said in (False, True, False, True)))
        assert images.rows_of_tag["red"] == [4, 5, 3] or images.rows_of_tag["red"] == [3, 4, 5]

    def test_of_yes_make_a_tag_that_had_no_folder(self):
        assert corrected(Answer("", "red/00.png", "round", True)).tags == ["blue", "red", "round"]

    def test_of_no_to_all_images_leave_a_tag_without_images(self):
        images = corrected(*(Answer("", f"red/0{n}.png", "red", False) for n in range(3)))
        assert not images.has("red").any()
        assert images.tags == ["blue", "red"]

    @given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from("ab"), st.booleans())))
    def test_are_one_for_each_image_and_tag_and_contradictions_are_counted(self, said):
        images = corrected(*(Answer("", f"red/0{row}.png", tag, is_yes) for row, tag, is_yes in said))
        last = {(row, tag): is_yes for row, tag, is_yes in said}
        assert {(row - 3, tag): is_yes for (row, tag), is_yes in images.answers.items()} == last
        of_each = ([yes for row, tag, yes in said if (row, tag) == key] for key in last)
        assert images.n_contradicted == sum(one is not other for own in of_each for one, other in pairwise(own))
        assert all(images.has(tag)[row + 3] == is_yes for (row, tag), is_yes in last.items())

    def test_about_images_that_are_not_there_are_named(self):
        images = corrected(Answer("", "red/77.png", "red", True), Answer("ff", "", "red", True))
        assert images.unknown == ["red/77.png", "ff"]
        assert images.answers == {}


class TestImages:
    def test_of_the_same_pixels_are_one_with_all_tags(self):
        records = [record(f"{tag}/1.png", tag, pixels="p") for tag in ("blue", "red")] + [record("red/2.png", "red")]
        images = labelled_images(EmbeddingsTable("t", "e", records, np.ones((3, 2), np.float32)))
        assert images.paths == ["blue/1.png", "red/2.png"]
        assert images.rows_of_tag == {"blue": [0], "red": [0, 1]}
        assert images.row_of_name["red/1.png"] == images.row_of_name[records[0].id] == 0

    def test_whose_hashes_are_the_same_by_chance_are_two(self):
        records = [record(f"{n}.png", pixels="p") for n in range(3)]
        records[1] = records[1]._replace(width=16, height=4)
        images = labelled_images(EmbeddingsTable("t", "e", records, np.array([[1, 0], [1, 0], [0, 1]], np.float32)))
        assert images.paths == ["0.png", "1.png", "2.png"]

    def test_keep_an_order_that_is_given(self):
        table = table_of({"red": 3})
        hashes = [one.hash_id for one in table.records]
        assert labelled_images(table, {"red": hashes[::-1]}).rows_of_tag == {"red": [2, 1, 0]}
