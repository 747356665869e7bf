"use strict";
// The page around the panels: tabs, one panel at a time, the colours, the start.
//
// A panel: PANELS.push({name, title, about, controls, mount(view) -> {update(values, changed), …}})
//   update(values, changed)  draws; `changed` is the control or action that changed; null at first,
//                            at a resize and if several changed
//   key?(event)              gets keys pressed outside of inputs
//   stop?()                  ends what runs on its own
//   dump?()                  what the address' entry dump=1 writes, as JSON, into the script "dump"
// The view of a panel:
//   figure(name, caption, {half?}) -> an element for a chart, or for anything else
//   say(sentence)            everything drawn is also said in a sentence
//   data(name, value)        a data- attribute of the panel
//   change(changes)          sets controls and the address, and updates
//   values()                 the controls' values now

const shell = { panel: null, handle: null, view: null, controls: null, values: {}, kept: {},
  waiting: new Set() };

function makeView(panel, figures, sentence) {
  const resized = new ResizeObserver((entries) => {
    let moved = false;
    for (const { target, contentRect } of entries) {
      moved ||= target.plotWidth !== contentRect.width;
      target.plotWidth = contentRect.width;
    }
    if (moved) scheduleUpdate(null);
  });
  return {
    figure(name, caption, { half = false } = {}) {
      const plot = makeElement("div", { class: "plot" });
      const attributes = { "data-figure": name, class: half ? "half" : "whole" };
      const below = makeElement("figcaption", {}, caption);
      figures.append(makeElement("figure", attributes, plot, below));
      plot.plotWidth = plot.getBoundingClientRect().width;
      resized.observe(plot);
      return plot;
    },
    say: (text) => sentence.textContent !== text && (sentence.textContent = text),
    data: (name, value) => document.getElementById("panel").setAttribute(`data-${name}`, value),
    change: (changes) => changeValues(changes, null),
    values: () => ({ ...shell.values }),
    stop: () => resized.disconnect(),
  };
}

function mountPanel(panel) {
  unmountPanel();
  const main = document.getElementById("panel");
  for (const name of Object.keys(main.dataset)) delete main.dataset[name];
  main.setAttribute("aria-labelledby", `tab-${panel.name}`);
  main.dataset.panel = panel.name;
  const sentence = makeElement("p", { class: "sentence", "aria-live": "polite" });
  const figures = makeElement("div", { class: "figures" });
  shell.panel = panel;
  shell.values = readControls(panel.controls);
  shell.controls = buildControls(panel.controls, shell.values, (name, value) =>
    value === undefined ? runUpdate(name) : changeValues({ [name]: value }, name));
  const head = makeElement("div", { class: "about" }, makeElement("h2", {}, panel.title));
  head.append(makeElement("p", {}, panel.about), sentence);
  main.replaceChildren(head, figures, shell.controls.element);
  shell.view = makeView(panel, figures, sentence);
  shell.handle = panel.mount(shell.view);
  showTab(panel);
  runUpdate(null);
}

function showTab({ name }) {
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const selected = tab.id === `tab-${name}`;
    tab.setAttribute("aria-selected", selected);
    tab.tabIndex = selected ? 0 : -1;
    if (selected) tab.parentElement.scrollLeft = tab.offsetLeft - innerWidth / 3;
  }
}

function unmountPanel() {
  if (!shell.panel) return;
  shell.handle?.stop?.();
  shell.view.stop();
  shell.panel = shell.handle = null;
}

function changeValues(changes, name) {
  Object.assign(shell.values, changes);
  for (const { name: key, value } of shell.panel.controls) {
    if (key in changes) writeState({ [key]: changes[key] === value ? null : changes[key] });
  }
  scheduleUpdate(name);
}

// Changes between two frames are drawn once.
function scheduleUpdate(name) {
  if (!shell.waiting.size) requestAnimationFrame(() => shell.waiting.size && runUpdate());
  shell.waiting.add(name);
}

function runUpdate(name) {
  const names = [...shell.waiting.add(name ?? null)].filter((entry) => entry !== null);
  shell.waiting.clear();
  if (!shell.handle) return;
  const began = performance.now();
  shell.controls.set(shell.values);
  shell.handle.update({ ...shell.values }, names.length === 1 ? names[0] : null);
  shell.view.data("milliseconds", (performance.now() - began).toFixed(2));
  if (readState("dump")) writeDump();
}

function writeDump() {
  const plain = (key, value) => (ArrayBuffer.isView(value) ? Array.from(value) : value);
  const script = document.getElementById("dump")
    || document.body.appendChild(makeElement("script", { type: "application/json", id: "dump" }));
  script.textContent = JSON.stringify(shell.handle.dump?.() ?? null, plain);
}

// The address keeps the entries of one panel; the others' are remembered until the page closes.
function choosePanel(panel) {
  const { theme, dump, ...own } = stateEntries();
  shell.kept[shell.panel.name] = own;
  for (const name in own) writeState({ [name]: null });
  writeState({ ...shell.kept[panel.name], panel: panel.name });
  mountPanel(panel);
}

function buildTabs() {
  const tabs = PANELS.map((panel) => {
    const attributes = { type: "button", role: "tab", "aria-controls": "panel" };
    const tab = makeElement("button", { ...attributes, id: `tab-${panel.name}` }, panel.title);
    tab.addEventListener("click", () => choosePanel(panel));
    return tab;
  });
  const bar = document.getElementById("tabs");
  bar.append(...tabs);
  bar.addEventListener("keydown", (event) => {
    const now = tabs.indexOf(document.activeElement);
    const to = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: -1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const tab = tabs.at(to % tabs.length);
    tab.click();
    tab.focus();
  });
}

function showTheme() {
  document.documentElement.dataset.theme = readState("theme") || "";
  forgetColours();
  if (shell.handle) scheduleUpdate(null);
}

function switchTheme() {
  const dark = getComputedStyle(document.documentElement).getPropertyValue("--dark").trim() === "1";
  writeState({ theme: dark ? "light" : "dark" });
  showTheme();
}

function openAddress() {
  const panel = PANELS.find(({ name }) => name === readState("panel")) || PANELS[0];
  showTheme();
  if (panel) mountPanel(panel);
}

function startPage() {
  buildTabs();
  onAddress(openAddress);
  document.getElementById("theme").addEventListener("click", switchTheme);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTheme);
  addEventListener("keydown", (event) => {
    if (!event.target.closest("input, textarea, button, select")) shell.handle?.key?.(event);
  });
  openAddress();
}

startPage();
