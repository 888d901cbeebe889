"""The ids of tokens, as file names and metadata spell them."""

from __future__ import annotations

from collections.abc import Iterable


def token_id(text: str) -> str:
    """The id that a text spells: of a whole number without leading zeros, so that ``007`` and ``7`` are one token.

    Ids stay text: those of the ERC-721 standard have up to 78 digits, which no integer type of tables holds.

    >>> token_id(" 007"), token_id("0xff")
    ('7', '0xff')
    """
    text = text.strip()
    return (text.lstrip("0") or "0") if is_number(text) else text


def is_number(token: str) -> bool:
    """Whether a token is a whole number that is not negative, in ASCII digits."""
    return token.isascii() and token.isdigit()


def order(token: str) -> tuple[bool, int, str]:
    """The key to sort tokens by: numbers by their value, then the others by their text."""
    number = is_number(token)
    return not number, len(token) if number else 0, token


def token_of_file(name: str) -> str | None:
    """The token that a file's name stands for: the name without its extension; None: the file is not looked at.

    >>> token_of_file("7.png"), token_of_file("7"), token_of_file("7.url"), token_of_file(".DS_Store")
    ('7', '7', None, None)
    """
    if name.startswith(".") or name[-4:].lower() == ".url":
        return None
    stem, dot, extension = name.rpartition(".")
    # An extension is a short word: neither "1.5" nor "Mr. Seaweed" has one.
    has_extension = bool(dot) and extension.isalnum() and len(extension) <= 5 and extension[0].isalpha()
    return token_id(stem if has_extension else name) or None


def first_of_each_token(names: Iterable[str]) -> tuple[list[tuple[str, str]], list[tuple[str, str, str]]]:
    """The files that are looked at, by their names.

    Returns:
        (token, name) in the order of the tokens; and (name, name that counts, token) of files whose token another file
        has that comes before them by name.
    """
    first: dict[str, str] = {}
    others = []
    for name in sorted(names):
        token = token_of_file(name)
        if token is None:
            continue
        if first.setdefault(token, name) != name:
            others.append((name, first[token], token))
    return sorted(first.items(), key=lambda pair: order(pair[0])), others
