"use strict";
// It writes: the page's character model continues a prompt, letter by letter.

const WRITE_GATES = { LSTM: ["c", "h", "i", "f", "o"], GRU: ["h", "r", "z"], Elman: ["h"] };
const writeCarried = JSON.parse(document.getElementById("model").textContent);

function writeModel(stage) { // the weights of a stage are read at their first use
  const snapshot = writeCarried.snapshots[stage];
  snapshot.model ||= languageModel(
    writeCarried.units, readSafetensors(fromBase64(snapshot.weights)).tensors);
  return snapshot.model;
}

function writeControls() {
  const names = writeCarried.snapshots.map(({ label }) => label);
  const last = names.length - 1;
  const { layers, layers: [{ cell }] } = writeModel(last);
  const units = layers.reduce((sum, net) => sum + net.units, 0);
  const choices = WRITE_GATES[cell.name];
  return [
    { name: "prompt", label: "Prompt", text: true, value: "The " },
    { name: "stage", label: "Training", min: 0, max: last, step: 1, value: last, names,
      when: () => last > 0 },
    { name: "temperature", label: "Temperature", min: 0, max: 2, step: 0.05, value: 0.6 },
    { name: "topK", label: "Top-k", min: 0, max: 40, step: 1, value: 0, names: { 0: "all" } },
    { name: "topP", label: "Top-p", min: 0.05, max: 1, step: 0.05, value: 1, names: { 1: "all" } },
    { name: "length", label: "Letters", min: 50, max: 1000, step: 50, value: 400 },
    { name: "colour", label: "Colour shows", choices, value: choices[0] },
    { name: "unit", label: "of unit", min: 1, max: units, step: 1,
      value: writeCarried.unit || 1 },
    { name: "letter", label: "Letter looked at", number: true, min: 0, max: 2000, value: 0,
      hint: "Or point at one, click one, use ← and →. 0: none." },
    { name: "seed", label: "Seed", number: true, min: 0, max: 9999, value: 0 },
    { action: "again", label: "Write again" },
  ];
}

PANELS.push({
  name: "write",
  title: "It writes",
  about: writeCarried
    ? `A network that learned to predict letters: ${writeCarried.name}. Change the temperature, and`
      + " point at letters: from which earlier ones did it write them?"
    : "This page carries no model; rnnjax.lab.save(path, model, params, units=…) writes one.",
  controls: writeCarried ? writeControls() : [],
  mount(view) {
    if (!writeCarried) return { update() {} };
    return writePanel(view, {
      text: view.figure("text", "Orange is positive, blue negative. While you look at a letter:"
        + " how much each earlier one counted for it."),
      next: view.figure("next", "The network gives probabilities; temperature, top-k and top-p"
        + " change them; one letter is drawn.", { half: true }),
      reach: view.figure("reach", "The gradient of the letter's log-probability by the embedding"
        + " of each earlier letter.", { half: true }),
    });
  },
});

function writePanel(view, figures) {
  let session = null, written = "", frame = 0, pointed = 0;
  const box = writeBox(figures.text, {
    point: (at) => {
      pointed = at;
      paint();
    },
    choose: (letter) => view.change({ letter }),
  });
  const paint = () => paintWriting(view, figures, box, session, pointed);

  function writeMore(letters) {
    for (; letters > 0 && session.tokens.length < session.end; letters--) writeLetter(session);
    paint();
    if (session.tokens.length < session.end) frame = requestAnimationFrame(() => writeMore(3));
  }

  return {
    update(values, changed) {
      if (changed === "again") return view.change({ seed: values.seed + 1, letter: 0 });
      const { colour, unit, letter, ...others } = values;
      if (written === JSON.stringify(others)) return paint();
      written = JSON.stringify(others);
      cancelAnimationFrame(frame);
      [session, pointed] = [startWriting(writeModel(values.stage), values), 0];
      const still = matchMedia("(prefers-reduced-motion: reduce)").matches || readState("dump");
      writeMore(still ? Infinity : 3);
    },
    key: ({ key }) => moveLetter(view, session, key),
    stop: () => cancelAnimationFrame(frame),
    dump: () => ({ tokens: session.tokens, ...lookAt(session, view.values().letter) }),
  };
}

function moveLetter(view, session, key) {
  const last = session.tokens.length - 1;
  const move = { ArrowLeft: -1, ArrowRight: 1 }[key];
  const letter = (view.values().letter || last) + move;
  if (move) view.change({ letter: Math.max(1, Math.min(last, letter)) });
  if (key === "Escape") view.change({ letter: 0 });
}

