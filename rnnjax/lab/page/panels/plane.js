"use strict";
// Two units: a pair of eigenvalues, the path of the state, and the gradient on its way back.

PANELS.push({
  name: "plane",
  title: "Two units",
  about: "The smallest network that can turn. Drag the eigenvalues, by mouse, finger or arrow keys:"
    + " their distance from zero is memory, their angle is rhythm.",
  controls: [
    { name: "real", label: "Real part", min: -1.5, max: 1.5, step: 0.01, value: 0.92 },
    { name: "imaginary", label: "Imaginary part", min: 0, max: 1.5, step: 0.01, value: 0.3 },
    { name: "skew", label: "Skew of the eigenvectors", min: 0, max: 4, step: 0.1, value: 0,
      hint: "Skew eigenvectors let a shrinking state grow first" },
    { name: "activation", label: "Activation", choices: ["tanh", "identity"], value: "identity" },
    { name: "steps", label: "Length T", min: 2, max: 200, step: 1, value: 50, unit: "steps" },
  ],
  mount(view) {
    const spectrum = view.figure("spectrum", "Inside the circle a linear network forgets, outside"
      + " it explodes.", { half: true });
    const norms = view.figure("norms", "State and gradient are multiplied by the same matrix, one"
      + " forward, one backward in time.", { half: true });
    const states = view.figure("states", "From the large dot on, step by step.", { half: true });
    const gradients = view.figure("gradients", "Each ray is the gradient at one step; the large dot"
      + " is the last step, where it begins.", { half: true });
    let result = null;
    makeDraggable(spectrum, view);
    return {
      update(values) {
        result = planeResult(values);
        drawSpectrum(spectrum, values);
        drawPath(states, "Path of the state", "h", result.states, false);
        drawPath(gradients, "Gradient on its way back", "dL/dh", result.gradients, true);
        drawPlaneNorms(norms, values, result);
        reportPlane(view, values, result);
      },
      dump: () => ({ params: result.net.params, states: result.states,
        gradients: result.gradients }),
    };
  },
});

// The matrix with eigenvalues a ± bi whose eigenvectors are those of a rotation, sheared by k.
function planeMatrix({ real: a, imaginary: b, skew: k }) {
  return Float64Array.of(a + k * b, b, -(1 + k * k) * b, a - k * b);
}

function planeResult(values) {
  const params = { w_x: new Float64Array(2), w_h: planeMatrix(values), b: new Float64Array(2) };
  const net = { cell: Elman, inputs: 1, units: 2, activation: values.activation, params };
  const xs = Array.from({ length: values.steps }, () => new Float64Array(1));
  const run = runThrough(net, xs, { h: Float64Array.of(1, 0) });
  const dOutputs = lossGradients(net, values.steps, false);
  const { dCarries } = pullBack(net, xs, run, dOutputs);
  const gradients = [...dCarries.map(({ h }) => h), dOutputs.at(-1)];
  return { net, states: run.carries.map(({ h }) => h), gradients };
}

function makeDraggable(element, view) {
  const limited = (value, low) => Number(Math.min(1.5, Math.max(low, value)).toFixed(2));
  const move = (real, imaginary) =>
    view.change({ real: limited(real, -1.5), imaginary: limited(imaginary, 0) });
  draggable(element, "A pair of eigenvalues; the arrow keys move it",
    (real, imaginary) => move(real, Math.abs(imaginary)),
    (across, up) => move(view.values().real + across / 50, view.values().imaginary + up / 50));
}

function drawSpectrum(element, { real, imaginary }) {
  const circle = Array.from({ length: 101 }, (_, i) => {
    const angle = i * Math.PI / 50;
    return [Math.cos(angle), Math.sin(angle)];
  });
  lineChart(element, {
    title: "Eigenvalues", square: true,
    lines: [
      { label: "unit circle", points: circle, dashed: true, colour: 6 },
      { label: "eigenvalues", points: [[real, imaginary], [real, -imaginary]], handles: true },
    ],
    x: { label: "real part", min: -1.6, max: 1.6 },
    y: { label: "imaginary part", min: -1.6, max: 1.6 },
  });
}

function drawPath(element, title, name, vectors, rays) {
  const points = vectors.map(([a, b]) => [a, b]);
  const limit = 1.1 * Math.max(1e-300, ...points.flat().map(Math.abs).filter(Number.isFinite));
  const star = points.flatMap((point) => [[0, 0], point, [NaN, NaN]]);
  lineChart(element, {
    title, square: true,
    lines: [
      { points: rays ? star : points, colour: 1, ghost: true },
      { label: `${name} at every step`, points, dots: true, colour: 1 },
      { label: rays ? "last step" : "first step", points: [points.at(rays ? -1 : 0)],
        handles: true, colour: 2 },
    ],
    x: { label: `${name}, unit 0`, min: -limit, max: limit },
    y: { label: `${name}, unit 1`, min: -limit, max: limit },
  });
}

function drawPlaneNorms(element, { steps, real, imaginary }, { states, gradients }) {
  const modulus = Math.hypot(real, imaginary);
  const powers = Float64Array.from({ length: steps + 1 }, (_, t) => modulus ** (steps - t));
  lineChart(element, {
    title: "Length of state and gradient", square: true,
    lines: [
      { label: "h", values: states.map((h) => normOf(h)), colour: 2 },
      { label: "dL/dh", values: gradients.map((g) => normOf(g)), colour: 1 },
      { label: "|λ|ᵀ⁻ᵗ", values: powers, dashed: true, colour: 6 },
    ],
    x: { label: "step t" },
    y: { label: "norm", log: true },
  });
}

function reportPlane(view, { real, imaginary, activation, steps }, { gradients }) {
  const modulus = Math.hypot(real, imaginary);
  const turn = Math.atan2(imaginary, real);
  const ratio = normOf(gradients[0]) / normOf(gradients[steps]);
  const rhythm = turn ? `turns once in ${formatNumber(2 * Math.PI / turn)} steps` : "does not turn";
  const grows = activation === "tanh" ? "grows until tanh holds it" : "grows";
  const still = modulus === 1 && activation === "identity";
  const fate = modulus > 1 ? grows : still ? "keeps its size" : "shrinks";
  view.say(`The eigenvalues ${formatNumber(real)} ± ${formatNumber(imaginary)}i have modulus`
    + ` ${formatNumber(modulus)}. The state ${rhythm} and ${fate}. Over ${steps} steps the`
    + ` gradient is multiplied by ${formatNumber(ratio)}.`);
  view.data("modulus", modulus);
  view.data("ratio", ratio);
}
