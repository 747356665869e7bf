"use strict";
// Numbers as text, axes, and the frame of a picture in SVG.
//
//   drawChart(element, {title, legend, x, y, said, height?, square?}, draw, under?) -> frame
//       a picture: draw(frame) gives the SVG inside the axes, where frame.x, frame.y turn values
//       into pixels, inverseX, inverseY pixels into values; element.frame keeps it
//   axis x, y: {label, min?, max?, log?, names?: [a name for each row]}; fitAxis adds min, max
//   legendEntry(label, colour, kind), formatNumber(value), escapeText(text)

const MARGIN = { left: 60, right: 16, top: 10, bottom: 44 };

function superscript(number) {
  return String(number).replace("-", "⁻").replace(/\d/g, (digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]);
}

function formatNumber(value) {
  return formatDigits(value, 3);
}

function formatDigits(value, digits) {
  if (Number.isNaN(value)) return "undefined";
  const size = Math.abs(value);
  if (size === Infinity) return value > 0 ? "∞" : "−∞";
  if (size !== 0 && (size >= 1e5 || size < 1e-3)) {
    const [factor, exponent] = value.toExponential(1).split("e");
    return `${Number(factor)} × 10${superscript(Number(exponent))}`.replace("-", "−");
  }
  return String(Number(value.toPrecision(size >= 1000 ? 5 : digits))).replace("-", "−");
}

function escapeText(text) {
  return String(text).replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

function niceStep(rough) {
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * [1, 2, 5, 10].find((step) => step * power >= rough * 0.75);
}

// The multiples of a step between two numbers.
function multiples(from, to, step) {
  const [min, max] = from < to ? [from, to] : [to, from];
  const first = Math.ceil(min / step - 1e-9);
  const length = Math.floor(max / step + 1e-9) - first + 1;
  return Array.from({ length }, (_, i) => (first + i) * step);
}

function linearTicks(from, to, count) {
  const step = niceStep(Math.abs(to - from) / count);
  return multiples(from, to, step).map((value) => [value, formatDigits(value, 6)]);
}

function logTicks(min, max, count) {
  const [low, high] = [Math.log10(min), Math.log10(max)];
  if (high - low < 0.7) return linearTicks(min, max, count);
  if (high - low > 2) {
    const powers = multiples(low, high, Math.max(1, niceStep((high - low) / count)));
    return powers.map((power) => [10 ** power, power ? `10${superscript(power)}` : "1"]);
  }
  const powers = multiples(Math.floor(low), high, 1).map((power) => 10 ** power);
  const round = powers.flatMap((power) => [power, 2 * power, 5 * power]);
  return round.filter((v) => v >= min && v <= max).map((v) => [v, formatNumber(v)]);
}

// The range of an axis: as given, else of the values with a little room.
function fitAxis(axis, values) {
  const usable = values.filter((value) => Number.isFinite(value) && (!axis.log || value > 0));
  let [min, max] = usable.length ? [Math.min(...usable), Math.max(...usable)] : [1, 1];
  if (min === max) [min, max] = axis.log ? [min / 10, max * 10] : [min - 1, max + 1];
  const room = axis.log ? (max / min) ** 0.04 : (max - min) * 0.04;
  [min, max] = axis.log ? [Math.max(min / room, 1e-320), Math.min(max * room, 1e308)]
    : [min - room, max + room];
  return { ...axis, min: axis.min ?? min, max: axis.max ?? max };
}

function axisScale({ min, max, log }, from, to) {
  const [low, high] = log ? [Math.log10(min), Math.log10(max)] : [min, max];
  const slope = (to - from) / (high - low);
  return {
    to: (value) => from + ((log ? Math.log10(value) : value) - low) * slope,
    from: (pixel) => (log ? 10 ** ((pixel - from) / slope + low) : (pixel - from) / slope + low),
  };
}

function axisTicks({ min, max, log, names }, length, spacing) {
  if (names) return names.map((name, i) => [i, name]);
  return (log ? logTicks : linearTicks)(min, max, Math.max(2, Math.round(length / spacing)));
}

function chartFrame(width, height, x, y) {
  const { left, right, top, bottom } = MARGIN;
  const inner = { left, top, width: width - left - right, height: height - top - bottom };
  const across = axisScale(x, left, left + inner.width);
  const up = axisScale(y, top + inner.height, top);
  const text = (kind, place, content) =>
    `<text class="${kind}" ${place}>${escapeText(content)}</text>`;
  const xTicks = axisTicks(x, inner.width, 90).map(([value, name]) =>
    text("tick middle", `x="${across.to(value).toFixed(1)}" y="${height - bottom + 18}"`, name));
  const yTicks = axisTicks(y, inner.height, 44).map(([value, name]) => {
    const at = up.to(value).toFixed(1);
    return `<path class="grid" d="M${left} ${at}h${inner.width}"/>`
      + text("tick end", `x="${left - 8}" y="${at}" dy="0.35em"`, name);
  });
  const turned = `transform="translate(13 ${top + inner.height / 2}) rotate(-90)"`;
  return {
    x: across.to, y: up.to, inverseX: across.from, inverseY: up.from, inner, width, height,
    svg: yTicks.join("") + xTicks.join("")
      + text("axis middle", `x="${left + inner.width / 2}" y="${height - 6}"`, x.label)
      + text("axis middle", turned, y.label)
      + `<path class="grid" d="M${left} ${top + inner.height}h${inner.width}"/>`,
  };
}

function chartSize(element, { height, square }) {
  const width = Math.max(240, Math.floor(element.plotWidth || element.clientWidth || 640));
  if (!square) return [width, Math.round(height || Math.min(340, Math.max(220, width * 0.42)))];
  const side = Math.min(width, 460);
  return [side, side - MARGIN.left - MARGIN.right + MARGIN.top + MARGIN.bottom];
}

function legendEntry(label, colour, kind = "line") {
  const style = `style="--colour:var(--c${colour})"`;
  return `<span class="${kind}" ${style}>${escapeText(label)}<b></b></span>`;
}

function chartText(title, legend) {
  return `<p class="title">${escapeText(title)}</p><p class="legend">${legend}</p>`;
}

function svgText(width, height, description, content) {
  return `<svg width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img"`
    + ` aria-label="${escapeText(description)}">${content}</svg>`;
}

function drawChart(element, chart, draw, under = () => "") {
  const frame = chartFrame(...chartSize(element, chart), chart.x, chart.y);
  const svg = svgText(frame.width, frame.height, chart.said, frame.svg + draw(frame));
  element.innerHTML = chartText(chart.title, chart.legend)
    + `<div class="stack">${under(frame)}${svg}</div>`;
  element.frame = frame;
  return frame;
}
