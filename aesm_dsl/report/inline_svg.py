"""Graphviz' SVG for inside a page: no ids, tooltips as browsers show them, and which line belongs to which boxes."""

from __future__ import annotations

from xml.etree import ElementTree

from markupsafe import Markup

SVG, XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
PIXELS_A_POINT = 4 / 3


def inline(picture: bytes) -> Markup:
    """The `<svg>` element alone.

    Boxes get `data-box`, lines `data-tail` and `data-head`, which are the boxes that they join; their tooltips become
    titles, which browsers show. The ground is the page's. Ids are left out: a page holds several pictures.
    """
    root = ElementTree.fromstring(picture)
    ground = root.find(f"{SVG}g/{SVG}polygon")
    if ground is not None:
        ground.set("fill", "none")
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
        tooltip = next((one.get(f"{XLINK}title") for one in group.iter(f"{SVG}a")), None)
        if kind in ("node", "edge") and tooltip:
            title.text = tooltip
        else:
            group.remove(title)
    for element in root.iter():
        element.attrib.pop("id", None)
        element.attrib.pop(f"{XLINK}title", None)
        element.tag = element.tag.removeprefix(SVG)
    width = float(root.attrib.pop("width").removesuffix("pt")) * PIXELS_A_POINT
    del root.attrib["height"]
    root.set("style", f"width:{width:.0f}px")
    return Markup(ElementTree.tostring(root, encoding="unicode"))
