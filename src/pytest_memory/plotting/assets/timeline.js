// Runs when the figure is there: `target` is its element, `figure` what it was made of.
const tests = figure.layout.meta.tests; // each [node id, start, end, panel, exact peak in bytes or null]

// Zooming in. The figure is drawn with the points that the whole session needs; this draws the visible part anew from
// all points that were kept, again without losing a lowest or a highest (M4, as in downsample.py).
const MOST = 4000, kib = figure.layout.meta.kib;
const details = figure.layout.meta.details.map(detail => {
  let time = 0, size = 0;
  return {line: detail.line,
          tests: tests.filter(test => test[3] === detail.panel),
          times: Float64Array.from(detail.times, step => (time += step) / 1000),
          sizes: Float64Array.from(detail.sizes, step => (size += step))};
});
function position(length, before) {
  let low = 0, high = length;
  while (low < high) { const middle = (low + high) >> 1; if (before(middle)) low = middle + 1; else high = middle; }
  return low;
}
function chosen(sizes, from, to) {
  if (to - from <= MOST) return Array.from({length: to - from}, (_, place) => from + place);
  const kept = [], buckets = MOST / 4;
  for (let bucket = 0; bucket < buckets; bucket++) {
    const start = from + Math.floor((to - from) * bucket / buckets);
    const end = from + Math.floor((to - from) * (bucket + 1) / buckets);
    let lowest = start, highest = start;
    for (let place = start; place < end; place++) {
      if (sizes[place] < sizes[lowest]) lowest = place;
      if (sizes[place] > sizes[highest]) highest = place;
    }
    kept.push(...new Set([start, Math.min(lowest, highest), Math.max(lowest, highest), end - 1]));
  }
  return kept;
}
function told(detail, place) {
  const time = detail.times[place], megabytes = (detail.sizes[place] / 1024).toFixed(1);
  const test = detail.tests[position(detail.tests.length, number => detail.tests[number][1] <= time) - 1];
  const name = test && time < test[2] ? test[0].replace(/&/g, "&amp;").replace(/</g, "&lt;") : "between tests";
  return "<b>" + megabytes + " MiB</b> at " + time.toFixed(2) + " s<br>" + name;
}
function refine() {
  const [from, to] = target._fullLayout.xaxis.range, update = {x: [], y: [], hovertext: []};
  for (const detail of details) {
    const {times, sizes} = detail;
    const start = Math.max(0, position(times.length, place => times[place] < from) - 1);
    const kept = chosen(sizes, start, Math.min(times.length, position(times.length, place => times[place] <= to) + 1));
    update.x.push(kept.map(place => times[place]));
    update.y.push(kept.map(place => sizes[place] * kib));
    update.hovertext.push(kept.map(place => told(detail, place)));
  }
  Plotly.restyle(target, update, details.map(detail => detail.line));
}
let waiting = 0;
if (details.length) target.on("plotly_relayout", change => {
  if (!Object.keys(change).some(key => key.startsWith("xaxis"))) return;
  clearTimeout(waiting);
  waiting = setTimeout(refine, 60);
});

// Searching. Largest first, as one searches for what is big; without exact peaks in the order of the run.
const whole = figure.layout.xaxis.range.slice(), end = whole[1];
const wanted = document.getElementById("wanted"), found = document.getElementById("found");
const size = bytes => bytes === null ? "" : (bytes / 1048576).toFixed(1) + " MiB";
function look(range, shapes) { // matched axes do not follow one another in relayout
  const axes = Object.keys(figure.layout).filter(key => /^xaxis\d*$/.test(key));
  return Plotly.relayout(target, Object.fromEntries([["shapes", shapes], ...axes.map(key => [key + ".range", range])]));
}
function show(test) {
  const [, start, stop, panel] = test, row = figure.layout.meta.rows[panel];
  const axis = letter => letter + (row === 1 ? "" : row), margin = Math.max(3 * (stop - start), end / 2000);
  const mark = {type: "rect", xref: axis("x"), yref: axis("y") + " domain", x0: start, x1: stop, y0: 0, y1: 1,
                line: {color: "#d73027", width: 1.5}};
  const shapes = (figure.layout.shapes || []).concat([mark]);
  look([start - margin, stop + margin], shapes);
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
  look(whole, figure.layout.shapes || []));
target.addEventListener("click", () => { found.hidden = true; });
const asked = new URLSearchParams(location.hash.slice(1)).get("test");
if (asked) { wanted.value = asked; const hits = search(); if (hits.length) show(hits[0]); }
