"use strict";
// Learning: tasks, a loss and its gradient, the clip, and Adam.
//
//   TASKS = {adding, echo, parity}: {inputs, about, sample(random, length), trivialLoss}
//       a sample is {xs, targets, weights}: a target and a weight (0 or 1) for each step
//   drawLearner(name, inputs, units, seed) -> {net, params}: a network, whose output
//       y = h w_y + b_y is one number; `params` are the network's and these two
//   lossOf(learner, samples, grads) -> mean squared error; adds to `grads`, unless that is null
//   globalNorm(grads); clip(grads, largest) -> the norm before
//   adam(rate) -> {update(params, grads)}
//   train(learner, task, {length, batch, rate, largest, seed}) -> a generator, which does one
//       sequence at a time: it yields null, and after the batch's last the update {loss, before,
//       after}, with the gradient's norms before and after the clip
//
// Parameters and gradients are {name: array}; the clip and Adam change them in place.

const TASKS = {
  adding: { // Hochreiter and Schmidhuber, 1997
    inputs: 2,
    about: "the sum of the two marked numbers, at the end",
    trivialLoss: 1 / 6, // of always answering 1: the variance of the sum
    sample(random, length) {
      const half = Math.floor(length / 2);
      const marked = [random.integer(half), half + random.integer(length - half)];
      const xs = Array.from({ length }, (_, t) =>
        Float64Array.of(random.uniform(), marked.includes(t) ? 1 : 0));
      const sum = xs[marked[0]][0] + xs[marked[1]][0];
      return { xs, targets: xs.map(() => sum), weights: xs.map((_, t) => +(t === length - 1)) };
    },
  },
  echo: {
    inputs: 1,
    about: "the sign that came half a sequence ago",
    trivialLoss: 1, // of always answering 0
    sample(random, length) {
      const delay = Math.floor(length / 2);
      const signs = Array.from({ length }, () => 2 * random.integer(2) - 1);
      return {
        xs: signs.map((sign) => Float64Array.of(sign)),
        targets: signs.map((_, t) => (t < delay ? 0 : signs[t - delay])),
        weights: signs.map((_, t) => +(t >= delay)),
      };
    },
  },
  parity: {
    inputs: 1,
    about: "whether the ones so far are odd (1) or even (-1)",
    trivialLoss: 1, // of always answering 0
    sample(random, length) {
      const bits = Array.from({ length }, () => random.integer(2));
      let odd = -1;
      return {
        xs: bits.map((bit) => Float64Array.of(bit)),
        targets: bits.map((bit) => (odd *= bit ? -1 : 1)),
        weights: bits.map(() => 1),
      };
    },
  },
};

function drawLearner(name, inputs, units, seed) {
  const net = drawNetwork(name, inputs, units, seed, {
    radius: 1, inputScale: 1 / Math.sqrt(inputs), gateBias: 1,
  });
  const random = randomStream(seed + 1);
  const w_y = new Float64Array(units).map(() => random.normal() / Math.sqrt(units));
  return { net, params: { ...net.params, w_y, b_y: new Float64Array(1) } };
}

function lossOf({ net, params }, samples, grads = null) {
  let loss = 0;
  for (const { xs, targets, weights } of samples) {
    const run = runThrough(net, xs);
    const share = 1 / (samples.length * weights.reduce((a, b) => a + b));
    const dOutputs = xs.map((_, t) => {
      if (!weights[t]) return null;
      const { h } = run.carries[t + 1];
      const error = h.reduce((sum, v, j) => sum + v * params.w_y[j], params.b_y[0]) - targets[t];
      loss += share * weights[t] * error ** 2;
      const dy = 2 * share * weights[t] * error;
      if (!grads) return null;
      grads.b_y[0] += dy;
      addOuter(grads.w_y, h, [dy]);
      return vector(h.length, (j) => params.w_y[j] * dy);
    });
    if (grads) pullBack(net, xs, run, dOutputs, grads);
  }
  return loss;
}

function globalNorm(grads) {
  return normOf(...Object.values(grads));
}

// Pascanu, Mikolov and Bengio, 2013: a longer gradient is shortened; its direction stays.
function clip(grads, largest) {
  const norm = globalNorm(grads);
  if (norm > largest) {
    for (const g of Object.values(grads)) g.forEach((v, j) => (g[j] = (v / norm) * largest));
  }
  return norm;
}

// Kingma and Ba, 2015.
function adam(rate, b1 = 0.9, b2 = 0.999, epsilon = 1e-8) {
  let step = 0;
  let mean = null; // of the gradient
  let square = null; // of its square
  return {
    update(params, grads) {
      mean ||= zeroGradients(params);
      square ||= zeroGradients(params);
      step += 1;
      for (const name in params) {
        const [p, g, m, s] = [params, grads, mean, square].map((arrays) => arrays[name]);
        for (let j = 0; j < p.length; j++) {
          m[j] = b1 * m[j] + (1 - b1) * g[j];
          s[j] = b2 * s[j] + (1 - b2) * g[j] ** 2;
          const size = Math.sqrt(s[j] / (1 - b2 ** step)) + epsilon;
          p[j] -= (rate * m[j]) / (1 - b1 ** step) / size;
        }
      }
    },
  };
}

function* train(learner, task, { length, batch = 8, rate, largest = Infinity, seed = 0 }) {
  const random = randomStream(seed);
  const optimizer = adam(rate);
  for (;;) {
    const grads = zeroGradients(learner.params);
    let loss = 0;
    for (let i = 0; i < batch; i++) {
      loss += lossOf(learner, [task.sample(random, length)], grads) / batch;
      yield null;
    }
    for (const g of Object.values(grads)) g.forEach((v, j) => (g[j] = v / batch));
    const before = clip(grads, largest);
    optimizer.update(learner.params, grads);
    yield { loss, before, after: globalNorm(grads) };
  }
}
