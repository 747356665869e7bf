"use strict";
// A text that a language model (see language.js) writes, and looks into it.
//
//   startWriting(model, {prompt, length, temperature, topK, topP, seed}) -> text, which holds
//       tokens, and steps[t], which read tokens[t] and expects tokens[t + 1]; given, the number of
//       tokens of the prompt; end, the wanted number of all; unknown, letters without a token
//   writeLetter(text, token)      adds a letter, drawn unless it is given
//   lookAt(text, at) -> {at, influence, shares}
//       how much each earlier letter counted for letter `at`: the gradients of the last LOOK_BACK
//       letters before it, and for every letter the share of the largest
//   unitActivity(text, {unit, colour}) -> the carry or gate `colour` of a unit after every letter

const LOOK_BACK = 100;

function startWriting(model, { prompt, length, temperature, topK, topP, seed }) {
  const letters = Array.from(prompt || "\n");
  const unknown = letters.filter((letter) => !model.units.includes(letter));
  const known = letters.map((letter) => model.units.indexOf(letter)).filter((token) => token >= 0);
  const random = randomStream(seed);
  const choose = ({ logits }) => drawToken(random, probabilities(logits, temperature, topK, topP));
  const given = known.length || 1;
  const text = { model, choose, unknown, given, end: given + length, tokens: [], steps: [] };
  for (const token of known.length ? known : [0]) writeLetter(text, token);
  return text;
}

function writeLetter({ model, choose, tokens, steps }, token = choose(steps.at(-1))) {
  steps.push(model.step(token, steps.at(-1)?.state || model.start()));
  tokens.push(token);
}

function lookAt({ model, steps, tokens }, at) {
  const first = Math.max(0, at - LOOK_BACK);
  const influence = at > 0 ? tokenInfluence(model, steps.slice(first, at), tokens[at]) : [];
  const shares = new Float64Array(tokens.length);
  const most = Math.max(...influence);
  influence.forEach((value, i) => (shares[first + i] = value / most));
  return { at, influence, shares };
}

function unitActivity({ model, steps }, { unit, colour }) {
  let depth = 0, place = unit - 1; // units are counted through all layers, from 1
  while (place >= model.layers[depth].units) place -= model.layers[depth++].units;
  return steps.map(({ records }) => {
    const { carry, gates } = records[depth];
    return colour in carry ? Math.tanh(carry[colour][place]) : gates[colour][place];
  });
}
