"""Reads XML of the facility safely and tolerantly, noting what is odd about it."""

from __future__ import annotations

import difflib
import stat
from collections.abc import Collection, Iterable
from pathlib import Path

from lxml import etree

from jobdefs.problem import Problem, Severity

MAX_BYTES = 1024 * 1024
_TRUTH = {"true": True, "1": True, "false": False, "0": False}


class UnreadableError(Exception):
    """A file that gives no definition at all; ``problem`` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class _NoDoctype:
    """A parser target that stops at a document type, before anything in it is looked at."""

    def doctype(self, *_: object) -> None:
        raise _DoctypeError

    def close(self) -> None:
        """There is nothing to give; the parser wants this method."""


class _DoctypeError(Exception):
    pass


def _parser(target: _NoDoctype | None = None) -> etree.XMLParser:
    return etree.XMLParser(
        target=target,  # type: ignore[arg-type]  # the stub asks for every callback
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )


def read_bytes(file: Path) -> bytes:
    """The content of a definition file.

    Raises:
        UnreadableError: There is no such file, it is no regular file, or it is too large.
    """
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise UnreadableError(Problem(file, None, Severity.ERROR, "this is not a file"))
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        problem = Problem(file, None, Severity.ERROR, f"cannot be read: {error.strerror}")
        raise UnreadableError(problem) from error
    if len(content) > MAX_BYTES:
        message = f"the file is larger than {MAX_BYTES // 1024} KiB"
        advice = "a definition is a few kilobytes; is this the right file?"
        raise UnreadableError(Problem(file, None, Severity.ERROR, message, advice))
    return content


def parse(file: Path, content: bytes) -> Node:
    """The root of a document; what is odd about it goes to the root's ``problems``.

    Raises:
        UnreadableError: It is not well-formed, or has a document type: entities can fetch files
            and fill the memory, and no definition needs them.
    """
    try:
        etree.fromstring(content, _parser(_NoDoctype()))
        root = etree.fromstring(content, _parser())
    except _DoctypeError:
        message = "the file has a <!DOCTYPE …>, which is refused as it can define entities"
        advice = "take it out, and write what the entities stand for"
        raise UnreadableError(Problem(file, 1, Severity.ERROR, message, advice)) from None
    except etree.XMLSyntaxError as error:
        message = f"this is not XML: {error.msg}"
        raise UnreadableError(Problem(file, error.lineno, Severity.ERROR, message)) from error
    return Node(root, file, [])


def closest(name: str, known: Iterable[str]) -> str:
    """A question to a mistyped name: ``did you mean 'tip'?``, or nothing."""
    by_lower = {str(one).lower(): str(one) for one in known}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return f"did you mean {by_lower[found[0]]!r}?" if found else ""


class Node:
    """An element whose parts are asked for by name; all of it share one list of problems."""

    def __init__(self, element: etree._Element, file: Path, problems: list[Problem]) -> None:
        self.element = element
        self.file = file
        self.problems = problems

    @property
    def tag(self) -> str:
        """The element's name."""
        return str(self.element.tag)

    @property
    def line(self) -> int:
        """Where it starts."""
        line = self.element.sourceline
        return line if isinstance(line, int) else 1

    def note(self, severity: Severity, message: str, advice: str = "") -> None:
        """Add a problem of this element."""
        self.problems.append(Problem(self.file, self.line, severity, message, advice))

    def error(self, message: str, advice: str = "") -> None:
        """Add what makes a part of the definition unusable."""
        self.note(Severity.ERROR, message, advice)

    def warning(self, message: str, advice: str = "") -> None:
        """Add what is probably not meant."""
        self.note(Severity.WARNING, message, advice)

    def notice(self, message: str, advice: str = "") -> None:
        """Add what is worth knowing."""
        self.note(Severity.NOTICE, message, advice)

    def expect(self, elements: Collection[str], attributes: Collection[str] = ()) -> None:
        """Report elements and attributes that mean nothing here; they are passed over."""
        for child in self.element:
            if child.tag not in elements:
                advice = closest(str(child.tag), elements) or f"known: {', '.join(elements)}"
                Node(child, self.file, self.problems).warning(
                    f"<{child.tag}> means nothing in <{self.tag}>", advice if elements else ""
                )
        for name in self.element.attrib:
            # Attributes of other namespaces are for other programs: xsi:schemaLocation.
            if name not in attributes and not str(name).startswith("{"):
                advice = closest(str(name), attributes)
                if not advice and attributes:
                    advice = f"known: {', '.join(attributes)}"
                self.warning(f"attribute {name!r} means nothing in <{self.tag}>", advice)

    def children(self, name: str) -> list[Node]:
        """Every element of this name, in order."""
        found = self.element.iterchildren(name)
        return [Node(child, self.file, self.problems) for child in found]

    def child(self, name: str) -> Node | None:
        """The one element of this name; the last one counts where there are more."""
        found = self.children(name)
        if len(found) > 1:
            found[-1].warning(f"<{name}> is given {len(found)} times", "the last one counts")
        return found[-1] if found else None

    @property
    def content(self) -> str:
        """The text, as it is."""
        return str(self.element.text or "")

    def text(self, name: str) -> str | None:
        """The text of a child without white space around it; None if absent or blank."""
        child = self.child(name)
        return child.content.strip() or None if child is not None else None

    def raw(self, name: str) -> str | None:
        """The text of a child as it is; None if absent or empty."""
        child = self.child(name)
        return child.content or None if child is not None else None

    def required(self, name: str) -> str:
        """The text of a child that must be there.

        Raises:
            UnreadableError: It is not, or is blank.
        """
        found = self.text(name)
        if found is None:
            raise self.unreadable(f"<{self.tag}> has no <{name}>", f"add <{name}>…</{name}>")
        return found

    def unreadable(self, message: str, advice: str = "") -> UnreadableError:
        """What to raise when this element makes the whole file unusable."""
        return UnreadableError(Problem(self.file, self.line, Severity.ERROR, message, advice))

    def attribute(self, name: str) -> str | None:
        """An attribute; None if absent."""
        found = self.element.get(name)
        return None if found is None else str(found)

    def boolean(self, name: str) -> bool | None:
        """An attribute that is true or false; None if absent or neither, which is reported."""
        found = self.attribute(name)
        return None if found is None else self._truth(found, f"{name}=")

    @property
    def truth(self) -> bool | None:
        """The text as true or false; None if it is neither, which is reported."""
        return self._truth(self.content, "")

    def _truth(self, text: str, what: str) -> bool | None:
        known = _TRUTH.get(text.strip())
        if known is None:
            self.error(f"{what}{text.strip()!r} is neither true nor false", "write true or false")
        return known
