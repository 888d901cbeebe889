"""Pages with their Content-Security-Policy: they load nothing from elsewhere."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256

_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


@dataclass(frozen=True)
class Page:
    """A page, and a Content-Security-Policy that allows its own scripts and styles alone."""

    html: str
    policy: str

    @classmethod
    def of(cls, html: str, images: str = "'self'", forms: str = "'none'") -> Page:
        """The page with a policy for the scripts and styles that stand in it.

        Args:
            images: where its images may come from, as a policy says it.
            forms: where its forms may send to.
        """
        hashes: dict[str, list[str]] = {"script": [], "style": []}
        for kind, text in _INLINE.findall(html):
            hashes[kind].append(f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'")
        parts = [
            "default-src 'none'",
            f"img-src {images}",
            "connect-src 'self'",
            *(f"{kind}-src {' '.join(found)}" for kind, found in hashes.items() if found),
            "base-uri 'none'",
            f"form-action {forms}",
            "frame-ancestors 'self'",
        ]
        return cls(html, "; ".join(parts))
