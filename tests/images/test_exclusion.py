"""Patterns of names of files that are left out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacer_like.images.exclusion import Exclusion


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("*.gif", ["a.gif", "x/a.gif", "x.gif/a.png"], ["a.png", "agif", "a.gif.png"]),
        ("red", ["red", "red/a.png", "x/red/a.png"], ["reds/a.png", "x/red.png"]),
        ("red/*.png", ["red/a.png"], ["x/red/a.png", "red/x/a.png", "red/a.gif"]),
        ("/a.png", ["a.png"], ["x/a.png"]),
        ("red/**/a.png", ["red/a.png", "red/x/y/a.png"], ["red/xa.png", "a.png"]),
        ("**/draft*", ["draft.png", "x/y/draft1.png"], ["x/adraft"]),
        ("red/**", ["red/a", "red/x/a"], ["reds/a", "x/red/a"]),
        ("a?[0-9].png", ["ab1.png"], ["a/1.png", "abx.png"]),
        ("[!a]b", ["xb"], ["ab"]),
        ("[z-a]b", ["[z-a]b"], ["zb"]),
        ("a[b", ["a[b"], ["ab"]),
        ("a+(b).png", ["a+(b).png"], ["aab.png"]),
        ("b.zip", ["b.zip", "b.zip/x/1.png", "a.zip/b.zip/1.png"], ["b.zipp"]),
        ("*\n*", ["a\nb", "\n"], ["ab"]),
    ],
)
def test_a_pattern_matches_as_in_a_shell(pattern, matching, others):
    assert {name: Exclusion([pattern]).matches(name) for name in [*matching, *others]} == {
        **dict.fromkeys(matching, True),
        **dict.fromkeys(others, False),
    }


def test_patterns_that_match_nothing_are_known():
    exclusion = Exclusion(["*.gif", "*.bmp", "a*"])
    assert [exclusion.matches(name) for name in ("a.gif", "b.png")] == [True, False]
    assert exclusion.unmatched == ["*.bmp"]


@given(st.text(), st.text(alphabet="ab/*?[]!-^\\.", max_size=12))
def test_any_text_is_a_pattern(name, pattern):
    assert Exclusion([pattern, name]).matches(name) or not name.strip("/") or set(name) & set("*?[\\/")
