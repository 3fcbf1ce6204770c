"""Figures as files."""

import base64
import builtins
import gzip
import json
import re
import sys

import pytest

from pytest_memory.errors import InvalidValue, ToolUnavailable, UnwritableFile
from pytest_memory.plotting import page_html, plot_scaling, write_image, write_page


def embedded(html, name):
    """Undo the compression of a part of a page."""
    packed = re.search(f'id="{name}">([^<]*)<', html)[1]
    return gzip.decompress(base64.b64decode(packed)).decode()


def test_a_page_holds_everything(scaling_run, tmp_path):
    """plotly.js and the figure are inside, nothing is fetched, and it is small."""
    figure, _ = plot_scaling(scaling_run, metric="peak")
    path = tmp_path / "deep" / "er" / "plot.html"
    write_page(figure, path, title="a <b> title")
    html = path.read_text(encoding="utf-8")
    assert "<title>a &lt;b&gt; title</title>" in html
    assert "Plotly" in embedded(html, "plotly-js")
    assert len(json.loads(embedded(html, "figure-json"))["data"]) == len(figure.data)
    assert not re.search(r"""(src|href)=["']http""", html)
    assert len(html) < 3_000_000


def test_pages_of_one_figure_are_equal(scaling_run):
    """Nothing random and no clock: a page can be compared and cached."""
    figure, _ = plot_scaling(scaling_run, metric="peak")
    assert page_html(figure, title="t") == page_html(figure, title="t")


def test_text_in_a_title_cannot_fill_another_slot(scaling_run):
    """A test may be called @SCRIPT@."""
    figure, _ = plot_scaling(scaling_run, metric="peak")
    assert "<title>@SCRIPT@</title>" in page_html(figure, title="@SCRIPT@", script="1")


def test_an_unwritable_page_is_told(scaling_run, tmp_path):
    """With the path, and nothing is left behind."""
    figure, _ = plot_scaling(scaling_run, metric="peak")
    (tmp_path / "file").write_text("")
    for write in (lambda path: write_page(figure, path, title="t"),):
        with pytest.raises(UnwritableFile, match="file"):
            write(tmp_path / "file" / "x.html")


def test_a_picture_needs_kaleido(scaling_run, tmp_path, monkeypatch):
    """The extra is named."""
    figure, _ = plot_scaling(scaling_run, metric="peak")
    monkeypatch.setitem(sys.modules, "kaleido", None)
    with pytest.raises(ToolUnavailable, match=r"pytest-memory\[plot-static\]"):
        write_image(figure, tmp_path / "x.png")


def test_a_picture_needs_a_browser(scaling_run, tmp_path, monkeypatch):
    """BROWSER_PATH is named, whatever kaleido raised."""

    class Kaleido:
        @staticmethod
        def calc_fig_sync(*_, **__):
            raise FileNotFoundError("no chrome")

    figure, _ = plot_scaling(scaling_run, metric="peak")
    monkeypatch.setitem(sys.modules, "kaleido", Kaleido)
    with pytest.raises(
        ToolUnavailable, match="FileNotFoundError: no chrome; name a Chromium or Chrome in BROWSER_PATH"
    ):
        write_image(figure, tmp_path / "x.png")
    assert not list(tmp_path.glob("*.png"))


def test_a_picture_is_what_kaleido_drew(scaling_run, tmp_path, monkeypatch):
    """The suffix decides the format, and the size is the figure's."""
    asked = {}

    class Kaleido:
        @staticmethod
        def calc_fig_sync(figure, opts):
            asked.update(opts)
            return b"picture"

    figure, _ = plot_scaling(scaling_run, metric="peak")
    monkeypatch.setitem(sys.modules, "kaleido", Kaleido)
    write_image(figure, tmp_path / "deep" / "x.JPG", scale=2)
    assert (tmp_path / "deep" / "x.JPG").read_bytes() == b"picture"
    assert asked == {"format": "jpeg", "width": 1400, "height": figure.layout.height, "scale": 2}


def test_an_unknown_suffix_is_told(scaling_run, tmp_path):
    """It lists the known ones."""
    figure, _ = plot_scaling(scaling_run, metric="peak")
    with pytest.raises(InvalidValue, match=r"unsupported output suffix '.bmp'; write .png"):
        write_image(figure, tmp_path / "x.bmp")


def test_plots_need_plotly(scaling_run, monkeypatch):
    """A RuntimeError that names the extra, before any file is read."""
    real = builtins.__import__

    def without_plotly(name, *rest):
        if name.startswith("plotly"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_plotly)
    with pytest.raises(ToolUnavailable, match=r"pytest-memory\[plot\]"):
        plot_scaling(scaling_run)
