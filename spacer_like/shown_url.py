"""URLs for errors, logs and reports, without the parts that may be secret.

Passwords stand before an ``@``; tokens and signatures after a ``?``, ``#``, ``;`` or ``&``. Nothing of either is shown,
and where a text is malformed rather too much is left out.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_BEGIN = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*://+|https?:[/\\]*|[/\\]+)", re.IGNORECASE | re.ASCII)
_LIKE_URL = re.compile(r"\s*(?:https?:|//[^/]*@)", re.IGNORECASE | re.ASCII)


def shown_url(text: str) -> str:
    """A URL without its user name, password, query and fragment; of the last two a mark stays.

    >>> shown_url("https://diver:word@reef.org/@fish/1.jpg?signature=secret")
    'https://reef.org/@fish/1.jpg?...'
    >>> shown_url("http:diver:word@reef.org/1.jpg#token=secret")
    'http:reef.org/1.jpg#...'
    """
    begin, path, end = _parts(text)
    return f"{begin}{path}{end}"


def path_of_url(text: str) -> str:
    """The path of a URL, without its host and without what may be secret."""
    begin, path, _ = _parts(text)
    return path.partition("/")[2] if begin else path


def is_like_url(text: str) -> bool:
    """Whether a text can only be meant as a URL of the web, though it may be malformed, and not as a path."""
    return _LIKE_URL.match(text) is not None


def _parts(text: str) -> tuple[str, str, str]:
    """The scheme with its slashes, host and path, and the mark of what follows."""
    found = _BEGIN.match(text)
    begin = found[0] if found else ""
    rest = text[len(begin) :]
    shown, mark = _cut(rest)
    if "@" in rest:
        authority, slash, path = shown.partition("/")
        if slash and _is_well_formed(text):
            shown = f"{authority.rpartition('@')[2]}/{path}"
        else:
            # Whatever stands before the last one may belong to a password, marks and slashes too.
            shown, mark = _cut(rest.rpartition("@")[2])
    return begin, shown, f"{mark}..." if mark else ""


def _cut(text: str) -> tuple[str, str]:
    found = re.search(r"[?#;&]", text)
    return (text[: found.start()], found[0]) if found else (text, "")


def _is_well_formed(text: str) -> bool:
    try:
        parts = urlsplit(text)
        # Reading the port checks it.
        return bool(parts.hostname) and parts.port != 0 and not re.search(r"[\s\\]", text)
    except ValueError:
        return False
