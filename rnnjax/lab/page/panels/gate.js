"use strict";
// Inside a gate: one unit of an LSTM and one of a GRU, with weights set by hand.
//
// The inputs are three pulses, which open and shut gates, and noise, which gates keep out.
// Columns of the weights are gates, as in cells.js: i f g o of the LSTM, r z n of the GRU.

const GATE_STEPS = 40;
const GATE_PULSES = { write: "4 22", forget: "31", read: "10 14 27 36" };
const GATE_WEIGHTS = {
  LSTM: {
    w_x: [[8, 0, 1.5, 0], [0, -10, 0, 0], [0, 0, 0, 8], [0, 0, 1, 0]].flat(),
    w_h: [0, 0, 0, 0],
  },
  GRU: {
    w_x: [[0, -8, 1.5], [-10, -8, 0], [0, 0, 0], [0, 0, 1]].flat(),
    w_h: [0, 0, 1],
  },
};
const GATE_LINES = {
  LSTM: { f: "f, keeps", i: "i, lets in", o: "o, shows" },
  GRU: { z: "z, keeps", r: "r, recalls" },
};

PANELS.push({
  name: "gate",
  title: "Inside a gate",
  about: "Click pulses into time: write, read, forget. Walk through the steps with ← and →. Move"
    + " the biases: which gate holds the memory, and which one keeps the noise out?",
  controls: [
    { name: "step", label: "Step t", min: 0, max: GATE_STEPS - 1, step: 1, value: 14 },
    ...[
      ["f", "LSTM, bias of forget gate f", 4], ["i", "LSTM, bias of input gate i", -4],
      ["o", "LSTM, bias of output gate o", -4], ["z", "GRU, bias of update gate z", 4],
      ["r", "GRU, bias of reset gate r", 4],
    ].map(([name, label, value]) => ({ name, label, min: -6, max: 8, step: 0.1, value })),
    { name: "noise", label: "Noise", min: 0, max: 2, step: 0.1, value: 0.3 },
    ...Object.entries(GATE_PULSES).map(([name, value]) => (
      { name, label: `Steps that ${name}`, text: true, value })),
  ],
  mount(view) {
    const pulses = view.figure("pulses", "A click sets or clears a pulse.");
    pulses.onclick = (event) => togglePulse(view, pulses, event);
    const figures = ["LSTM", "GRU"].map((name) => [name, view.figure(name, "", { half: true })]);
    let results = {};
    return {
      update(values) {
        results = Object.fromEntries(figures.map(([name]) => [name, gateResult(name, values)]));
        drawPulses(pulses, values);
        for (const [name, element] of figures) drawGateCell(element, name, results, values.step);
        reportGates(view, results, values.step);
      },
      key({ key }) {
        const step = view.values().step + { ArrowLeft: -1, ArrowRight: 1 }[key];
        if (step >= 0 && step < GATE_STEPS) view.change({ step });
      },
      dump: () => results,
    };
  },
});

function pulseSteps(text) {
  return text.split(/\D+/).filter(Boolean).map(Number);
}

function togglePulse(view, { frame, lastChild }, event) {
  const box = lastChild.getBoundingClientRect();
  const step = Math.round(frame.inverseX(event.clientX - box.left));
  const name = Object.keys(GATE_PULSES)[Math.round(frame.inverseY(event.clientY - box.top))];
  if (!name || step < 0 || step >= GATE_STEPS) return;
  const steps = pulseSteps(view.values()[name]);
  const others = steps.filter((other) => other !== step);
  const changed = others.length < steps.length ? others : [...steps, step].sort((a, b) => a - b);
  view.change({ [name]: changed.join(" "), step });
}

// For each step the gates, the memory before and after it, and the memory's two parts.
function gateResult(name, values) {
  const b = name === "LSTM" ? [values.i, values.f, 0, values.o] : [values.r, values.z, 0];
  const params = { ...GATE_WEIGHTS[name], b };
  const random = randomStream(1);
  const pulses = Object.keys(GATE_PULSES).map((pulse) => pulseSteps(values[pulse]));
  const xs = Array.from({ length: GATE_STEPS }, (_, t) => [
    ...pulses.map((steps) => Number(steps.includes(t))), values.noise * random.normal()]);
  const run = runThrough({ cell: CELLS[name], inputs: 4, units: 1, params }, xs);
  const steps = run.records.map(({ carry, gates }, t) => {
    const { f, i, g, o, z, r, n } = mapArrays(gates, ([value]) => value);
    const [[before], [memory]] = [run.carries[t], carry].map(({ h, c }) => c || h);
    const parts = { keep: f ?? z, enter: i ?? 1 - z, candidate: g ?? n };
    return { f, i, o, z, r, ...parts, before, memory, kept: parts.keep * before, h: carry.h[0] };
  });
  return { params, xs, run, steps };
}

function gateAxis() {
  return { label: "step t", min: -0.5, max: GATE_STEPS - 0.5 };
}

