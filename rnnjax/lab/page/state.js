"use strict";
// The address is the state: "#panel=flow&cell=LSTM&radius=1". A link is an experiment.
//
//   PANELS                        every panel's script adds its panel here
//   readState(name)               the text of one entry of the address, or null
//   writeState({name: value, …})  changes entries; null removes one
//   stateEntries()                all entries, as an object
//   onAddress(react)              calls react() when the reader changes the address
//
// A page in a frame of a notebook has no address of its own. It starts from
// data-state of its <html>.

const PANELS = [];

const pageState = { entries: null, hash: "", timer: 0 };

function readAddress() {
  clearTimeout(pageState.timer);
  pageState.hash = location.hash;
  const text = location.hash.slice(1) || document.documentElement.dataset.state;
  pageState.entries = new URLSearchParams(text);
}

readAddress();

function readState(name) {
  return pageState.entries.get(name);
}

function stateEntries() {
  return Object.fromEntries(pageState.entries);
}

function writeState(changes) {
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) pageState.entries.delete(name);
    else pageState.entries.set(name, String(value));
  }
  // Browsers limit how often an address may change, so a moving slider writes it once at the end.
  clearTimeout(pageState.timer);
  pageState.timer = setTimeout(writeAddress, 200);
}

function writeAddress() {
  if (location.hash !== pageState.hash) return; // the reader has just changed it
  try {
    history.replaceState(null, "", "#" + pageState.entries);
    pageState.hash = location.hash;
  } catch {
    // A frame without an address: its state lasts as long as the page.
  }
}

function onAddress(react) {
  addEventListener("hashchange", () => {
    readAddress();
    react();
  });
}
