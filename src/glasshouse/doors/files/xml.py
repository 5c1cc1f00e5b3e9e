"""The XML that S3 speaks: a reader that refuses everything but elements and text, and a writer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from glasshouse.kernel.objects import faults

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'
_MOST_DEEP = 16
_SPECIAL = re.compile('[&<>"\\x00-\\x08\\x0b-\\x1f\\x7f]')
_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}

Content = str | int | bool | Iterable["Child"] | None
Child = tuple[str, Any]
"""A name and its content: text, a number, a truth value, or children. None leaves the element out."""


@dataclass(slots=True)
class Element:
    """An element without its namespace; its text is what stands directly in it."""

    name: str
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def find(self, name: str) -> str:
        """The text of the one child of that name, or nothing. Raises MalformedXml when there are several."""
        found = [child.text.strip() for child in self.children if child.name == name]
        if len(found) > 1:
            raise faults.MalformedXml
        return found[0] if found else ""

    def all(self, name: str) -> Iterator[Element]:
        return (child for child in self.children if child.name == name)

    def only(self, *names: str) -> None:
        """Raises NotImplementedHere when there is a child of another name."""
        for child in self.children:
            if child.name not in names:
                raise faults.NotImplementedHere(f"the element {child.name} in {self.name}")


def parse(content: bytes, *, root: str) -> Element:
    """The document's root element. Raises MalformedXml, also for declarations of types and entities."""
    parser = expat.ParserCreate(namespace_separator=" ")
    top = Element("")
    stack = [top]

    def start(name: str, _attributes: dict[str, str]) -> None:
        element = Element(name.rpartition(" ")[2])
        stack[-1].children.append(element)
        stack.append(element)
        if len(stack) > _MOST_DEEP:
            raise faults.MalformedXml

    def text(data: str) -> None:
        stack[-1].text += data

    def refuse(*_: object) -> None:
        raise faults.MalformedXml

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _name: stack.pop()
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = refuse
    parser.buffer_text = True
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise faults.MalformedXml from error
    if top.children[0].name != root:
        raise faults.MalformedXml
    return top.children[0]


def document(root: str, children: Iterable[Child], *, namespace: str = NAMESPACE) -> bytes:
    """The bytes of a document whose elements are in S3's namespace; an empty one leaves it out."""
    declared = f' xmlns="{namespace}"' if namespace else ""
    return DECLARATION + f"<{root}{declared}>{_inside(children)}</{root}>".encode()


def escape(text: str) -> str:
    """Text as it stands in an element. Characters that XML forbids become references, as S3 writes them."""
    return _SPECIAL.sub(lambda found: _NAMED.get(found[0]) or f"&#x{ord(found[0]):x};", text)


def _inside(children: Iterable[Child]) -> str:
    return "".join(_element(name, content) for name, content in children)


def _element(name: str, content: Content) -> str:
    if content is None:
        return ""
    if isinstance(content, bool):
        return f"<{name}>{'true' if content else 'false'}</{name}>"
    if isinstance(content, str | int):
        return f"<{name}>{escape(str(content))}</{name}>"
    return f"<{name}>{_inside(content)}</{name}>"
