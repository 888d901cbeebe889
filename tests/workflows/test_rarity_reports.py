"""What a rarity workflow's report, its lists and its versions of collections say."""

from __future__ import annotations

import os

import pytest

from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import CollectionError, StorageUnavailableError
from spacer_like.storage.ordinary_files import ordinary_files
from spacer_like.workflows import rarity_collections, rarity_pictures
from spacer_like.workflows.rarity import RarityOptions
from spacer_like.workflows.rarity_collections import CollectionFolder, wanted
from spacer_like.workflows.rarity_pictures import PICTURES, draw_pictures
from spacer_like.workflows.rarity_report import CollectionReport, RarityReport


@pytest.mark.parametrize(
    ("change", "ok"),
    [
        (lambda report: None, True),
        (lambda report: report.collections.append(CollectionReport("b", "empty")), True),
        (lambda report: report.collections.append(CollectionReport("b", "failed")), False),
        (lambda report: report.collections.clear(), False),
        (lambda report: report.failures.update(draw="no"), False),
        (lambda report: report.missing.append("b"), False),
    ],
)
def test_all_is_well_where_something_was_scored_and_nothing_failed_or_lacks(change, ok):
    report = RarityReport([CollectionReport("a", "scored")], [])
    change(report)
    assert report.ok is ok
    assert report.serialize()["ok"] is ok


def test_an_id_that_a_list_repeats_is_one_collection(tmp_path):
    found = [CollectionFolder(name, tmp_path / name) for name in "cab"]
    lists = {"white": "c,c,x,a,x,b", "black": "b"}
    for name, ids in lists.items():
        (tmp_path / f"{name}.csv").write_text("\n".join(["collection_id", *ids.split(",")]))
    white, black = (DataLocation("filesystem", str(tmp_path / f"{name}.csv")) for name in lists)
    collections, missing = wanted(found, white, black)
    assert [one.collection_id for one in collections] == ["a", "c"]
    assert missing == ["x"]
    assert [one.collection_id for one in wanted(found, None, None)[0]] == ["a", "b", "c"]


@pytest.mark.parametrize("kind", ["an image", "a pipe", "a link to nothing"])
def test_whatever_comes_into_the_folder_changes_the_collections_version(tmp_path, kind):
    collection = CollectionFolder("a", tmp_path)
    (tmp_path / "1.png").write_bytes(b"1")
    before = collection.version()
    assert collection.version() == before
    if kind == "an image":
        (tmp_path / "2.png").write_bytes(b"1")
    elif kind == "a pipe":
        os.mkfifo(tmp_path / "2.png")
    else:
        (tmp_path / "2.png").symlink_to(tmp_path / "nothing")
    assert collection.version() != before


def test_a_collections_version_does_not_change_with_the_order_in_which_files_are_listed(tmp_path, monkeypatch):
    for name in ("1.png", "2.png", "3.png"):
        (tmp_path / name).write_bytes(b"1")

    def version(is_backwards):
        names = sorted(ordinary_files(tmp_path), reverse=is_backwards)
        monkeypatch.setattr(rarity_collections, "ordinary_files", lambda _folder: names)
        return CollectionFolder("a", tmp_path).version()

    assert version(False) == version(True)


@pytest.mark.parametrize(
    ("error", "drawn", "transient"),
    [(StorageUnavailableError("later"), 0, True), (CollectionError("never"), len(PICTURES) - 1, False)],
)
def test_after_what_fails_for_now_no_more_pictures_are_tried(monkeypatch, tmp_path, error, drawn, transient):
    def refuse(path):
        raise error

    drawings = dict.fromkeys(PICTURES, str) | {PICTURES[0]: refuse}
    monkeypatch.setattr(rarity_pictures, "_drawings", lambda *_: drawings)
    report = RarityReport([], [])
    assert len(draw_pictures(tmp_path, report, RarityOptions())) == drawn
    assert report.failures == {f"draw {PICTURES[0]}": str(error)}
    assert report.transient is transient
