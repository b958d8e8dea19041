"""Graphviz's SVG, prepared to stand inside a page.

It has no ids, tooltips in the form that browsers show, and attributes that say which line joins which boxes.
"""

from __future__ import annotations

from xml.etree import ElementTree

from markupsafe import Markup

SVG, XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
PIXELS_PER_POINT = 4 / 3
"""CSS has 96 pixels to the inch, Graphviz 72 points."""


def inline(picture: bytes) -> Markup:
    """Returns the `<svg>` element of a picture that Graphviz drew.

    Boxes get `data-box`; lines get `data-tail` and `data-head`, the names of the boxes that they join. Their tooltips
    become titles, which browsers show. The background is left to the page. Ids are removed, because they would be
    repeated on a page with several pictures.
    """
    root = ElementTree.fromstring(picture)
    background = root.find(f"{SVG}g/{SVG}polygon")
    if background is not None:
        background.set("fill", "none")
    for group in root.iter(f"{SVG}g"):
        title = group.find(f"{SVG}title")
        if title is None:
            continue
        kind, name = group.get("class", "").split()[0], title.text or ""
        if kind == "node":
            group.set("data-box", name)
        elif kind == "edge":
            tail, _, head = name.rpartition("->")
            group.set("data-tail", tail)
            group.set("data-head", head)
        tooltip = next((link.get(f"{XLINK}title") for link in group.iter(f"{SVG}a")), None)
        if kind in ("node", "edge") and tooltip:
            title.text = tooltip
        else:
            group.remove(title)
    for element in root.iter():
        element.attrib.pop("id", None)
        element.attrib.pop(f"{XLINK}title", None)
        element.tag = element.tag.removeprefix(SVG)
    width = float(root.attrib.pop("width").removesuffix("pt")) * PIXELS_PER_POINT
    del root.attrib["height"]
    root.set("style", f"width:{width:.0f}px")
    return Markup(ElementTree.tostring(root, encoding="unicode"))
