"use strict";
// Learn here: a small network learns a task in the page, between two frames.

const LEARN_SLICE = 14; // milliseconds of training between two frames
const LEARN_PAUSE = 120; // milliseconds between two pictures
const LEARN_SILENCE = 2000; // milliseconds between two sentences
const LEARN_RECENT = 20; // updates that count as now
const LEARN_GHOSTS = 3; // earlier runs that stay

PANELS.push({
  name: "learn",
  title: "Learn here",
  about: "A network learns from nothing, now. The dashed line is the loss of always giving the same"
    + " answer; below it the network remembers. Which cell gets there first, and how far back?",
  controls: [
    { name: "run", label: "Training runs", value: true },
    { action: "step", label: "One update" },
    { action: "restart", label: "Restart" },
    { name: "task", label: "Task", choices: Object.keys(TASKS), value: "adding" },
    { name: "cell", label: "Cell", choices: ["Elman", "LSTM", "GRU"], value: "LSTM" },
    { name: "length", label: "Length T", min: 2, max: 100, step: 1, value: 40, unit: "steps" },
    { name: "units", label: "Units H", min: 1, max: 64, step: 1, value: 16 },
    { name: "clip", label: "Clip norm", min: 0.01, max: 100, value: 1, log: true },
    { name: "rate", label: "Learning rate", min: 1e-4, max: 0.3, value: 0.01, log: true },
    { name: "seed", label: "Seed", number: true, min: 0, max: 9999, value: 0 },
    { name: "updates", label: "Updates", min: 10, max: 5000, value: 1000, log: true },
  ],
  mount: learnPanel,
});

function learnFigures(view) {
  return {
    loss: view.figure("loss", "Mean squared error of the 8 new sequences of each update, and the"
      + " mean of the last 20 updates."),
    norms: view.figure("norms", "The clip shortens what is above the dashed line to it.",
      { half: true }),
    flow: view.figure("flow", "Through time, in the network as it is now: the gradient of the last"
      + " output by each state before.", { half: true }),
  };
}

function learnPanel(view) {
  const figures = learnFigures(view);
  const earlier = []; // the losses of former runs
  let session = null, frame = 0, drawn = 0, said = 0;

  function draw(values, ended) {
    drawn = performance.now();
    drawLearning(figures, values, session, earlier);
    if (!ended && drawn - said < LEARN_SILENCE) return;
    said = drawn;
    reportLearning(view, values, session);
  }

  function go() {
    const values = view.values();
    const until = performance.now() + LEARN_SLICE;
    while (performance.now() < until && !session.ended(values)) session.advance();
    const ended = session.ended(values);
    if (ended || performance.now() - drawn > LEARN_PAUSE) draw(values, ended);
    frame = ended ? 0 : requestAnimationFrame(go);
  }

  return {
    update(values, changed) {
      cancelAnimationFrame(frame);
      if (changed === "restart" || session?.key !== learnKey(values)) {
        if (session?.history.length > 1) earlier.push(recentMeans(session.history, "loss"));
        earlier.splice(0, earlier.length - LEARN_GHOSTS);
        session = learnSession(values);
      }
      if (changed === "step") while (!session.advance());
      draw(values, true);
      frame = values.run && !session.ended(values) ? requestAnimationFrame(go) : 0;
    },
    stop: () => cancelAnimationFrame(frame),
    dump: () => ({ history: session.history, params: session.learner.params, xs: session.xs,
      flow: session.flow() }),
  };
}

// A change of any of these begins anew.
function learnKey({ task, cell, length, units, clip, rate, seed }) {
  return [task, cell, length, units, clip, rate, seed].join();
}

function learnSession(values) {
  const { task: name, cell, length, units, clip, rate, seed } = values;
  const task = TASKS[name];
  const learner = drawLearner(cell, task.inputs, units, seed);
  const training = train(learner, task, { length, rate, largest: clip, seed: seed + 2 });
  const { xs } = task.sample(randomStream(seed + 3), length);
  const history = [];
  const flow = () => gradientFlow(learner.net, xs);
  return {
    key: learnKey(values), task, learner, xs, history, flow, untrained: flow(),
    advance() { // one sequence; whether it completed an update
      const update = training.next().value;
      if (update) history.push(update);
      return Boolean(update);
    },
    ended: ({ updates }) => history.length >= updates
      || (history.length > 0 && !Number.isFinite(history.at(-1).loss)),
  };
}

function recentMeans(history, entry) {
  return history.map((_, i) => {
    const recent = history.slice(Math.max(0, i + 1 - LEARN_RECENT), i + 1);
    return recent.reduce((sum, update) => sum + update[entry], 0) / recent.length;
  });
}

function drawLearning(figures, { clip, length }, session, earlier) {
  const { task, history, flow, untrained } = session;
  const last = Math.max(20, history.length);
  const x = { label: "update", min: 0, max: last };
  const each = (entry, colour) => (
    { values: history.map((update) => update[entry]), ghost: true, colour });
  const mean = (entry, label, colour) => ({ label, values: recentMeans(history, entry), colour });
  const level = (label, value) => (
    { label, points: [[0, value], [last, value]], dashed: true, colour: 6 });
  const ghosts = earlier.map((values, i) => (
    { label: i ? "" : "earlier runs", values, ghost: true, colour: 4 }));
  lineChart(figures.loss, {
    title: "Loss", x, y: { label: "loss", log: true },
    lines: [level("trivial loss", task.trivialLoss), ...ghosts,
      each("loss", 1), mean("loss", "mean of 20 updates", 1)],
  });
  lineChart(figures.norms, {
    title: "Norm of the gradient", x, y: { label: "norm", log: true },
    lines: [level("clip norm", clip), each("before", 2),
      mean("before", "before the clip", 2), mean("after", "after it", 1)],
  });
  lineChart(figures.flow, {
    title: "Gradient that comes back to each step",
    x: { label: "step t", min: 0, max: length }, y: { label: "norm of dL/dh", log: true },
    lines: [{ label: "untrained", values: untrained, dashed: true, colour: 6 },
      { label: "now", values: flow(), colour: 1 }],
  });
}

function learnVerdict(loss, trivial) {
  if (!(loss < Infinity)) return "the training has diverged";
  if (loss < 0.1 * trivial) return "the task is learned";
  if (loss < 0.8 * trivial) return "the network has begun to learn";
  return "the network is no better than that";
}

function reportLearning(view, { task: name }, session) {
  const { task, history, flow } = session;
  const norms = flow();
  const ratio = norms[0] / norms.at(-1) || 0;
  const recent = history.slice(-LEARN_RECENT);
  const loss = recentMeans(recent, "loss").at(-1) ?? NaN;
  const clipped = recent.filter(({ before, after }) => after < before).length;
  const progress = history.length
    ? `After ${history.length} updates the loss is ${formatNumber(loss)}, the trivial loss`
      + ` ${formatNumber(task.trivialLoss)}: ${learnVerdict(loss, task.trivialLoss)}. The clip`
      + ` shortened ${clipped} of the last ${recent.length} gradients.`
    : "The network is untrained.";
  view.say(`The task: ${task.about}. ${progress} The gradient at the first step is`
    + ` ${formatNumber(ratio)} of the gradient at the last.`);
  const entries = { task: name, updates: history.length, loss, clipped, ratio };
  for (const [entry, value] of Object.entries(entries)) view.data(entry, value);
}
