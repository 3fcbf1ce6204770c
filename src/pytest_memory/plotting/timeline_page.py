"""The page of a timeline: the figure with a search for a test above it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_memory.plotting.page import page_html

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_BODY = """
<div id="search">
  <input id="wanted" type="search" placeholder="Find a test…" autocomplete="off" spellcheck="false"
    aria-label="Find a test by a part of its name">
  <button id="reset" type="button">Whole session</button>
  <ol id="found" hidden></ol>
</div>
"""

_STYLE = """
#search { position: fixed; top: 8px; right: 290px; z-index: 10; font-size: 13px; }
#wanted { width: 260px; padding: 4px 8px; border: 1px solid #bbb; border-radius: 4px; font: inherit; }
#reset { padding: 4px 8px; border: 1px solid #bbb; border-radius: 4px; background: #fff; font: inherit; }
#found { position: absolute; right: 0; margin: 2px 0 0; padding: 4px 0; width: 560px; max-height: 60vh; overflow: auto;
  background: #fff; border: 1px solid #bbb; border-radius: 4px; box-shadow: 0 2px 8px #0003; list-style: none; }
#found li { padding: 3px 10px; cursor: pointer; overflow-wrap: anywhere; }
#found li:hover, #found li.first { background: #eef4fa; }
#found small { color: #777; }
"""

# Largest first, as the search is for what is big; without exact peaks in the order in which the tests ran.
_SCRIPT = """
const tests = figure.layout.meta.tests, whole = figure.layout.xaxis.range.slice(), end = whole[1];
const wanted = document.getElementById("wanted"), found = document.getElementById("found");
const size = bytes => bytes === null ? "" : (bytes / 1048576).toFixed(1) + " MiB";
function show(test) {
  const [, start, stop] = test, margin = Math.max(3 * (stop - start), end / 2000);
  const mark = {type: "rect", xref: "x", yref: "paper", x0: start, x1: stop, y0: 0, y1: 1,
                line: {color: "#d73027", width: 1.5}};
  const shapes = (figure.layout.shapes || []).concat([mark]);
  Plotly.relayout(target, {"xaxis.range": [start - margin, stop + margin], shapes: shapes});
  found.hidden = true;
}
function search() {
  const text = wanted.value.trim().toLowerCase();
  const hits = text ? tests.filter(test => test[0].toLowerCase().includes(text)) : [];
  hits.sort((a, b) => (b[4] || 0) - (a[4] || 0));
  found.replaceChildren(...hits.slice(0, 50).map((test, place) => {
    const item = document.createElement("li"), note = document.createElement("small");
    item.textContent = test[0] + " ";
    const told = [size(test[4]), test[1].toFixed(1) + " s", test[3] === "tests" ? "" : test[3]];
    note.textContent = told.filter(Boolean).join(", ");
    item.append(note);
    if (place === 0) item.className = "first";
    item.onclick = () => show(test);
    return item;
  }));
  if (hits.length > 50 || (text && !hits.length)) {
    const more = document.createElement("li");
    more.textContent = hits.length ? "… and " + (hits.length - 50) + " more" : "no test has this in its name";
    found.append(more);
  }
  found.hidden = !text;
  return hits;
}
wanted.addEventListener("input", search);
wanted.addEventListener("focus", search);
wanted.addEventListener("keydown", event => {
  if (event.key === "Escape") found.hidden = true;
  if (event.key === "Enter") { const hits = search(); if (hits.length) show(hits[0]); }
});
document.getElementById("reset").addEventListener("click", () =>
  Plotly.relayout(target, {"xaxis.range": whole, shapes: figure.layout.shapes || []}));
target.addEventListener("click", () => { found.hidden = true; });
const asked = new URLSearchParams(location.hash.slice(1)).get("test");
if (asked) { wanted.value = asked; const hits = search(); if (hits.length) show(hits[0]); }
"""


def timeline_html(figure: Figure) -> str:
    """A timeline as a standalone page.

    ``#test=NAME`` behind its address opens it at the largest test with that in its name.

    Args:
        figure: As :func:`pytest_memory.plotting.plot_timeline` makes it.
    """
    title = "Memory of the test session over time"
    return page_html(figure, title=title, body=_BODY, style=_STYLE, script=_SCRIPT, scroll_zoom=True)
