"""Sidecars: other programs read the same tags, each once, and no tag can break out of the file's form."""

import csv
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacer_like.tags.sidecars import SIDECARS, text_sidecar, xmp_sidecar

NAMES = {"rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#", "dc": "http://purl.org/dc/elements/1.1/"}
HOSTILE = ["cat", '<rdf:li>&"', "dog, wet", "chat noir é", "]]>", "{items}", "a\rb\tc", "a\r\nb"]


def keywords(data: bytes) -> list[str | None]:
    bag = ElementTree.fromstring(data).find(".//dc:subject/rdf:Bag", NAMES)
    assert bag is not None
    return [item.text for item in bag.findall("rdf:li", NAMES)]


def test_text():
    line = text_sidecar(HOSTILE).decode()

    assert next(csv.reader([line.rstrip("\n")], skipinitialspace=True)) == HOSTILE


def test_xmp():
    assert keywords(xmp_sidecar(HOSTILE)) == HOSTILE


@given(st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn"]), min_size=1), min_size=1, unique=True))
def test_xmp_holds_any_text(tags):
    assert keywords(xmp_sidecar(tags)) == tags


@pytest.mark.parametrize("tag", ["a\x00b", "a\x0bb", "a\ud800b", "a\uffffb"])
def test_what_xml_cannot_hold_is_replaced(tag):
    assert keywords(xmp_sidecar([tag])) == ["a\ufffdb"]


@pytest.mark.parametrize("form", SIDECARS)
def test_no_tag_stands_twice(form):
    assert SIDECARS[form](["cat", "dog", "cat"]) == SIDECARS[form](["cat", "dog"])
