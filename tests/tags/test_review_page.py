"""The page on which people answer: what is in the file, and what it does in a browser."""

import re
import time
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from spacer_like.tables.corrections import Answer, corrections_bytes, read_corrections
from spacer_like.tags.review_page import Asked, review_page

from .browser import CHROMIUM, Browser

EVIL = "</script><img src=x onerror=document.title='ran'>\u2028'\"&\n"


def jpeg(colour) -> bytes:
    stream = BytesIO()
    Image.fromarray(np.full((60, 80, 3), colour, np.uint8)).save(stream, "JPEG")
    return stream.getvalue()


ASKED = [
    *(Asked("red", f"{n:032x}", f"photos/red{n}.jpg", "uncertain", 0.4 + n / 10) for n in range(3)),
    Asked("=道 'x'", "a" * 32, f"photos/{EVIL}", "likely", 0.98),
    Asked("=道 'x'", "b" * 32, "photos/gone.jpg", "likely", 0.9),
]
PICTURES = {one.path: jpeg((200, 60 * n, 30)) for n, one in enumerate(ASKED[:4])}


class TestTheFile:
    def test_has_no_text_of_anyone_as_html(self):
        page = review_page([one._replace(tag=EVIL) for one in ASKED], PICTURES).decode()
        assert page.count("<script") == page.count("</script>") == 2
        assert "<img" not in page

    def test_fetches_nothing_and_runs_its_own_script_alone(self):
        page = review_page(ASKED, PICTURES).decode()
        policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
        assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
        assert "script-src 'sha256-" in policy
        assert "unsafe" not in policy
        assert not re.search(r"https?:|<link|@import|url\(", page)

    def test_is_the_same_for_the_same_images(self):
        assert review_page(ASKED, PICTURES) == review_page(ASKED, dict(reversed(PICTURES.items())))


needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to look at the page with")


@pytest.fixture
def browser(tmp_path):
    with Browser(tmp_path) as browser:
        yield browser


def written(path, asked=ASKED):
    path.write_bytes(review_page(asked, PICTURES))
    return path


def saved(browser):
    browser.value("document.getElementById('save').click()")
    path = browser.folder / "corrections.csv"
    last = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < last
        time.sleep(0.02)
    return path


COUNT = "document.getElementById('count').textContent"


@needs_chromium
class TestInABrowser:
    def test_answers_are_given_by_keys_and_buttons_and_saved(self, browser, tmp_path):
        browser.open(written(tmp_path / "review.html"))
        assert browser.value("document.title") == "Review of tags"
        assert browser.value(COUNT) == "0 of 5 answered"
        assert browser.value("[...document.querySelectorAll('h2')].map(h => h.firstChild.textContent)") == [
            "red? ",
            "=道 'x'? ",
        ]
        browser.until("[...document.images].every(i => i.complete && i.naturalWidth == 80)")
        assert browser.value("document.images.length") == 4
        for key in ("y", "n", "ArrowRight", "y", "ArrowLeft", "u"):
            browser.press(key)
        browser.value("document.querySelectorAll('li')[4].querySelector('button.no').click()")
        assert browser.value(COUNT) == "3 of 5 answered"
        data = saved(browser).read_bytes()
        rows = [(ASKED[0], True), (ASKED[1], False), (ASKED[4], False)]
        assert read_corrections(data, "c") == [Answer(one.id, one.path, one.tag, said) for one, said in rows]
        assert browser.value("document.title") == "Review of tags"

    def test_answers_about_any_text_are_read_again(self, browser, tmp_path):
        browser.open(written(tmp_path / "review.html"))
        browser.value("document.querySelectorAll('li button.yes').forEach(b => b.click())")
        found = read_corrections(saved(browser).read_bytes(), "c")
        assert [(one.id, one.tag, one.is_yes) for one in found] == [(one.id, one.tag, True) for one in ASKED]
        assert [one.path for one in found if "onerror" not in one.path] == [
            one.path for one in ASKED if one.path != f"photos/{EVIL}"
        ]

    def test_answers_about_a_tag_of_odd_ends_are_read_again(self, browser, tmp_path):
        odd = "=+-@\uff1d\uff0b\uff0d\uff20'\"\t\n\v\f\r\x1c\x1d\x1e\x1f \x7f\x85"
        odd += "\xa0\u1680\u2003\u200b\u2028\u202f\u3000\ufeff"
        tags = [tag for one in odd for tag in (f"{one}a", f"a{one}", f"'{one}", one * 2)] + ["-1.5", "'+1e3", "1", "é"]
        asked = [Asked(tag, f"{n:032x}", f"{n}.png", "likely", 0.5) for n, tag in enumerate(dict.fromkeys(tags))]
        browser.open(written(tmp_path / "review.html", asked))
        browser.value("document.querySelectorAll('li button.no').forEach(b => b.click())")
        answers = [Answer(one.id, one.path, one.tag, False) for one in asked]
        assert read_corrections(saved(browser).read_bytes(), "c") == answers

    def test_answers_survive_a_reload(self, browser, tmp_path):
        path = written(tmp_path / "review.html")
        browser.open(path)
        browser.press("y")
        browser.open(path)
        browser.until("document.getElementById('count')?.textContent == '1 of 5 answered'")
        assert browser.value("document.querySelector('li').dataset.answer") == "yes"

    def test_an_earlier_file_is_loaded_and_saved_with_the_new_answers(self, browser, tmp_path):
        earlier = [
            Answer("", ASKED[2].path, "red", False),
            Answer("c" * 32, "photos/another, \"one\".jpg", "-round", True),
        ]  # fmt: skip
        (tmp_path / "earlier.csv").write_bytes(corrections_bytes(earlier))
        browser.open(written(tmp_path / "review.html"))
        browser.choose_file("#load", tmp_path / "earlier.csv")
        browser.until(f"{COUNT} == '1 of 5 answered'")
        browser.press("y")
        found = read_corrections(saved(browser).read_bytes(), "c")
        first = earlier[0]._replace(id=ASKED[2].id)
        assert found == [first, earlier[1], Answer(ASKED[0].id, ASKED[0].path, "red", True)]

    def test_a_file_of_something_else_is_refused(self, browser, tmp_path):
        (tmp_path / "other.csv").write_text("a,b,c,d\n1,2,3,4\n")
        browser.open(written(tmp_path / "review.html"))
        browser.choose_file("#load", tmp_path / "other.csv")
        browser.until("document.getElementById('note').textContent.startsWith('other.csv has not the columns id')")

    def test_a_page_without_images_says_so(self, browser, tmp_path):
        browser.open(written(tmp_path / "review.html", []))
        assert browser.value("document.getElementById('note').textContent") == "There is no image to ask about."