function gateMark(frame, step) {
  return `<path class="mark" d="M${frame.x(step)} ${frame.inner.top}v${frame.inner.height}"/>`;
}

function gateBlock(frame, t, from, to, kind) {
  const [top, bottom] = [frame.y(from), frame.y(to)].sort((a, b) => a - b);
  const [left, right] = [frame.x(t - 0.44), frame.x(t + 0.44)];
  return `<rect class="${kind}" x="${left}" y="${top}" width="${right - left}"`
    + ` height="${bottom - top}"/>`;
}

function gateSteps(steps, name) { // a value holds for the whole step
  return steps.flatMap((at, t) => [[t - 0.5, at[name]], [t + 0.5, at[name]]]);
}

function drawPulses(element, values) {
  const names = Object.keys(GATE_PULSES);
  const y = { label: "", min: 2.5, max: -0.5, names };
  const said = "Pulses that write, forget and read, at each step.";
  const chart = { title: "Pulses", legend: "", said, height: 130, x: gateAxis(), y };
  drawChart(element, chart, (frame) => {
    const blocks = names.flatMap((name, row) => {
      const steps = pulseSteps(values[name]);
      return Array.from({ length: GATE_STEPS }, (_, t) =>
        gateBlock(frame, t, row - 0.4, row + 0.4, steps.includes(t) ? "pulse on" : "pulse"));
    });
    return blocks.join("") + gateMark(frame, values.step);
  });
}

function drawGateCell(element, name, results, step) {
  const { steps } = results[name];
  if (!element.firstChild) element.append(...[1, 2, 3].map(() => makeElement("div")));
  const [gates, memory, equation] = element.children;
  gates.plotWidth = memory.plotWidth = element.plotWidth;
  const lines = Object.entries(GATE_LINES[name]).map(([gate, label]) => (
    { label, points: gateSteps(steps, gate) }));
  const y = { label: "gates", min: 0, max: 1 };
  const marks = [{ x: step, label: "" }];
  lineChart(gates, { title: name, lines, marks, height: 170, x: gateAxis(), y });
  drawMemory(memory, name, steps, step);
  equation.className = "equation";
  equation.innerHTML = gateEquation(name, steps[step]);
}

function drawMemory(element, name, steps, step) {
  const ends = steps.flatMap(({ kept, memory, h }) => [0, kept, memory, h, 1]);
  const label = name === "LSTM" ? "memory c, output h" : "memory and output h";
  const y = fitAxis({ label }, ends);
  const legend = ["kept", "new", "output h"].map((entry, i) =>
    legendEntry(entry, i + 1, "line thick"));
  const said = "The memory after each step, and what of it was kept and what is new.";
  const chart = { title: "", legend: legend.join(""), said, height: 210, x: gateAxis(), y };
  drawChart(element, chart, (frame) => {
    const blocks = steps.map(({ kept, memory }, t) =>
      gateBlock(frame, t, 0, kept, "kept") + gateBlock(frame, t, kept, memory, "new"));
    const path = linePath({ points: gateSteps(steps, "h") }, frame);
    return `${blocks.join("")}<path class="line" style="--colour:var(--c3)" d="${path}"/>`
      + gateMark(frame, step);
  });
}

function gateEquation(name, at) {
  const [keep, enter, candidate, memory] =
    name === "LSTM" ? ["f", "i", "g", "c"] : ["z", "(1 − z)", "n", "h"];
  const n = (value) => value.toFixed(2).replace("-0.00", "0.00").replace("-", "−");
  const sum = `${memory}′ = <b class="kept">${keep} ${memory}</b>`
    + ` + <b class="new">${enter} ${candidate}</b>`
    + ` = <b class="kept">${n(at.keep)} · ${n(at.before)}</b>`
    + ` + <b class="new">${n(at.enter)} · ${n(at.candidate)}</b> = ${n(at.memory)}`;
  if (name === "GRU") return sum;
  return `${sum}<br>h′ = o tanh(c′) = ${n(at.o)} · ${n(Math.tanh(at.memory))} = ${n(at.h)}`;
}

function reportGates(view, { LSTM: { steps: lstm }, GRU: { steps: gru } }, step) {
  const number = (value) => formatNumber(Number(value.toFixed(3)));
  const share = (value) => `${number(100 * value)}\u00a0%`;
  const [a, b] = [lstm[step], gru[step]];
  view.say(`Step ${step}: the LSTM keeps ${share(a.f)} of its memory and lets in ${share(a.i)} of`
    + ` the new, which makes ${number(a.memory)}; it shows ${share(a.o)}, an output of`
    + ` ${number(a.h)}. The GRU keeps ${share(b.z)} and lets in the other ${share(1 - b.z)}, which`
    + ` makes ${number(b.h)}, its memory and its output.`);
  for (const [name, value] of Object.entries({ c: a.memory, h: a.h, gru: b.h })) {
    view.data(name, value);
  }
}
