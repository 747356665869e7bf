"use strict";
// The cliff: the loss of a network of one unit over its two parameters, and descents on it.
//
//   h' = sigmoid(w h + b), T steps from h = sigmoid(1/2);  loss (h - 0.7)^2 after the last
//
// It is the network of Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural
// networks, 2013, figure 6.

const CLIFF = { left: 3, right: 7, bottom: -4, top: 1, columns: 240, rows: 170 };

PANELS.push({
  name: "cliff",
  title: "The cliff",
  about: "One unit, two parameters, and a loss with a wall in it. Gradient descent that meets the"
    + " wall is thrown far away, unless the gradient is clipped. Click to choose where it starts.",
  controls: [
    { name: "clip", label: "Clip norm", min: 0.01, max: 100, value: 0.1, log: true },
    { name: "rate", label: "Learning rate", min: 0.01, max: 2, value: 0.1, log: true },
    { name: "steps", label: "Length T", min: 2, max: 100, step: 1, value: 40, unit: "steps",
      hint: "The longer, the steeper the wall" },
    { name: "updates", label: "Updates", min: 1, max: 300, step: 1, value: 150 },
    { name: "w", label: "Start: weight w", min: 3, max: 7, step: 0.05, value: 4.2 },
    { name: "b", label: "Start: bias b", min: -4, max: 1, step: 0.05, value: -3.1 },
  ],
  mount(view) {
    const map = view.figure("map", "The valley, where the loss is 0, narrows to the right into the"
      + " wall: there the last state jumps from one fixed point to another.");
    const loss = view.figure("loss", "The loss before every update.", { half: true });
    const norms = view.figure("norms", "The clip shortens what is above the dashed line to it.",
      { half: true });
    const limited = (value, low, high) => Number(Math.min(high, Math.max(low, value)).toFixed(2));
    const start = (w, b) => view.change({ w: limited(w, CLIFF.left, CLIFF.right),
      b: limited(b, CLIFF.bottom, CLIFF.top) });
    draggable(map, "Map of the loss; the arrow keys move the start", start,
      (across, up) => start(view.values().w + across / 20, view.values().b + up / 20));
    let surface = null, paths = null;
    return {
      update(values) {
        if (surface?.steps !== values.steps) surface = cliffSurface(values.steps);
        paths = { free: cliffDescent(values), clipped: cliffDescent(values, values.clip) };
        drawCliff(map, surface, paths);
        drawDescents(loss, "Loss", "loss", paths);
        drawDescents(norms, "Norm of the gradient", "norm", paths, values.clip);
        reportCliff(view, values, paths);
      },
      dump: () => paths,
    };
  },
});

// The loss and its gradient. The derivatives of h by w and b go along with it.
function cliffLoss(w, b, steps) {
  let [h, dw, db] = [sigmoid(0.5), 0, 0];
  for (let t = 0; t < steps; t++) {
    const next = sigmoid(w * h + b);
    const slope = next * (1 - next);
    [dw, db] = [slope * (h + w * dw), slope * (1 + w * db)];
    h = next;
  }
  const error = h - 0.7;
  return { loss: error ** 2, gradient: [2 * error * dw, 2 * error * db] };
}

// Gradient descent; a gradient longer than `largest` is shortened. One entry for each point.
function cliffDescent({ w, b, steps, rate, updates }, largest = Infinity) {
  return Array.from({ length: updates + 1 }, () => {
    const { loss, gradient } = cliffLoss(w, b, steps);
    const norm = Math.hypot(...gradient);
    const point = { w, b, loss, norm };
    const scale = rate * (norm > largest ? largest / norm : 1);
    [w, b] = [w - scale * gradient[0], b - scale * gradient[1]];
    return point;
  });
}

// The square root of the loss, in which both the valley and the wall can be seen.
function cliffSurface(steps) {
  const { left, right, bottom, top, columns, rows } = CLIFF;
  const values = Float64Array.from({ length: rows * columns }, (_, i) => {
    const w = left + (right - left) * (i % columns + 0.5) / columns;
    const b = top - (top - bottom) * (Math.floor(i / columns) + 0.5) / rows;
    return Math.sqrt(cliffLoss(w, b, steps).loss);
  });
  return { steps, values };
}

function cliffLines({ free, clipped }, point) {
  return [{ label: "without the clip", colour: 4, points: free.map(point) },
    { label: "with the clip", colour: 1, points: clipped.map(point) }];
}

function drawCliff(element, { values }, paths) {
  const { left, right, bottom, top, columns, rows } = CLIFF;
  const lines = cliffLines(paths, ({ w, b }) => [w, b]);
  const dots = lines.map((line) => ({ ...line, label: "", dots: true }));
  const start = { label: "start", colour: 6, handles: true, points: lines[0].points.slice(0, 1) };
  heatMap(element, {
    title: "Loss over the two parameters", label: "loss", ends: ["0", "0.49"], limit: 0.7,
    rows, columns, values, positive: true, lines: [...lines, ...dots, start],
    height: Math.min(460, Math.max(300, element.plotWidth * 0.6)),
    x: { label: "weight w", min: left, max: right },
    y: { label: "bias b", min: bottom, max: top },
  });
  element.querySelector("canvas").style.imageRendering = "auto";
}

function drawDescents(element, title, entry, paths, limit) {
  const lines = cliffLines(paths, (point, update) => [update, point[entry]]);
  const last = paths.free.length - 1;
  const points = [[0, limit], [last, limit]];
  if (limit) lines.push({ label: "clip norm", colour: 6, dashed: true, points });
  const x = { label: "update", min: 0, max: last };
  lineChart(element, { title, lines, x, y: { label: entry, log: true } });
}

function reportCliff(view, { w, b, updates }, { free, clipped }) {
  const steepest = Math.max(...free.map(({ norm }) => norm));
  const jump = Math.max(...free.slice(1).map(({ w, b }, i) =>
    Math.hypot(w - free[i].w, b - free[i].b)));
  const [lost, kept] = [free, clipped].map((path) => path.at(-1).loss);
  view.say(`Descent from w = ${formatNumber(w)}, b = ${formatNumber(b)}. Without the clip it meets`
    + ` a gradient of norm ${formatNumber(steepest)}, its largest step is ${formatNumber(jump)}`
    + ` long, and after ${updates} updates the loss is ${formatNumber(lost)}. With the clip the`
    + ` loss is ${formatNumber(kept)}.`);
  const entries = { free: lost, clipped: kept, steepest, jump };
  for (const [name, value] of Object.entries(entries)) view.data(name, value);
}