function paintWriting(view, figures, box, session, pointed) {
  const values = view.values();
  const last = session.tokens.length - 1;
  const chosen = pointed || Math.min(values.letter, last);
  const done = last + 1 === session.end;
  const look = chosen || done ? lookAt(session, chosen || last) : null;
  box.paint(session, chosen ? look.shares : unitActivity(session, values), chosen);
  drawWriteNext(figures.next, session, chosen || last, values);
  if (look) drawWriteReach(figures.reach, look);
  view.data("letters", last + 1);
  view.say(done ? writeSentence(session, look, values) : "It is writing …");
}

function writeBox(element, { point, choose }) {
  const attributes = { class: "written", tabindex: 0, role: "group", "aria-label": "Text" };
  const box = makeElement("div", attributes);
  element.append(makeElement("p", { class: "title" }, "Text"), box);
  const place = ({ target }) => Math.max(0, [...box.children].indexOf(target));
  box.onpointerover = (event) => point(place(event));
  box.onpointerleave = () => point(0);
  box.onclick = (event) => choose(place(event));
  let shown = null;
  return {
    paint(session, values, chosen) {
      if (shown !== session) box.replaceChildren();
      shown = session;
      session.tokens.slice(box.children.length).forEach((token) => {
        const given = box.children.length < session.given ? { class: "given" } : {};
        box.append(makeElement("span", given, session.model.units[token]));
      });
      [...box.children].forEach((span, t) => {
        const colour = values[t] < 0 ? "var(--heat-low)" : "var(--heat-high)";
        const share = 60 * Math.abs(values[t]);
        span.style.background = `color-mix(in srgb, ${colour} ${share}%, transparent)`;
        span.classList.toggle("looked", t > 0 && t === chosen);
      });
      if (session.tokens.length < session.end) box.scrollTop = box.scrollHeight;
    },
  };
}

function writeName({ model }, token) {
  const letter = model.units[token];
  return letter === "\n" ? "↵" : letter === " " ? "␣" : letter;
}

function drawWriteNext(element, session, at, { temperature, topK, topP }) {
  const { logits } = session.steps[Math.max(0, at - 1)];
  const own = probabilities(logits);
  const drawn = probabilities(logits, temperature, topK, topP);
  const order = Array.from(own.keys()).sort((a, b) => drawn[b] - drawn[a] || own[b] - own[a]);
  const best = order.slice(0, 10);
  const percent = (p) => best.map((token) => 100 * p[token]);
  bars(element, {
    title: `Probabilities of letter ${at}, %`, most: 100,
    labels: best.map((token) => writeName(session, token)),
    chosen: best.indexOf(session.tokens[at]),
    values: percent(drawn), label: "drawn from", others: percent(own), othersLabel: "the network's",
  });
}

function drawWriteReach(element, { at, influence }) {
  const points = Array.from(influence, (value, i) => [influence.length - i, value]);
  lineChart(element, {
    title: `Earlier letters counted for letter ${at}`, height: 230,
    lines: [{ label: "size of the gradient", points }],
    x: { label: "letters back", min: 1 }, y: { label: "gradient", log: true },
  });
}

function writeSentence({ model, tokens, steps, given, unknown }, { at, influence }, values) {
  const chance = (t) => probabilities(steps[t - 1].logits)[tokens[t]];
  const name = (t) => `“${writeName({ model }, tokens[t])}”`;
  const bits = tokens.map((_, t) => (t < given ? 0 : -Math.log2(chance(t))));
  const mean = bits.reduce((a, b) => a + b) / (tokens.length - given);
  const whole = `Network “${writeCarried.snapshots[values.stage].label}”, temperature`
    + ` ${values.temperature}: its own text surprises it by ${formatNumber(mean)} bits a letter.`
    + (unknown.length ? ` It has never seen “${unknown.join("")}”.` : "");
  if (!influence.length) return whole;
  const back = Array.from(influence).reverse();
  const most = back.indexOf(Math.max(...back)) + 1;
  let rest = back.reduce((a, b) => a + b) / 2;
  const half = back.findIndex((value) => (rest -= value) <= 0) + 1;
  return `${whole} Letter ${at}, ${name(at)}, had probability ${formatNumber(chance(at))};`
    + ` ${name(at - most)}, ${most} back, counted most, and half of all influence lies within`
    + ` ${half} letters.`;
}
