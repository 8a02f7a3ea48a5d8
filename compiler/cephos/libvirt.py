"""XML for libvirt, from a writer, so that no text can become markup."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, fromstring, indent, tostring


def libvirt_secret(uuid: str, usage: str, description: str) -> str:
    """Return the definition of a Ceph secret: https://libvirt.org/formatsecret.html.

    `private` is no: a value that libvirt does not give back cannot be compared with the key.
    """
    secret = Element("secret", ephemeral="no", private="no")
    SubElement(secret, "uuid").text = uuid
    SubElement(secret, "description").text = description
    SubElement(SubElement(secret, "usage", type="ceph"), "name").text = usage
    indent(secret)
    return tostring(secret, encoding="unicode") + "\n"


def parse(content: str) -> Element:
    """Return the root of a document that this compiler wrote; `ParseError` if it is none."""
    return fromstring(content)  # noqa: S314  # our own output, not somebody's input
