"use strict";
// Tests add this script to the page. It visits addresses, moves every control by events, measures
// a moving slider, and reports each result as one line of the console.
//
// VISITS, the addresses, comes before it.

const report = (kind, result) => console.log("LAB" + JSON.stringify({ kind, ...result }));
const nextFrame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
const query = (selector) => [...document.querySelectorAll(selector)];

function faultsOfPage() {
  const faults = [];
  for (const input of query("main input, main textarea, main select")) {
    const text = [...input.labels].map((label) => label.textContent.trim()).join("");
    if (!text && !input.getAttribute("aria-label")) faults.push(`no label: ${input.outerHTML}`);
  }
  for (const svg of query("main svg[role=img]")) {
    if (!svg.getAttribute("aria-label")) faults.push("a picture without a description");
    if (/NaN|undefined|Infinity/.test(svg.outerHTML)) faults.push(svg.getAttribute("aria-label"));
  }
  if (!document.querySelector(".sentence").textContent) faults.push("no sentence");
  if (/NaN|undefined|\[object/.test(document.querySelector("main").textContent)) {
    faults.push(document.querySelector(".sentence").textContent);
  }
  if (document.documentElement.scrollWidth > innerWidth) faults.push("wider than the window");
  return faults;
}

async function visit(address) {
  const arrived = new Promise((done) => addEventListener("hashchange", done, { once: true }));
  location.hash = address;
  await arrived;
  await nextFrame();
  report("visit", {
    address, data: { ...document.querySelector("main").dataset }, faults: faultsOfPage(),
    dump: JSON.parse(document.querySelector("#dump")?.textContent || "null"),
    sentence: document.querySelector(".sentence").textContent,
    figures: query("figure").map((figure) => figure.innerText),
    values: shell.view.values(),
    theme: getComputedStyle(document.body).backgroundColor,
  });
}

function moves(input) {
  const set = (value, kind) => () => {
    input.value = value;
    input.dispatchEvent(new Event(kind, { bubbles: true }));
  };
  if (input.type === "range") {
    const [low, high] = [Number(input.min), Number(input.max)];
    return [high, low, low + 0.37 * (high - low), input.value].map((value) => set(value, "input"));
  }
  if (input.type === "number") return ["7", "", "12"].map((value) => set(value, "input"));
  if (input.type === "checkbox") return [() => input.click(), () => input.click()];
  if (input.tagName === "BUTTON" || input.type === "radio") return [() => input.click()];
  return ["to be", "", "a < b &"].map((value) => set(value, "input"));
}

async function touchPanel(panel) {
  const began = performance.now();
  document.getElementById(`tab-${panel.name}`).click();
  await nextFrame();
  const faults = new Set();
  const unmoved = [];
  for (const { name, action } of panel.controls) {
    const seen = new Set();
    const box = `[data-control="${name || action}"]`;
    for (const input of query(`${box}:is(button), ${box} :is(input, textarea, select)`)) {
      for (const move of moves(input)) {
        move();
        await nextFrame();
        seen.add(JSON.stringify(shell.view.values()[name]));
        faultsOfPage().forEach((fault) => faults.add(`${name || action}: ${fault}`));
      }
    }
    if (name && seen.size < 2) unmoved.push(name);
  }
  const seconds = (performance.now() - began) / 1000;
  report("touched", { panel: panel.name, faults: [...faults], unmoved, seconds });
}

async function pressKeys() {
  const first = document.getElementById(`tab-${PANELS[0].name}`);
  first.click();
  first.focus();
  const focused = [];
  for (const key of ["ArrowRight", "ArrowLeft", "ArrowLeft", "Home", "End"]) {
    document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    focused.push(document.activeElement.id);
    await nextFrame();
  }
  const reachable = query("[role=tab]").filter((tab) => tab.tabIndex === 0).length;
  report("keys", { focused, reachable });
}

async function useHands() {
  await visit("panel=plane");
  Element.prototype.setPointerCapture = () => {}; // an event made here belongs to no pointer
  const place = (plot, x, y) => {
    const { left, top } = plot.querySelector("svg").getBoundingClientRect();
    return { clientX: left + plot.frame.x(x), clientY: top + plot.frame.y(y), bubbles: true };
  };
  const [plane, norms] = ["spectrum", "norms"].map((name) =>
    document.querySelector(`[data-figure=${name}] .plot`));
  plane.dispatchEvent(new PointerEvent("pointermove", place(plane, 1, 1)));
  plane.dispatchEvent(new PointerEvent("pointerdown", { ...place(plane, 0.5, -0.6), buttons: 1 }));
  await nextFrame();
  const dragged = shell.view.values();
  plane.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowUp", bubbles: true }));
  await nextFrame();
  norms.dispatchEvent(new PointerEvent("pointermove", place(norms, 7.2, 1)));
  const pointed = [...norms.querySelectorAll(".legend b")].map((slot) => slot.textContent.trim());
  document.getElementById("theme").click();
  await new Promise((done) => setTimeout(done, 400));
  const { theme } = document.documentElement.dataset;
  report("hands", { dragged, nudged: shell.view.values(), pointed, theme, hash: location.hash });
}

async function moveSlider(cell) {
  await visit(`panel=flow&cell=${cell}&units=32&steps=200`);
  const slider = document.getElementById("control-radius");
  const updates = [];
  const began = performance.now();
  for (let i = 0; i < 60; i++) {
    slider.value = 0.5 + i / 50;
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    await new Promise(requestAnimationFrame);
    updates.push(Number(document.querySelector("main").dataset.milliseconds));
  }
  const frame = (performance.now() - began) / updates.length;
  updates.sort((a, b) => a - b);
  report("slider", { cell, frame, median: updates[30], best: updates[0] });
}

(async () => {
  for (const address of VISITS) await visit(address);
  for (const panel of PANELS) await touchPanel(panel);
  await pressKeys();
  await useHands();
  for (const cell of Object.keys(CELLS)) await moveSlider(cell);
  const loaded = performance.getEntriesByType("resource").map(({ name }) => name);
  report("end", { loaded });
})().catch((error) => report("end", { loaded: [], error: String(error.stack) }));
