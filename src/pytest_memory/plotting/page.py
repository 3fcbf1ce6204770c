"""A figure as a file: one HTML page that needs nothing else, or a picture.

The page holds plotly.js and the figure compressed, and inflates them itself when opened (``DecompressionStream``:
Chrome 80, Safari 16.4, Firefox 113). That makes 2 MB of plotly's 5, and thousands of hover texts cost nearly nothing.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import os
import re
import shutil
from functools import lru_cache
from html import escape
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_memory.errors import InvalidValue, ToolUnavailable, UnwritableFile
from pytest_memory.store.documents import write_text

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

IMAGE_SUFFIXES = (".png", ".svg", ".pdf", ".jpg", ".jpeg", ".webp")
PAGE_SUFFIXES = (".html", ".htm")

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def asset(name: str) -> str:
    """The text of a file beside this module."""
    return resources.files("pytest_memory.plotting").joinpath("assets").joinpath(name).read_text(encoding="utf-8")


def page_html(
    figure: Figure, *, title: str, body: str = "", style: str = "", script: str = "", scroll_zoom: bool = False
) -> str:
    """A figure as a standalone page.

    Args:
        figure: The figure.
        title: Title of the page.
        body: HTML above the figure.
        style: CSS for it.
        script: JavaScript that runs when the figure is there, with ``target`` (its element) and ``figure`` in scope.
        scroll_zoom: Let the mouse wheel zoom.
    """
    parts = {
        "TITLE": escape(title),
        "STYLE": style,
        "BODY": body,
        "SCRIPT": script,
        "SCROLL": "true" if scroll_zoom else "false",
        "PLOTLY": _packed_library(),
        "FIGURE": _packed(str(figure.to_json(validate=False))),
    }
    return re.sub(r"@([A-Z]+)@", lambda slot: parts[slot[1]], asset("page.html"))


def write_page(figure: Figure, path: Path, *, title: str) -> None:
    """Write a figure as a standalone HTML page.

    Raises:
        UnwritableFile: The file cannot be written.
    """
    write_text(path, page_html(figure, title=title))


def write_image(figure: Figure, path: Path, *, width: int = 1400, height: int | None = None, scale: float = 1) -> None:
    """Write a figure as a picture; the suffix says which kind.

    kaleido draws it with a Chromium or Chrome: the one that ``BROWSER_PATH`` names, else one on the path.

    Args:
        figure: The figure.
        path: One of ``IMAGE_SUFFIXES``.
        width: Pixels.
        height: Pixels; by default the figure's own.
        scale: Pixels of the picture per pixel of the figure.

    Raises:
        InvalidValue: Another suffix.
        ToolUnavailable: kaleido or a browser is missing.
        UnwritableFile: The file cannot be written.
    """
    kind = path.suffix.lower().lstrip(".")
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        raise InvalidValue(f"unsupported output suffix {path.suffix!r}", f"write {', '.join(IMAGE_SUFFIXES)} or .html")
    picture = _rendered(figure, kind, width, height or figure.layout.height or 800, scale)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(picture)
        unfinished.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise UnwritableFile(f"cannot write {str(path)!r}: {error.strerror or error}") from error


def _rendered(figure: Figure, kind: str, width: int, height: float, scale: float) -> bytes:
    advice = "install it with: pip install 'pytest-memory[plot-static]' (pytest-benchmem[plot-static] before)"
    try:
        import kaleido
    except ImportError as error:
        raise ToolUnavailable("a picture needs kaleido, which is not installed", f"{advice}, or write .html") from error
    found = os.environ.get("BROWSER_PATH") or next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    if found:
        os.environ["BROWSER_PATH"] = found  # where kaleido's browser driver looks first
    options = {"format": "jpeg" if kind == "jpg" else kind, "width": width, "height": height, "scale": scale}
    try:
        picture: bytes = kaleido.calc_fig_sync(figure.to_dict(), opts=options)
    except Exception as error:  # kaleido raises whatever its browser driver does, none of it under one base
        raise ToolUnavailable(
            f"kaleido could not draw the picture: {type(error).__name__}: {str(error).strip() or 'no message'}",
            "name a Chromium or Chrome in BROWSER_PATH, or write .html",
        ) from error
    return picture


@lru_cache(maxsize=1)
def _packed_library() -> str:
    from plotly.offline import get_plotlyjs

    return _packed(str(get_plotlyjs()))


def _packed(text: str) -> str:
    # A higher level takes twice as long for a tenth less.
    return base64.b64encode(gzip.compress(text.encode("utf-8"), compresslevel=3, mtime=0)).decode("ascii")
