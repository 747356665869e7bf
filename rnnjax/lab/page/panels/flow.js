"use strict";
// Through time: how much of the loss's gradient comes back to each step.

const FLOW_GHOSTS = 4; // earlier curves that stay

PANELS.push({
  name: "flow",
  title: "Through time",
  about: "A loss at the last step sends its gradient back through every step before. Move the"
    + " spectral radius across 1, then try an LSTM and open its forget gate.",
  controls: [
    { name: "cell", label: "Cell", choices: ["Elman", "LSTM", "GRU"], value: "Elman" },
    { name: "activation", label: "Activation", choices: ["tanh", "relu", "identity"], value: "tanh",
      when: ({ cell }) => cell === "Elman" },
    { name: "bias", label: "Bias of the holding gate", min: -6, max: 8, step: 0.1, value: 0,
      when: ({ cell }) => cell !== "Elman",
      hint: "The LSTM's forget gate, the GRU's update gate" },
    { name: "radius", label: "Spectral radius ρ", min: 0, max: 3, step: 0.01, value: 0.9 },
    { name: "steps", label: "Length T", min: 5, max: 500, step: 1, value: 100, unit: "steps" },
    { name: "units", label: "Units H", min: 1, max: 64, step: 1, value: 32 },
    { name: "scale", label: "Scale of the inputs", min: 0, max: 3, step: 0.01, value: 0.2 },
    { name: "everywhere", label: "Loss at every step", value: false },
    { name: "seed", label: "Seed", number: true, min: 0, max: 9999, value: 0 },
    { name: "map", label: "The map shows", choices: ["gradient", "activity"], value: "gradient" },
    { action: "forget", label: "Forget earlier curves" },
  ],
  mount(view) {
    const curve = view.figure("curve", "A straight line here is exponential growth or decay: the"
      + " same factor at every step. Dashed: the recurrent weights, or the gate's bias, alone.");
    const map = view.figure("map", "Each row is one unit of the network, each column one step.");
    const ghosts = flowGhosts();
    let result = null;
    return {
      update(values, changed) {
        result = flowResult(values);
        const earlier = ghosts(result.norms, changed);
        drawFlowCurve(curve, values, result.norms, earlier);
        drawFlowMap(map, values, result);
        reportFlow(view, values, result);
      },
      dump() {
        const { net, xs, norms } = result;
        const { cell, params } = net;
        return { net: { cell: cell.name, params }, xs, norms, direction: randomFrame(net, 1)[0] };
      },
    };
  },
});

function flowResult({ cell, activation, bias, radius, steps, units, scale, everywhere, seed }) {
  const options = { activation, radius, inputScale: scale, gateBias: bias };
  const net = drawNetwork(cell, 1, units, seed, options);
  const random = randomStream(seed + 1);
  const xs = Array.from({ length: steps }, () => Float64Array.of(random.normal()));
  const run = runThrough(net, xs);
  const { dCarries } = pullBack(net, xs, run, lossGradients(net, steps, everywhere));
  const norms = Float64Array.from(dCarries, (carry) => normOf(...Object.values(carry)));
  const exponent = lyapunovExponents(net, xs, 1, undefined, run)[steps - 1][0];
  return { net, xs, run, dCarries, norms, exponent };
}

// A curve stays when the reader turns to another control or pauses; not for each move of a slider.
function flowGhosts() {
  let curves = [], last = null, control = null, time = 0;
  return (norms, changed) => {
    const now = performance.now();
    if (changed === "forget") curves = [];
    else if (changed && last && (changed !== control || now - time > 800)) {
      curves = [...curves, last].slice(-FLOW_GHOSTS);
    }
    [last, control, time] = [norms, changed, now];
    return curves;
  };
}

function flowTheory({ cell, radius, bias, steps }) {
  const powers = (base) => Float64Array.from({ length: steps }, (_, t) => base ** (steps - t));
  const lines = [{ label: "ρᵀ⁻ᵗ", values: powers(radius), dashed: true, colour: 2 }];
  if (cell === "Elman") return lines;
  const label = `${cell === "LSTM" ? "f" : "z"}ᵀ⁻ᵗ with the bias alone`;
  return [...lines, { label, values: powers(sigmoid(bias)), dashed: true, colour: 3 }];
}

function drawFlowCurve(element, values, norms, earlier) {
  const ghosts = earlier.map((ghost, i) => (
    { label: i ? "" : "earlier", values: ghost, ghost: true, colour: 6 }));
  lineChart(element, {
    title: "Gradient that comes back to each step",
    lines: [...ghosts, ...flowTheory(values),
      { label: "norm of dL/dh", values: norms, colour: 1 }],
    x: { label: "step t", min: 0, max: values.steps },
    y: { label: "norm of the gradient", log: true },
  });
}

function drawFlowMap(element, { map, units, steps }, { net, run, dCarries }) {
  const values = new Float64Array(units * steps);
  const gradient = map === "gradient";
  const memory = net.cell.carry.at(-1); // the LSTM's is c
  for (let t = 0; t < steps; t++) {
    const column = gradient ? dCarries[t][memory] : run.records[t].carry.h;
    for (let j = 0; j < units; j++) values[j * steps + t] = column[j];
  }
  const axes = { rows: units, columns: steps, x: { label: "step t" }, y: { label: "unit" } };
  if (!gradient) {
    const title = "Activity of every unit";
    heatMap(element, { ...axes, values, title, label: "hidden state h" });
    return;
  }
  // Logarithmic: twelve powers of ten below the largest.
  let largest = 0;
  for (const value of values) largest = Math.max(largest, Math.abs(value));
  const place = (value) => Math.max(0, 12 + Math.log10(Math.abs(value) / largest));
  heatMap(element, {
    ...axes, values: values.map(place), positive: true, limit: 12,
    title: "Gradient of every unit", label: `size of dL/d${memory}`,
    ends: [formatNumber(largest * 1e-12), formatNumber(largest)],
  });
}

function reportFlow(view, values, { norms, exponent }) {
  const [first, last] = [norms[0], norms[norms.length - 1]];
  const ratio = first / last;
  const verdict = ratio < 1e-3 ? "it vanishes" : ratio < 0.1 ? "it fades"
    : ratio > 1e3 ? "it explodes" : ratio > 10 ? "it grows" : "it survives";
  const compared = Number.isNaN(ratio) ? "No gradient reaches the last step: every unit is off."
    : `The gradient at the first step is ${formatNumber(ratio)} times the gradient at the last:`
      + ` ${verdict}.`;
  const growth = formatNumber(Math.exp(exponent));
  view.say(`${compared} A small change of the state is multiplied by ${growth} a step`
    + ` (Lyapunov exponent ${formatNumber(exponent)}).`);
  const entries = { first, last, ratio, exponent, cell: values.cell, radius: values.radius };
  for (const [name, value] of Object.entries(entries)) view.data(name, value);
}
