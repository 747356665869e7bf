"use strict";
// The cells: one step forward, its derivative backward and forward.
//
//   Elman   h' = f(x w_x + h w_h + b)
//
//   LSTM    i, f, g, o = split(x w_x + h w_h + b)
//           c' = sigmoid(f) c + sigmoid(i) tanh(g)
//           h' = sigmoid(o) tanh(c')
//
//   GRU     r  = sigmoid(x w_xr + h w_hr + b_r)
//           z  = sigmoid(x w_xz + h w_hz + b_z)
//           n  = tanh(x w_xn + b_n + r (h w_hn + b_hn))
//           h' = (1 - z) n + z h
//
// The output of a step is h'. Weights are flat arrays, row after row: w_x is [I, blocks * H],
// w_h is [H, blocks * H]; the blocks are the gates in the order above, as in rnnjax.
//
// A network is {cell, inputs, units, activation, params: {w_x, w_h, b, b_hn}}; `cell` is one of
// CELLS, `activation` is Elman's f, biases may be missing. A cell has
//
//   step(net, x, carry) -> record          record.carry: the new carry {h} or {h, c};
//                                          record.gates: the values of the gates by name
//   pull(net, x, carry, record, dCarry, grads) -> {dCarry, dx}
//                                          the gradient before the step from the one after it;
//                                          adds the weights' to `grads`, unless that is null
//   push(net, carry, record, tangent) -> tangent
//                                          how a small change of the carry goes on

const ACTIVATIONS = { // f(s), and f'(s) from y = f(s)
  tanh: { value: Math.tanh, slope: (y) => 1 - y * y },
  relu: { value: (s) => Math.max(s, 0), slope: (y) => (y > 0 ? 1 : 0) },
  identity: { value: (s) => s, slope: () => 1 },
};

function sigmoid(s) {
  return 1 / (1 + Math.exp(-s));
}

// A browser takes a microsecond to allocate an array, longer than to fill it: arrays are views of
// a large one.
let store = new Float64Array(0);
let stored = 0;

function zeros(length) {
  if (stored + length > store.length) {
    store = new Float64Array(Math.max(65536, length));
    stored = 0;
  }
  stored += length;
  return new Float64Array(store.buffer, 8 * (stored - length), length);
}

function vector(length, f) {
  const y = zeros(length);
  for (let j = 0; j < length; j++) y[j] = f(j);
  return y;
}

// Products with a matrix w of y.length columns, row after row.

function addProduct(y, x, w) { // y += x w
  const columns = y.length;
  let i = 0;
  let at = 0;
  // Two rows at once, which writes y half as often.
  for (; i + 1 < x.length; i += 2, at += 2 * columns) {
    const [first, second, next] = [x[i], x[i + 1], at + columns];
    for (let j = 0; j < columns; j++) y[j] += first * w[at + j] + second * w[next + j];
  }
  if (i < x.length) for (let j = 0; j < columns; j++) y[j] += x[i] * w[at + j];
  return y;
}

function transposedProduct(w, y) { // w y
  const columns = y.length;
  const x = zeros(w.length / columns);
  for (let i = 0, at = 0; i < x.length; i++, at += columns) {
    let sum = 0;
    for (let j = 0; j < columns; j++) sum += w[at + j] * y[j];
    x[i] = sum;
  }
  return x;
}

function addOuter(w, x, y) { // w += x^T y
  const columns = y.length;
  for (let i = 0, at = 0; i < x.length; i++, at += columns) {
    const factor = x[i];
    for (let j = 0; j < columns; j++) w[at + j] += factor * y[j];
  }
}

function addTo(y, x) {
  for (let j = 0; j < y.length; j++) y[j] += x[j];
  return y;
}

// The sums x w_x + b and h w_h, and the way back through them: `dx_` and `dh_` are the gradients of
// the two, which differ in a GRU alone.

function inputSums({ params }, x) {
  const sums = zeros(params.w_x.length / x.length);
  return addProduct(params.b ? addTo(sums, params.b) : sums, x, params.w_x);
}

function recurrentSums({ units, params }, h) {
  return addProduct(zeros(params.w_h.length / units), h, params.w_h);
}

function pullSums({ params }, x, h, dx_, dh_, grads) {
  if (grads) {
    addOuter(grads.w_x, x, dx_);
    addOuter(grads.w_h, h, dh_);
    if (grads.b) addTo(grads.b, dx_);
  }
  return { dx: transposedProduct(params.w_x, dx_), dh: transposedProduct(params.w_h, dh_) };
}

const Elman = {
  name: "Elman",
  blocks: 1,
  carry: ["h"],

  step(net, x, { h }) {
    const sums = addTo(inputSums(net, x), recurrentSums(net, h));
    const { value } = ACTIVATIONS[net.activation || "tanh"];
    return { carry: { h: vector(net.units, (j) => value(sums[j])) }, gates: {} };
  },

  pull(net, x, { h }, record, dCarry, grads) {
    const { slope } = ACTIVATIONS[net.activation || "tanh"];
    const dSums = vector(net.units, (j) => slope(record.carry.h[j]) * dCarry.h[j]);
    const { dx, dh } = pullSums(net, x, h, dSums, dSums, grads);
    return { dCarry: { h: dh }, dx };
  },

  push(net, carry, record, tangent) {
    const { slope } = ACTIVATIONS[net.activation || "tanh"];
    const sums = recurrentSums(net, tangent.h);
    return { h: vector(net.units, (j) => slope(record.carry.h[j]) * sums[j]) };
  },
};

