"""Making XML elements of one namespace."""

from __future__ import annotations

from collections.abc import Mapping

from lxml import etree

Element = etree._Element


class Maker:
    """Makes elements: ``make("element", child, child, name="value")``."""

    def __init__(self, namespace: str, prefixes: Mapping[str | None, str] | None = None) -> None:
        """Take the namespace, and the prefixes that are declared where an element is the root."""
        self._namespace = namespace
        self._prefixes = dict(prefixes or {})

    def __call__(self, tag: str, /, *children: Element, **attributes: str) -> Element:
        """A new element with children and attributes."""
        made = etree.Element(
            f"{{{self._namespace}}}{tag}",
            attributes,
            self._prefixes,  # type: ignore[arg-type]  # None is the default namespace
        )
        made.extend(children)
        return made
