"""Names of files and folders: any text makes one that every file system takes, and different texts different ones."""

import os
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacer_like.embeddings.embeddings_table import ImageRecord
from spacer_like.tags.file_names import MOST_BYTES, distinct_names, distinct_parts, is_path_part, path_part

ANY_TEXT = st.text(st.characters(), max_size=300) | st.text("%2Fab./\\", max_size=8)


def record(path: str) -> ImageRecord:
    return ImageRecord(path, "", "", "PNG", 1, 1, 1)


@pytest.mark.parametrize("name", ["cat", 'it\'s 50% "wet"', "ü.jpg", "a..b", "x" * MOST_BYTES])
def test_a_name_stays_as_it_is(name):
    assert path_part(name) == name


@given(ANY_TEXT)
def test_any_text_makes_one_part_of_a_path(text):
    part = path_part(text)

    assert 0 < len(part.encode()) <= MOST_BYTES
    assert is_path_part(part)
    assert not set(part) & {"/", "\\", "\0", "\n"}


@given(ANY_TEXT, ANY_TEXT)
def test_different_texts_make_different_parts(one, other):
    assert (path_part(one) == path_part(other)) == (one == other)


def test_a_file_of_such_a_name_can_be_made(tmp_path):
    for text in ["../x", "\udcff", "é" * 300, "a\nb", ""]:
        (tmp_path / path_part(text)).write_bytes(b"")

    assert len(os.listdir(tmp_path)) == 5


@given(st.sets(ANY_TEXT | st.text("aAéÉßsS%4", max_size=3), max_size=8))
def test_parts_are_different_on_a_disk_that_ignores_case_and_accents(texts):
    parts = distinct_parts(texts)
    on_disk = {normalize("NFD", normalize("NFD", part).casefold()) for part in parts.values()}
    assert len(on_disk) == len(texts)
    assert all(is_path_part(part) and len(part.encode()) <= MOST_BYTES for part in parts.values())


def test_parts_of_which_no_disk_takes_two_for_one_stay():
    assert distinct_parts(["Cat", "dog", "cat/wild"]) == {name: path_part(name) for name in ("Cat", "dog", "cat/wild")}


def test_names_that_are_there_once_stay():
    assert distinct_names([record("a/1.jpg"), record("b/2.JPG")]) == ["1.jpg", "2.JPG"]


def test_equal_names_are_told_apart_by_their_images():
    records = [record("a/1.jpg"), record("b/1.JPG"), record("c/2.jpg")]

    assert distinct_names(records) == [f"1-{records[0].id[:8]}.jpg", f"1-{records[1].id[:8]}.JPG", "2.jpg"]


@pytest.mark.parametrize(("one", "other"), [("a", "A"), ("\u00e9", "e\u0301"), ("\u00c9", "e\u0301"), ("\u00df", "SS")])
def test_names_that_some_disk_takes_for_one_are_told_apart(one, other):
    first, second = distinct_names([record(f"a/{one}.jpg"), record(f"b/{other}.jpg")])

    assert first.startswith(f"{one}-")
    assert second.startswith(f"{other}-")


@given(st.lists(st.sampled_from(["a", "b", "é" * 127, "\n"]) | st.text(max_size=3), min_size=1, max_size=6))
def test_all_names_are_different_whatever_the_files_are_called(names):
    records = [record(f"{number}/{name.replace('/', '')}.jpg") for number, name in enumerate(names)]
    records.append(record(f"taken/{distinct_names(records)[0]}"))

    found = distinct_names(records)

    assert len({name.casefold() for name in found}) == len(records)
    assert all(len(name.encode()) <= MOST_BYTES for name in found)
