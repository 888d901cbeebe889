"""Sidecars: small files beside images that tell other programs their tags."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.sax.saxutils import escape

# XML 1.0 has no way to write them.
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/">
   <dc:subject>
    <rdf:Bag>
{items}
    </rdf:Bag>
   </dc:subject>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
"""


def text_sidecar(tags: Sequence[str]) -> bytes:
    """Tags on one line in UTF-8, a comma and a space between, a tag with a comma in quotation marks.

    >>> text_sidecar(["cat", "dog, wet"])
    b'cat, "dog, wet"\\n'
    """
    return f"{', '.join(_quoted(tag) for tag in dict.fromkeys(tags))}\n".encode("utf-8", "replace")


def xmp_sidecar(tags: Sequence[str]) -> bytes:
    """Tags as the keywords (dc:subject) of an XMP packet in UTF-8 (ISO 16684-1), which photo managers read."""
    # A reader of XML takes a carriage return that is not written so for a line feed.
    texts = (escape(_NOT_IN_XML.sub("\ufffd", tag), {"\r": "&#13;"}) for tag in dict.fromkeys(tags))
    items = "\n".join(f"     <rdf:li>{text}</rdf:li>" for text in texts)
    return _XMP.format(items=items).encode()


SIDECARS = {"txt": text_sidecar, "xmp": xmp_sidecar}
"""What writes each form of sidecar, by the ending of its files."""


def _quoted(tag: str) -> str:
    if not tag or re.search('[,"\r\n]', tag):
        return '"' + tag.replace('"', '""') + '"'
    return tag
