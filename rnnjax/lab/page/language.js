"use strict";
// A language model as rnnjax.tasks.text builds it: embedding, recurrent layers, output weights.
//
//   languageModel(units, tensors) -> model with
//     units                       the vocabulary: a text for each token
//     layers                      the networks of the recurrent layers (see cells.js)
//     start() -> state            zeros
//     step(token, state) -> {token, before, state, records, logits}
//                                 `before` and `state`: a carry for each layer; records likewise
//   tokenInfluence(model, steps, next) -> for each of the steps, the norm of the gradient of
//                                 log p(next), after the last step, by the embedding of its token
//   probabilities(logits, temperature, topK, topP) -> Float64Array
//   drawToken(random, p)          a token, by a stream of random.js
//
// `tensors` have the names that rnnjax.interop.save writes: "0.table", "1.w_x", …, "3.w", "3.b";
// or, where the embedding is the output weights too, "embedding.table", "body.1.w_x", …, "b".

function languageModel(units, tensors) {
  const tied = "embedding.table" in tensors;
  const table = tensors[tied ? "embedding.table" : "0.table"];
  const modules = modulesByNumber(tensors, tied ? "body." : "");
  const layers = modules.filter((module) => module.w_h).map(recurrentLayer);
  const dense = modules.find((module) => module.w);
  const size = table.shape[1];

  function embed(token) {
    return table.data.subarray(token * size, (token + 1) * size);
  }

  function readOut(h) { // logits; or, before tied weights, features as large as the embedding's
    const y = dense ? addProduct(biasOrZeros(dense.b, dense.w.shape[1]), h, dense.w.data) : h;
    return tied ? addTo(transposedProduct(table.data, y), tensors.b.data) : y;
  }

  function pullReadOut(dLogits) { // the gradient by h
    const dy = tied ? addProduct(new Float64Array(size), dLogits, table.data) : dLogits;
    return dense ? transposedProduct(dense.w.data, dy) : dy;
  }

  function step(token, before) {
    const records = [];
    let x = embed(token);
    layers.forEach((net, depth) => {
      records.push(net.cell.step(net, x, before[depth]));
      x = records[depth].carry.h;
    });
    const state = records.map((record) => record.carry);
    return { token, before, state, records, logits: readOut(x) };
  }

  return { units, layers, embed, pullReadOut, step, start: () => layers.map(initialCarry) };
}

// The tensors "prefix0.name", "prefix1.name", … as [{name: tensor}, …], in order.
function modulesByNumber(tensors, prefix) {
  const modules = [];
  for (const [path, tensor] of Object.entries(tensors)) {
    const [number, name] = path.slice(prefix.length).split(".");
    if (path.startsWith(prefix) && name) (modules[number] ||= {})[name] = tensor;
  }
  return modules.filter(Boolean);
}

function recurrentLayer(tensors) {
  const [units, columns] = tensors.w_h.shape;
  const cell = { 1: Elman, 3: GRU, 4: LSTM }[columns / units];
  const params = mapArrays(tensors, ({ data }) => data);
  return { cell, inputs: tensors.w_x.shape[0], units, activation: "tanh", params };
}

function biasOrZeros(tensor, size) {
  return tensor ? Float64Array.from(tensor.data) : new Float64Array(size);
}

function tokenInfluence(model, steps, next) {
  const last = steps.length - 1;
  const dLogits = probabilities(steps[last].logits).map((p, token) => +(token === next) - p);
  let gradients = steps.map((_, t) => (t === last ? model.pullReadOut(dLogits) : null));
  for (let depth = model.layers.length - 1; depth >= 0; depth--) {
    const input = (step) => (depth ? step.records[depth - 1].carry.h : model.embed(step.token));
    const run = {
      records: steps.map((step) => step.records[depth]),
      carries: steps.map((step) => step.before[depth]),
    };
    gradients = pullBack(model.layers[depth], steps.map(input), run, gradients).dxs;
  }
  return Float64Array.from(gradients, (gradient) => normOf(gradient));
}

// Logits are divided by the temperature, then all but the topK largest are dropped (0 drops none),
// then all but the fewest that together have the probability topP: as rnnjax.decoding.sample.
function probabilities(logits, temperature = 1, topK = 0, topP = 1) {
  const largest = Math.max(...logits);
  const order = Array.from(logits, (_, token) => token).sort((a, b) => logits[b] - logits[a]);
  const p = new Float64Array(logits.length);
  if (temperature === 0) {
    p[order[0]] = 1;
    return p;
  }
  const kept = order.slice(0, topK || order.length);
  for (const token of kept) p[token] = Math.exp((logits[token] - largest) / temperature);
  normalizeOver(p, kept);
  let before = 0;
  const nucleus = kept.filter((token) => {
    const inside = before < topP || before === 0 || topP >= 1;
    before += p[token];
    return inside;
  });
  for (const token of kept.slice(nucleus.length)) p[token] = 0;
  return normalizeOver(p, nucleus);
}

function normalizeOver(p, tokens) {
  let sum = 0;
  for (const token of tokens) sum += p[token];
  for (const token of tokens) p[token] /= sum;
  return p;
}

function drawToken(random, p) {
  let rest = random.uniform();
  for (let token = 0; token < p.length; token++) {
    rest -= p[token];
    if (rest < 0) return token;
  }
  return p.lastIndexOf(Math.max(...p)); // rounding left a rest
}