const LSTM = {
  name: "LSTM",
  blocks: 4,
  carry: ["h", "c"],

  step(net, x, { h, c }) {
    const H = net.units;
    const sums = addTo(inputSums(net, x), recurrentSums(net, h));
    const i = vector(H, (j) => sigmoid(sums[j]));
    const f = vector(H, (j) => sigmoid(sums[H + j]));
    const g = vector(H, (j) => Math.tanh(sums[2 * H + j]));
    const o = vector(H, (j) => sigmoid(sums[3 * H + j]));
    const next = vector(H, (j) => f[j] * c[j] + i[j] * g[j]);
    const output = vector(H, (j) => o[j] * Math.tanh(next[j]));
    return { carry: { h: output, c: next }, gates: { i, f, g, o } };
  },

  pull(net, x, { h, c }, record, dCarry, grads) {
    const H = net.units;
    const { i, f, g, o } = record.gates;
    const dSums = zeros(4 * H);
    const dc = zeros(H);
    for (let j = 0; j < H; j++) {
      const squashed = Math.tanh(record.carry.c[j]);
      const dMemory = dCarry.c[j] + dCarry.h[j] * o[j] * (1 - squashed * squashed);
      dSums[j] = dMemory * g[j] * i[j] * (1 - i[j]);
      dSums[H + j] = dMemory * c[j] * f[j] * (1 - f[j]);
      dSums[2 * H + j] = dMemory * i[j] * (1 - g[j] * g[j]);
      dSums[3 * H + j] = dCarry.h[j] * squashed * o[j] * (1 - o[j]);
      dc[j] = dMemory * f[j];
    }
    const { dx, dh } = pullSums(net, x, h, dSums, dSums, grads);
    return { dCarry: { h: dh, c: dc }, dx };
  },

  push(net, { c }, record, tangent) {
    const H = net.units;
    const { i, f, g, o } = record.gates;
    const s = recurrentSums(net, tangent.h);
    const next = { h: zeros(H), c: zeros(H) };
    for (let j = 0; j < H; j++) {
      const squashed = Math.tanh(record.carry.c[j]);
      next.c[j] = f[j] * tangent.c[j] + s[j] * g[j] * i[j] * (1 - i[j])
        + s[H + j] * c[j] * f[j] * (1 - f[j]) + s[2 * H + j] * i[j] * (1 - g[j] * g[j]);
      next.h[j] = o[j] * (1 - squashed * squashed) * next.c[j]
        + s[3 * H + j] * squashed * o[j] * (1 - o[j]);
    }
    return next;
  },
};

const GRU = {
  name: "GRU",
  blocks: 3,
  carry: ["h"],

  step(net, x, { h }) {
    const H = net.units;
    const fromX = inputSums(net, x);
    const fromH = recurrentSums(net, h);
    const r = vector(H, (j) => sigmoid(fromX[j] + fromH[j]));
    const z = vector(H, (j) => sigmoid(fromX[H + j] + fromH[H + j]));
    const recalled = fromH.subarray(2 * H); // h w_hn + b_hn: what the reset gate lets pass
    if (net.params.b_hn) addTo(recalled, net.params.b_hn);
    const n = vector(H, (j) => Math.tanh(fromX[2 * H + j] + r[j] * recalled[j]));
    const next = vector(H, (j) => (1 - z[j]) * n[j] + z[j] * h[j]);
    return { carry: { h: next }, gates: { r, z, n }, recalled };
  },

  pull(net, x, { h }, record, dCarry, grads) {
    const H = net.units;
    const { gates: { r, z, n }, recalled } = record;
    const dFromX = zeros(3 * H);
    const dFromH = zeros(3 * H);
    for (let j = 0; j < H; j++) {
      const dn = dCarry.h[j] * (1 - z[j]) * (1 - n[j] * n[j]);
      dFromX[j] = dFromH[j] = dn * recalled[j] * r[j] * (1 - r[j]);
      dFromX[H + j] = dFromH[H + j] = dCarry.h[j] * (h[j] - n[j]) * z[j] * (1 - z[j]);
      dFromX[2 * H + j] = dn;
      dFromH[2 * H + j] = dn * r[j];
    }
    if (grads && grads.b_hn) addTo(grads.b_hn, dFromH.subarray(2 * H));
    const { dx, dh } = pullSums(net, x, h, dFromX, dFromH, grads);
    return { dCarry: { h: vector(H, (j) => dh[j] + dCarry.h[j] * z[j]) }, dx };
  },

  push(net, { h }, record, tangent) {
    const H = net.units;
    const { gates: { r, z, n }, recalled } = record;
    const s = recurrentSums(net, tangent.h);
    return { h: vector(H, (j) => {
      const dr = s[j] * r[j] * (1 - r[j]);
      const dz = s[H + j] * z[j] * (1 - z[j]);
      const dn = (1 - n[j] * n[j]) * (dr * recalled[j] + r[j] * s[2 * H + j]);
      return dz * (h[j] - n[j]) + (1 - z[j]) * dn + z[j] * tangent.h[j];
    }) };
  },
};

const CELLS = { Elman, LSTM, GRU };

// The sizes of the parameters of a cell, by name.
function parameterShapes(cell, inputs, units) {
  const columns = cell.blocks * units;
  const shapes = { w_x: [inputs, columns], w_h: [units, columns], b: [columns] };
  return cell === GRU ? { ...shapes, b_hn: [units] } : shapes;
}
