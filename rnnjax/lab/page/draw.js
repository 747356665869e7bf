"use strict";
// Pictures: line charts and bars in SVG, heat maps on a canvas, drawn anew at every change.
//
//   lineChart(element, {title, lines, x, y, marks?, height?, square?})
//       line: {label, values | points: [[x, y], …], colour?: 1…6, dashed?, ghost?, dots?,
//       handles?}
//       marks: [{x, label}], vertical lines
//   heatMap(element, {title, rows, columns, values, x, y, label, limit?, positive?, ends?,
//       height?, lines?})
//       values row by row; colours reach from -limit to limit, or from 0 if positive; ends? are
//       the texts at both ends of the scale; lines, as above, are drawn over the map
//   bars(element, {title, labels, values, label, most?, others?, othersLabel?, chosen?})
//       others: a second value of each bar, drawn as a tick
//   draggable(element, label, moveTo, moveBy)
//       the pointer calls moveTo(x, y), in values; an arrow key moveBy(-1…1, -1…1)
//   colourOf(variable) -> [red, green, blue]
//
// Colours are CSS variables, so that a picture follows the theme.

const BARS = { left: 56, right: 60, line: 20 };

function linePoints({ values, points }) {
  return points || Array.from(values, (value, i) => [i, value]);
}

// A point that cannot be shown, such as a zero on a logarithmic axis, interrupts the line. A dot is
// a line without length, with round ends.
function linePath({ points, dots, handles }, frame) {
  let path = "", move = "M";
  for (const [x, y] of points) {
    const [across, up] = [frame.x(x), frame.y(y)];
    if (Number.isFinite(across) && Number.isFinite(up)) {
      const limited = Math.max(-9999, Math.min(9999, up));
      path += `${move}${across.toFixed(1)} ${limited.toFixed(1)}`;
      if (dots || handles) path += "h0";
      else move = "L";
    } else move = "M";
  }
  return path;
}

function lineClass(line) {
  return ["line", ...["dashed", "ghost", "dots", "handles"].filter((kind) => line[kind])].join(" ");
}

function drawLines(lines, marks, frame) {
  const { left, top, width, height } = frame.inner;
  const paths = lines.map((line) => `<path class="${lineClass(line)}"`
    + ` style="--colour:var(--c${line.colour})" d="${linePath(line, frame)}"/>`);
  const ruled = marks.map(({ x, label }) =>
    `<path class="mark" d="M${frame.x(x)} ${top}v${height}"/>`
    + `<text class="tick" x="${frame.x(x) + 4}" y="${top + 10}">${escapeText(label)}</text>`);
  const box = [left, top, width, height].join(" ");
  return `${ruled.join("")}<svg x="${left}" y="${top}" width="${width}" height="${height}"`
    + ` viewBox="${box}">${paths.join("")}</svg><path class="mark cross" d=""/>`;
}

function lineChart(element, chart) {
  const lines = chart.lines.map((line, i) => (
    { colour: (i % 6) + 1, ...line, points: linePoints(line) }));
  const points = lines.flatMap((line) => line.points);
  const x = fitAxis(chart.x, points.map(([value]) => value));
  const y = fitAxis(chart.y, points.map(([, value]) => value));
  const named = lines.filter(({ label }) => label);
  const names = named.map(({ label }) => label).join(", ");
  const said = `${chart.title}. ${y.label} over ${x.label}: ${names}.`;
  const legend = named.map((line) => legendEntry(line.label, line.colour, lineClass(line)));
  drawChart(element, { ...chart, x, y, said, legend: legend.join("") },
    (frame) => drawLines(lines, chart.marks || [], frame));
  element.lines = named;
  element.onpointermove ||= (event) => readChart(element, event);
  element.onpointerleave ||= () => readChart(element, null);
}

// The legend shows the values under the pointer.
function readChart(element, event) {
  const { lines, frame } = element;
  const { left, top, width, height } = frame.inner;
  const at = event && event.clientX - element.querySelector("svg").getBoundingClientRect().left;
  const inside = at >= left && at <= left + width;
  const nearer = (one, other) =>
    (Math.abs(frame.x(one[0]) - at) < Math.abs(frame.x(other[0]) - at) ? one : other);
  let cross = "";
  element.querySelectorAll(".legend b").forEach((slot, i) => {
    const near = inside && lines[i].points.length ? lines[i].points.reduce(nearer) : null;
    slot.textContent = near ? ` ${formatNumber(near[1])}` : "";
    if (near) cross = `M${frame.x(near[0])} ${top}v${height}`;
  });
  element.querySelector(".cross").setAttribute("d", cross);
}

function draggable(element, label, moveTo, moveBy) {
  const attributes = { tabindex: 0, role: "group", "aria-label": label };
  for (const name in attributes) element.setAttribute(name, attributes[name]);
  element.classList.add("drag");
  element.onpointerdown = element.onpointermove = (event) => {
    if (!event.buttons) return;
    element.setPointerCapture(event.pointerId);
    const { left, top } = element.querySelector("svg").getBoundingClientRect();
    const { inverseX, inverseY } = element.frame;
    moveTo(inverseX(event.clientX - left), inverseY(event.clientY - top));
  };
  element.onkeydown = (event) => {
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    if (!ways[event.key]) return;
    event.preventDefault();
    moveBy(...ways[event.key]);
  };
}

