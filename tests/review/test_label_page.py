"""The page on which points are labelled: what is in the file, and what it does in a browser."""

import re
import time

import numpy as np
import pytest

from spacer_like.points.point_table import read_points
from spacer_like.review.labels import LabelItem, label_page
from spacer_like.review.pictures import point_pictures

from ..tags.browser import CHROMIUM, Browser

EVIL = "</script><img src=x onerror=document.title='ran'>'\"&"
CLASSES = ["Acropora", "Porites", "Pocillopora", "Sand", EVIL, "=1+1"]
PIXELS = np.random.default_rng(0).integers(0, 255, (90, 120, 3), dtype=np.uint8)


def item(number, image="reef.jpg", **fields):
    row, col = 10 * number + 5, 12 * number + 3
    patch, around = point_pictures(PIXELS, row, col, 16)
    shares = [("Porites", 0.5), ("Sand", 0.3), (EVIL, 0.1)]
    cells = {"image": image, "row": str(row), "column": str(col)}
    return LabelItem(**({"columns": cells, "patch": patch, "surroundings": around, "suggestions": shares} | fields))


ITEMS = [item(0, reason="p(Porites) 0.5"), item(1, image=EVIL), item(2, given="Acropora"), item(3), item(4)]


class TestTheFile:
    def test_has_no_text_of_anyone_as_html(self):
        page = label_page(ITEMS, CLASSES, EVIL).decode()
        assert page.count("<script") == page.count("</script>") == 2
        assert page.count("<img") == 2

    def test_fetches_nothing_and_runs_its_own_script_alone(self):
        page = label_page(ITEMS, CLASSES, "Reef").decode()
        policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
        assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
        assert "unsafe" not in policy
        assert not re.search(r"https?:|<link|@import|url\(", page)

    def test_asks_about_nothing_twice(self):
        for items in ([ITEMS[0], ITEMS[0]], [ITEMS[0], item(1, columns={"image": "b.jpg"})]):
            with pytest.raises(ValueError, match="items of"):
                label_page(items, CLASSES, "Reef")


class TestPictures:
    def test_of_points_near_edges_mark_the_point_and_change_no_pixel_of_the_image(self):
        before = PIXELS.copy()
        for row, col in ((0, 0), (89, 119), (45, 60)):
            patch, around = point_pictures(PIXELS, row, col, 31)
            assert patch[:2] == around[:2] == b"\xff\xd8"
        assert (before == PIXELS).all()


@pytest.fixture
def browser(tmp_path):
    with Browser(tmp_path) as browser:
        yield browser


def text(browser, name):
    return browser.value(f"document.getElementById('{name}').textContent")


def type_in(browser, letters):
    browser.call("Input.insertText", text=letters)


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to look at the page with")
class TestInABrowser:
    def test_labels_are_given_by_keys_and_saved_as_a_table_of_points(self, browser, tmp_path):
        path = tmp_path / "page.html"
        path.write_bytes(label_page(ITEMS, CLASSES, EVIL))
        browser.open(path)
        browser.until("[...document.images].every(i => i.complete && i.naturalWidth)")
        assert browser.value("document.title") == text(browser, "heading") == EVIL
        assert text(browser, "reason") == "p(Porites) 0.5"
        # Confirmed; the third suggestion; undone and skipped; the one given before; found by typing; a new one.
        for key in ("Enter", "3", "u", "s", "0", "/"):
            browser.press(key)
        type_in(browser, "po")
        assert browser.value("[...document.querySelectorAll('#matches li')].map(one => one.textContent)") == [
            "Pocillopora",
            "Porites",
            "Acropora",
            "New class: po",
        ]
        for key in ("ArrowDown", "ArrowUp", "Enter", "/"):
            browser.press(key)
        type_in(browser, "=Rubble")
        browser.press("Enter")
        assert text(browser, "count") == "Item 5 of 5: 4 answered, 1 skipped"
        browser.value("document.getElementById('count').textContent = ''")
        browser.open(path)
        browser.until("document.getElementById('count')?.textContent == 'Item 5 of 5: 4 answered, 1 skipped'")
        browser.press("Home")
        browser.press("ArrowRight")
        browser.press("1")
        assert text(browser, "count") == "Item 3 of 5: 5 answered"
        browser.value("document.getElementById('save').click()")
        saved = waited_for(tmp_path / "labels.csv")
        assert read_points(saved.read_bytes(), "labels.csv", labelled=True).images == {
            "reef.jpg": [(5, 3, "Porites"), (25, 27, "Acropora"), (35, 39, "Pocillopora"), (45, 51, "=Rubble")],
            EVIL: [(15, 15, "Porites")],
        }
        assert saved.read_bytes().splitlines()[0].decode("utf-8-sig") == "image,row,column,label"

    def test_no_other_label_can_be_given_where_the_suggestions_are_all(self, browser, tmp_path):
        path = tmp_path / "page.html"
        path.write_bytes(label_page([item(0, suggestions=[("yes", 0.9), ("no", 0.1)])], [], "Tags", others=False))
        browser.open(path)
        browser.press("/")
        hidden = "['other', 'finding'].every(name => !document.getElementById(name).checkVisibility())"
        assert browser.value(f"{hidden} && document.activeElement === document.body")
        browser.press("2")
        assert text(browser, "state") == "Your answer: no"

    def test_a_saved_table_is_loaded_again_on_a_page_without_suggestions(self, browser, tmp_path):
        plain = [item(number, suggestions=()) for number in range(3)]
        path = tmp_path / "page.html"
        path.write_bytes(label_page(plain, [], "First labels"))
        (tmp_path / "earlier.csv").write_text("image;row;column;label\nreef.jpg;5;3;Sand\nother.jpg;1;2;Turf\n")
        (tmp_path / "other.csv").write_text("a,b,c\n1,2,3\n")
        browser.open(path)
        browser.choose_file("#load", tmp_path / "other.csv")
        browser.until(
            "document.getElementById('note').textContent.startsWith('other.csv has not the columns image, r')"
        )
        browser.press("Enter")
        browser.choose_file("#load", tmp_path / "earlier.csv")
        browser.until("document.getElementById('count').textContent == 'Item 1 of 3: 1 answered'")
        # Enter confirms nothing where nothing is suggested; what was answered before has the key 1.
        for key in ("ArrowRight", "Enter", "1"):
            browser.press(key)
        browser.value("document.getElementById('save').click()")
        assert read_points(waited_for(tmp_path / "labels.csv").read_bytes(), "labels.csv").images == {
            "reef.jpg": [(5, 3, "Sand"), (15, 15, "Sand")],
            "other.jpg": [(1, 2, "Turf")],
        }


def waited_for(path):
    last = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < last
        time.sleep(0.02)
    return path
