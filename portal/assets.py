"""Style sheets, scripts and icons, served from here: from our folder and from Bootstrap's wheel.

The address of each holds its digest, so browsers keep it for ever and never an old one.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from flask import Blueprint, Response, abort, request, url_for
from flask.typing import ResponseReturnValue

blueprint = Blueprint("assets", __name__)

_OWN = Path(__file__).parent / "static"
_YEAR_SECONDS = 365 * 24 * 3600
_DARK = re.compile(r"(?<=\})\[data-bs-theme=dark\]([^{},]*)\{([^{}]*)\}")
_SYMBOL = re.compile(r'<symbol class="[^"]*" (viewBox="[^"]*" id="([^"]*)">.*?</symbol>)')
_QUOTED = re.compile(r"""["']([a-z0-9-]+)["']""")
_FROM_CODE = frozenset({"search", "list-task", "cloud-upload", "gear"})


@dataclass(frozen=True)
class Asset:
    """A file as it is sent."""

    content: bytes
    compressed: bytes
    type: str
    digest: str


@blueprint.app_template_global()
def asset(name: str) -> str:
    """The address of a file, such as ``ijp.css``, ``bootstrap.css`` or ``icons.svg``."""
    return url_for("assets.send", digest=_asset(name).digest, name=name)


@blueprint.get("/assets/<digest>/<path:name>")
def send(digest: str, name: str) -> ResponseReturnValue:
    """One file; an old address gives the file as it is now, not to be kept."""
    try:
        found = _asset(name)
    except FileNotFoundError:
        abort(404, f"there is no file {name!r} among the pages' own files")
    zipped = request.accept_encodings["gzip"] > 0
    answer = Response(found.compressed if zipped else found.content, mimetype=found.type)
    answer.headers["Vary"] = "Accept-Encoding"
    if zipped:
        answer.headers["Content-Encoding"] = "gzip"
    if digest == found.digest:
        answer.cache_control.max_age = _YEAR_SECONDS
        answer.cache_control.public = True
        answer.cache_control.immutable = True
    else:
        # a module that another one imports has the address of that one
        answer.cache_control.no_cache = True
    answer.set_etag(found.digest, weak=True)
    return answer.make_conditional(request)


@lru_cache(maxsize=64)
def _asset(name: str) -> Asset:
    content = _content(name)
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if kind.endswith("javascript"):
        kind = "text/javascript"
    digest = hashlib.sha256(content).hexdigest()[:12]
    return Asset(content, gzip.compress(content, 9, mtime=0), kind, digest)


def _content(name: str) -> bytes:
    if name == "bootstrap.css":
        return following_the_system(_bootstrap("css/bootstrap.min.css")).encode()
    if name == "icons.svg":
        return _sprite().encode()
    path = _OWN / name
    if not (re.fullmatch(r"[a-z_]+\.(css|js|svg)", name) and path.is_file()):
        raise FileNotFoundError(name)
    return path.read_bytes()


def _bootstrap(name: str) -> str:
    place = files("flask_bootstrap") / "static" / "bootstrap5"
    return place.joinpath(name).read_text(encoding="utf-8")


def following_the_system(css: str) -> str:
    """Bootstrap's style sheet with its dark colours for those whose system is dark.

    As built it waits for an attribute, which only a script could set after the first paint.
    """
    dark = _DARK.sub(r"@media (prefers-color-scheme:dark){:root\1{\2}}", css)
    return dark.replace("/*# sourceMappingURL=bootstrap.min.css.map */", "")


def _sprite() -> str:
    """The icons that our pages name, of the two thousand that there are."""
    templates = (_OWN.parent / "templates").rglob("*.html")
    named = _FROM_CODE | {
        name for one in templates for name in _QUOTED.findall(one.read_text("utf-8"))
    }
    drawn = {name: body for body, name in _SYMBOL.findall(_bootstrap("icons/bootstrap-icons.svg"))}
    symbols = "".join(f"<symbol {body}" for name, body in sorted(drawn.items()) if name in named)
    return f'<svg xmlns="http://www.w3.org/2000/svg">{symbols}</svg>'