const paletteCache = new Map();

function forgetColours() {
  paletteCache.clear();
}

function colourOf(variable) {
  const probe = makeElement("i", { style: `color: var(${variable})` });
  document.body.append(probe);
  const parts = getComputedStyle(probe).color.match(/[\d.]+/g).slice(0, 3).map(Number);
  probe.remove();
  return parts;
}

// 256 colours, from --heat-low (or --heat-middle, if positive) to --heat-high.
function heatColours(positive) {
  if (!paletteCache.has(positive)) {
    const [low, middle, high] = ["--heat-low", "--heat-middle", "--heat-high"].map(colourOf);
    const colours = Array.from({ length: 256 }, (_, i) => {
      const place = positive ? i / 255 : (i - 127.5) / 127.5;
      const share = Math.abs(place) ** 0.8;
      return [...middle.map((m, k) => m + ((place < 0 ? low : high)[k] - m) * share), 255];
    });
    paletteCache.set(positive, new Uint32Array(Uint8ClampedArray.from(colours.flat()).buffer));
  }
  return paletteCache.get(positive);
}

function heatImage({ rows, columns, values, positive }, limit) {
  const pixels = new Uint32Array(rows * columns);
  const colours = heatColours(Boolean(positive));
  const slope = (positive ? 255 : 127.5) / limit;
  for (let i = 0; i < pixels.length; i++) {
    const place = Math.round(values[i] * slope + (positive ? 0 : 127.5)) || 0;
    pixels[i] = colours[place < 0 ? 0 : place > 255 ? 255 : place];
  }
  return new ImageData(new Uint8ClampedArray(pixels.buffer), columns, rows);
}

function heatMap(element, chart) {
  const { rows, columns, values, positive, label, title } = chart;
  let largest = 0;
  for (const value of values) if (Math.abs(value) > largest) largest = Math.abs(value);
  const limit = chart.limit || (Number.isFinite(largest) && largest) || 1;
  const [from, to] = chart.ends || [positive ? "0" : formatNumber(-limit), formatNumber(limit)];
  const scale = `<span class="scale${positive ? " positive" : ""}">${from}<i></i>${to}</span>`;
  const x = { min: -0.5, max: columns - 0.5, ...chart.x };
  const y = { min: rows - 0.5, max: -0.5, ...chart.y };
  const lines = (chart.lines || []).map((line) => ({ ...line, points: linePoints(line) }));
  const named = lines.filter((line) => line.label);
  const legend = escapeText(label) + scale
    + named.map((line) => legendEntry(line.label, line.colour, lineClass(line))).join("");
  const said = `${title}. ${label}, ${y.label} by ${x.label}.`;
  drawChart(element, { ...chart, x, y, said, legend }, (frame) => drawLines(lines, [], frame),
    ({ inner }) => `<canvas width="${columns}" height="${rows}" style="left:${inner.left}px;`
      + `top:${inner.top}px;width:${inner.width}px;height:${inner.height}px"></canvas>`);
  element.querySelector("canvas").getContext("2d").putImageData(heatImage(chart, limit), 0, 0);
}

function barRow(chart, scale, i) {
  const { labels, values, others, chosen } = chart;
  const { left, line } = BARS;
  const [y, width] = [i * line, Math.max(0.5, values[i] * scale)];
  const end = Math.max(width, others ? others[i] * scale : 0);
  const other = others
    ? `<path class="tickmark" d="M${left + others[i] * scale} ${y + 1}v${line - 3}"/>` : "";
  return `<rect class="bar${i === chosen ? " chosen" : ""}" x="${left}" y="${y + 2}"`
    + ` width="${width}" height="${line - 5}" rx="2"/>${other}`
    + `<text class="tick name end" x="${left - 8}" y="${y + 14}">${escapeText(labels[i])}</text>`
    + `<text class="tick" x="${left + end + 6}" y="${y + 14}">${formatNumber(values[i])}</text>`;
}

function bars(element, chart) {
  const { title, labels, values, label, others, othersLabel } = chart;
  const most = chart.most ?? Math.max(1e-300, ...values, ...(others || []));
  const [width] = chartSize(element, chart);
  const scale = (width - BARS.left - BARS.right) / most;
  const rows = labels.map((_, i) => barRow(chart, scale, i));
  const legend = legendEntry(label, 1, "line thick")
    + (others ? legendEntry(othersLabel, 2, "line thick") : "");
  const said = labels.map((name, i) => `${name} ${formatNumber(values[i])}`).join(", ");
  element.innerHTML = chartText(title, legend)
    + svgText(width, labels.length * BARS.line + 4, `${title}. ${label}: ${said}.`, rows.join(""));
}
