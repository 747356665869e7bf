"use strict";
// Networks through time: forward, backward, and what happens to gradients on the way.
//
//   drawNetwork(name, inputs, units, seed, options) -> a network of CELLS[name]
//   initialCarry(net)                      zeros
//   runThrough(net, xs, carry) -> {records: T, carries: T + 1}
//   pullBack(net, xs, run, dOutputs, grads) -> {dCarries: T, dxs: T}
//                                          dOutputs[t] is the loss's gradient by output t, or null;
//                                          adds to `grads` (see zeroGradients), unless it is null
//   lossGradients(net, steps, everywhere) -> dOutputs of the loss below
//   gradientFlow(net, xs, everywhere) -> T norms of dL/dh_t, as rnnjax.diagnostics.gradient_flow
//   lyapunovExponents(net, xs, count, frame, run) -> T estimates, as
//                                          rnnjax.diagnostics.lyapunov_exponents
//   spectralRadius(matrix, n)              largest modulus of an eigenvalue of [n, n]
//
// The loss L is the sum of the units of the last output (or of every output) over sqrt(H), so that
// its gradient by that output has length 1.
// dCarries[t] is the gradient by the carry before step t, through the steps from t on.

// Carries, parameters and gradients are {name: array}.
function mapArrays(arrays, f) {
  return Object.fromEntries(Object.entries(arrays).map(([name, a]) => [name, f(a, name)]));
}

function initialCarry(net) {
  return Object.fromEntries(net.cell.carry.map((name) => [name, new Float64Array(net.units)]));
}

function runThrough(net, xs, carry = initialCarry(net)) {
  const records = [];
  const carries = [carry];
  for (const x of xs) {
    const record = net.cell.step(net, x, carry);
    carry = record.carry;
    records.push(record);
    carries.push(carry);
  }
  return { records, carries };
}

function pullBack(net, xs, run, dOutputs, grads = null) {
  const dCarries = [];
  const dxs = [];
  let dCarry = initialCarry(net);
  for (let t = xs.length - 1; t >= 0; t--) {
    const { h } = dCarry;
    if (dOutputs[t]) dCarry = { ...dCarry, h: vector(h.length, (j) => h[j] + dOutputs[t][j]) };
    const back = net.cell.pull(net, xs[t], run.carries[t], run.records[t], dCarry, grads);
    dCarries[t] = dCarry = back.dCarry;
    dxs[t] = back.dx;
  }
  return { dCarries, dxs };
}

function zeroGradients(params) {
  return mapArrays(params, (a) => new Float64Array(a.length));
}

// The Euclidean norm of several arrays together; the squares neither overflow nor vanish.
function normOf(...arrays) {
  let largest = 0;
  for (const a of arrays) {
    for (let j = 0; j < a.length; j++) largest = Math.max(largest, Math.abs(a[j]));
  }
  if (!(largest > 0 && largest < Infinity)) return largest;
  let sum = 0;
  for (const a of arrays) {
    for (let j = 0; j < a.length; j++) sum += (a[j] / largest) * (a[j] / largest);
  }
  return largest * Math.sqrt(sum);
}

function lossGradients(net, steps, everywhere) {
  const one = new Float64Array(net.units).fill(1 / Math.sqrt(net.units));
  return Array.from({ length: steps }, (_, t) => (everywhere || t === steps - 1 ? one : null));
}

function gradientFlow(net, xs, everywhere = false) {
  const dOutputs = lossGradients(net, xs.length, everywhere);
  const { dCarries } = pullBack(net, xs, runThrough(net, xs), dOutputs);
  return Float64Array.from(dCarries, (dCarry) => normOf(...Object.values(dCarry)));
}

// Benettin: directions are multiplied by the Jacobian of every step and made orthonormal again; an
// exponent is the mean logarithm of a direction's growth. A direction is a small carry.
function lyapunovExponents(
  net, xs, count = 1, frame = randomFrame(net, count), run = runThrough(net, xs)) {
  const { records, carries } = run;
  const sums = new Float64Array(count);
  orthonormalize(frame);
  return records.map((record, t) => {
    frame = frame.map((direction) => net.cell.push(net, carries[t], record, direction));
    orthonormalize(frame).forEach((growth, k) => (sums[k] += Math.log(growth)));
    return sums.map((sum) => sum / (t + 1));
  });
}

function randomFrame(net, count) {
  const random = randomStream(0);
  const draw = (a) => a.map(random.normal);
  return Array.from({ length: count }, () => mapArrays(initialCarry(net), draw));
}

// Gram and Schmidt, in place; the lengths that the directions had.
function orthonormalize(frame) {
  return frame.map((direction, k) => {
    for (const other of frame.slice(0, k)) {
      let overlap = 0;
      for (const name in other) other[name].forEach((v, j) => (overlap += v * direction[name][j]));
      for (const name in other) other[name].forEach((v, j) => (direction[name][j] -= overlap * v));
    }
    const length = normOf(...Object.values(direction));
    for (const a of Object.values(direction)) {
      for (let j = 0; j < a.length; j++) a[j] /= length || 1;
    }
    return length;
  });
}

// Gelfand: the radius is the limit of |A^k|^(1/k); A is squared until k = 2^40.
function spectralRadius(matrix, n) {
  let power = Float64Array.from(matrix);
  let logarithm = 0; // of |A^k|^(1/k)
  for (let doublings = 0; doublings <= 40; doublings++) {
    const size = normOf(power);
    if (!(size > 0)) return size; // nilpotent, or not a number
    logarithm += Math.log(size) / 2 ** doublings;
    const unit = power.map((v) => v / size);
    power = new Float64Array(n * n);
    for (let i = 0; i < n; i++) {
      addProduct(power.subarray(i * n, (i + 1) * n), unit.subarray(i * n, (i + 1) * n), unit);
    }
  }
  return Math.exp(logarithm);
}

// Options: radius, the spectral radius of every gate's recurrent block; inputScale, the standard
// deviation of w_x; gateBias, the bias of the gate that holds (the LSTM's f, the GRU's z);
// activation, of an Elman network.
function drawNetwork(name, inputs, units, seed, options = {}) {
  const { radius = 1, inputScale = 1, gateBias = 0, activation = "tanh" } = options;
  const cell = CELLS[name];
  const sizes = mapArrays(parameterShapes(cell, inputs, units), ([a, b = 1]) => a * b);
  const params = mapArrays(sizes, (size) => new Float64Array(size));
  const random = randomStream(seed);
  params.w_x.forEach((_, j) => (params.w_x[j] = inputScale * random.normal()));
  if (cell !== Elman) params.b.fill(gateBias, units, 2 * units); // f and z are both block 1
  for (let block = 0; block < cell.blocks; block++) {
    unitMatrix(units, 4 * seed + block).forEach((v, j) => {
      const row = Math.floor(j / units);
      params.w_h[(row * cell.blocks + block) * units + (j % units)] = radius * v;
    });
  }
  return { cell, inputs, units, activation, params };
}

// A random matrix of spectral radius 1. It is kept, since a slider draws the same one again.
const unitMatrices = {};

function unitMatrix(n, seed) {
  const key = `${n} ${seed}`;
  if (!unitMatrices[key]) {
    const matrix = new Float64Array(n * n).map(randomStream(seed).normal);
    const radius = spectralRadius(matrix, n);
    unitMatrices[key] = matrix.map((v) => v / radius);
  }
  return unitMatrices[key];
}
