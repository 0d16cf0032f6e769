"""Write a small XMP packet (ISO 16684-1). The standard library's XML writer escapes all texts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree import ElementTree

_NAMESPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
    "plus": "http://ns.useplus.org/ldf/xmp/1.0/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
}

_BEGIN = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
_END = '<?xpacket end="w"?>'
"""The wrapper of a packet (ISO 16684-1, 7.3.2)."""

_NOT_XML = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Characters that XML 1.0 cannot hold, escaped or not (XML 1.0, 2.2)."""

Value = str | tuple[str, ...]


def xmp_packet(properties: Mapping[str, Value]) -> bytes:
    """The packet with these properties, such as `dc:rights`. Empty if there are none.

    The names are those of `_WRITERS`. A tuple is for properties that have several values.
    """
    given = {name: value for name, value in properties.items() if value}
    if not given:
        return b""
    root = ElementTree.Element("x:xmpmeta", {"xmlns:x": "adobe:ns:meta/"})
    rdf = ElementTree.SubElement(root, "rdf:RDF", {"xmlns:rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#"})
    used = sorted({name.partition(":")[0] for name in given})
    names = {"rdf:about": ""} | {f"xmlns:{prefix}": _NAMESPACES[prefix] for prefix in used}
    description = ElementTree.SubElement(rdf, "rdf:Description", names)
    for name, value in given.items():
        element = ElementTree.SubElement(description, name)
        _WRITERS[name](element, value if isinstance(value, tuple) else (value,))
    return f"{_BEGIN}{ElementTree.tostring(root, encoding='unicode')}{_END}".encode()


def with_description(packet: bytes, description: str) -> bytes:
    """A packet with one more `rdf:Description`, which is well-formed XML. An empty packet gives a new one.

    Exiv2 and `xmp_packet` write the prefix `rdf`.
    """
    if packet:
        before, end, after = packet.rpartition(b"</rdf:RDF>")
        return before + description.encode() + end + after
    rdf = f'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">{description}</rdf:RDF>'
    return f'{_BEGIN}<x:xmpmeta xmlns:x="adobe:ns:meta/">{rdf}</x:xmpmeta>{_END}'.encode()


def _text(element: ElementTree.Element, values: tuple[str, ...]) -> None:
    element.text = _NOT_XML.sub("", values[0])


def _alternatives(element: ElementTree.Element, values: tuple[str, ...]) -> None:
    """A text in the default language."""
    item = ElementTree.SubElement(ElementTree.SubElement(element, "rdf:Alt"), "rdf:li", {"xml:lang": "x-default"})
    _text(item, values)


def _sequence(element: ElementTree.Element, values: tuple[str, ...]) -> None:
    sequence = ElementTree.SubElement(element, "rdf:Seq")
    for value in values:
        _text(ElementTree.SubElement(sequence, "rdf:li"), (value,))


def _licensors(element: ElementTree.Element, values: tuple[str, ...]) -> None:
    """Structures with the address alone."""
    sequence = ElementTree.SubElement(element, "rdf:Seq")
    for value in values:
        licensor = ElementTree.SubElement(sequence, "rdf:li", {"rdf:parseType": "Resource"})
        _text(ElementTree.SubElement(licensor, "plus:LicensorURL"), (value,))


_WRITERS = {
    "dc:rights": _alternatives,
    "dc:creator": _sequence,
    "dc:description": _alternatives,
    "photoshop:Credit": _text,
    "xmpRights:WebStatement": _text,
    "plus:Licensor": _licensors,
    "Iptc4xmpExt:DigitalSourceType": _text,
}
"""Every property that can be written -> how its values stand in RDF."""
