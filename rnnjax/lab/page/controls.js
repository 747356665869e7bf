"use strict";
// Controls from data. A panel lists them; each becomes a labelled input that shows its value.
//
//   {name, label, choices: ["Elman", "LSTM"], value}             one of several
//   {name, label, min, max, step, value, log?, unit?, names?}    a slider; names of some values
//   {name, label, number: true, min, max, value}                 a typed whole number
//   {name, label, value: false}                                  a switch
//   {name, label, text: true, value: ""}                         a line of text
//   {action, label}                                              a button
//   each may have: when(values) -> whether it is shown;  hint    a sentence below it
//
//   readControls(specs)                        values by name, from the address or the defaults
//   buildControls(specs, values, changed) -> {element, set(values)}
//                                              changed(name, value) reports what the reader did

function parseControl(spec, text) {
  if (text === null) return spec.value;
  if (spec.choices) return spec.choices.includes(text) ? text : spec.value;
  if (typeof spec.value === "boolean") return text === "1" || text === "true";
  if (spec.text) return text;
  const number = text.trim() === "" ? NaN : Number(text);
  return Number.isNaN(number) ? spec.value : Math.min(spec.max, Math.max(spec.min, number));
}

function readControls(specs) {
  const named = specs.filter((spec) => spec.name);
  const read = (spec) => [spec.name, parseControl(spec, readState(spec.name))];
  return Object.fromEntries(named.map(read));
}

function makeElement(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function choiceControl(spec, changed) {
  const inputs = spec.choices.map((choice) => {
    const input = makeElement("input", { type: "radio", name: spec.name, value: choice });
    input.addEventListener("change", () => changed(choice));
    return input;
  });
  const labels = inputs.map((input) =>
    makeElement("label", {}, input, makeElement("span", {}, input.value)));
  const legend = makeElement("legend", {}, spec.label);
  const row = makeElement("div", { class: "choices" }, ...labels);
  const set = (value) => inputs.forEach((input) => (input.checked = input.value === value));
  return { element: makeElement("fieldset", {}, legend, row), set };
}

// A logarithmic slider moves through a thousand positions and rounds to three digits.
function sliderScale({ min, max, step, log }) {
  if (!log) return { min, max, step, value: Number, position: (value) => value };
  const ratio = Math.log(max / min) / 1000;
  return {
    min: 0, max: 1000, step: 1,
    value: (position) => Number((min * Math.exp(ratio * position)).toPrecision(3)),
    position: (value) => Math.round(Math.log(value / min) / ratio),
  };
}

function sliderControl(spec, changed) {
  const scale = sliderScale(spec);
  const id = `control-${spec.name}`;
  const { min, max, step } = scale;
  const input = makeElement("input", { type: "range", id, min, max, step });
  const output = makeElement("output", { for: id });
  const set = (value) => {
    input.value = scale.position(value);
    const number = formatNumber(value) + (spec.unit ? ` ${spec.unit}` : "");
    output.textContent = spec.names?.[value] ?? number;
    input.setAttribute("aria-valuetext", output.textContent);
  };
  input.addEventListener("input", () => {
    const value = scale.value(input.value);
    set(value);
    changed(value);
  });
  const label = makeElement("label", { for: id }, spec.label);
  const head = makeElement("div", { class: "head" }, label, output);
  return { element: makeElement("div", {}, head, input), set };
}

function typedControl(spec, changed) {
  const id = `control-${spec.name}`;
  const kind = spec.number ? { type: "number", min: spec.min, max: spec.max } : { type: "text" };
  const input = makeElement("input", { id, autocomplete: "off", ...kind });
  input.addEventListener("input", () => changed(parseControl(spec, input.value)));
  const element = makeElement("div", {}, makeElement("label", { for: id }, spec.label), input);
  // The text that is being typed stays as it is.
  const set = (value) => document.activeElement !== input && (input.value = value);
  return { element, set };
}

function switchControl(spec, changed) {
  const input = makeElement("input", { type: "checkbox" });
  input.addEventListener("change", () => changed(input.checked));
  const text = makeElement("span", {}, spec.label);
  const element = makeElement("label", { class: "switch" }, input, text);
  return { element, set: (value) => (input.checked = value) };
}

function actionControl(spec, changed) {
  const button = makeElement("button", { type: "button" }, spec.label);
  button.addEventListener("click", () => changed());
  return { element: button, set: () => {} };
}

function buildControl(spec, changed) {
  if (spec.action) return actionControl(spec, changed);
  if (spec.choices) return choiceControl(spec, changed);
  if (typeof spec.value === "boolean") return switchControl(spec, changed);
  return spec.text || spec.number ? typedControl(spec, changed) : sliderControl(spec, changed);
}

function buildControls(specs, values, changed) {
  const controls = specs.map((spec) => {
    const name = spec.name || spec.action;
    const control = buildControl(spec, (value) => changed(name, value));
    control.element.classList.add("control");
    control.element.dataset.control = name;
    if (spec.hint) control.element.append(makeElement("small", {}, spec.hint));
    return { spec, ...control };
  });
  const set = (current) => {
    for (const { spec, element, set: show } of controls) {
      element.hidden = Boolean(spec.when) && !spec.when(current);
      if (spec.name) show(current[spec.name]);
    }
  };
  const element = makeElement("form", { class: "controls", "aria-label": "Controls" });
  element.addEventListener("submit", (event) => event.preventDefault());
  element.append(...controls.map((control) => control.element));
  set(values);
  return { element, set };
}
