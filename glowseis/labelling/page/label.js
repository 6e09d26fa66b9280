// The page: what is shown, what keys and buttons do, and what is asked of the server.

import {Controls, element} from "./controls.js";
import {TINTS, View} from "./drawing.js";
import {drawFk, drawSpectrum} from "./panels.js";
import {watchPointer} from "./pointer.js";
import {Failed, ask, gatherOf, remark, sentence} from "./server.js";
import {Waiting, notSaved} from "./waiting.js";

const state = {
  about: null, coming: [], current: "", known: "", shown: "", busy: false, tool: "move",
  judged: null, opinions: false, window: null, last: "", tookBack: -Infinity,
  judgedAt: -Infinity, notes: new Map(),
};
// A second press within this time is the first one, pressed twice.
const TWICE_MS = 400;
const waiting = new Waiting();
const underway = new Set();
const view = new View(element("gather"));
const controls = new Controls(displayed);

function tell(line) {
  element("told").hidden = !line;
  element("told").textContent = sentence(line);
}

function problem(line) {
  const left = waiting.all.length ? notSaved(waiting.all) : "";
  element("problem").hidden = !left && !line;
  element("problem").firstElementChild.textContent = `${left} ${sentence(line)}`.trim();
  element("again").hidden = !left;
}

async function attempt(act) {
  try { return await act(); } catch (wrong) {
    if (!(wrong instanceof Failed)) throw wrong;
    problem(wrong.message);
    return null;
  }
}

// Gathers: the one to be judged, its neighbours on the line as context.

async function show(id, keep = false) {
  state.shown = id;
  const gather = await attempt(() => gatherOf(id, controls.band));
  if (!gather || state.shown !== id) return;
  view.show(gather, keep);
  element("end").hidden = true;
  element("name").textContent = `${gather.id}: ${gather.line}, shot ${gather.shot}, cable ${gather.cable}`;
  const apart = id !== state.current;
  element("context").hidden = !apart;
  element("context").firstElementChild.textContent = apart ? "For comparison only, not the gather to judge." : "";
  element("before").disabled = !gather.before;
  element("after").disabled = !gather.after;
  for (const button of element("classes").children) button.disabled = apart;
  listMarks();
  if (state.window) spectra();
  for (const next of state.coming.slice(0, 3)) gatherOf(next, controls.band).catch(() => {});
}

function next(reply) {
  state.coming = reply.coming;
  state.last = reply.last;
  progress(reply.progress);
  turnTo(state.coming[0] ?? "");
  if (state.current) return show(state.current, true);
  Object.assign(state, {after: reply.after, of: reply.progress.of});
  return end();
}

// The gather to judge, with the note that was typed for it, or else the one that is given.
function turnTo(id, known = "", note = "") {
  if (id !== state.current) {
    state.notes.set(state.current, element("note").value);
    element("note").value = state.notes.get(id) || note;
  }
  Object.assign(state, {current: id, known});
}

// All are judged: what to do with the labels.
function end() {
  state.shown = "";
  element("name").textContent = `All ${state.of} gathers are judged`;
  element("context").hidden = true;
  for (const button of element("classes").children) button.disabled = true;
  element("end").hidden = false;
  element("end").lastElementChild.replaceChildren(...state.after.flatMap(({what, command}) => [
    Object.assign(document.createElement("dt"), {textContent: `${what}:`}), Object.assign(document.createElement("dd"), {textContent: command}),
  ]));
  return null;
}

function progress({judged, of, counts, minutes_per_hundred: pace}) {
  const each = Object.entries(counts).filter(([, count]) => count).map(([label, count]) => `${label} ${count}`).join(", ");
  const speed = pace === null ? "" : ` · ${pace < 10 ? pace.toFixed(1) : Math.round(pace)} minutes per hundred`;
  element("progress").textContent = `${judged} of ${of} judged${each ? ` (${each})` : ""}${speed}`;
}

function neighbour(which) {
  const id = view.gather?.[which];
  if (id) show(id, true);
}

function displayed() {
  view.set(controls.values);
  if (state.shown && view.gather?.band !== controls.band) show(state.shown, true);
}

// Judging: the next gather is shown once the server says that this label is on disk.

async function judge(label) {
  // Nobody has looked at the next gather yet.
  if (performance.now() - state.judgedAt < TWICE_MS) return;
  if (state.busy || !state.current || state.shown !== state.current || view.canvas.dataset.shown !== state.current) return;
  waiting.add({path: "label", given: {gather_id: state.current, label, note: element("note").value, known: state.known}});
  await again();
}

// Send all that waits.
async function again() {
  if (state.busy) return;
  state.busy = true;
  try { await deliver(waiting.all); } finally { state.busy = false; }
}

async function deliver(some) {
  let line = "";
  for (const one of some) {
    if (underway.has(one)) continue;
    underway.add(one);
    try {
      const reply = await ask(one.path, one.given);
      waiting.remove(one);
      await (one.path === "label" ? judged : marked)(one.given, reply);
    } catch (wrong) {
      if (!(wrong instanceof Failed)) throw wrong;
      line = wrong.message;
      // The cause of a refused label can be corrected; a refused mark is quickly made again.
      if (one.path === "label" || wrong.again) continue;
      waiting.remove(one);
      line = `${notSaved([one])} ${sentence(line)}`;
    } finally {
      underway.delete(one);
    }
  }
  problem(line);
}

async function judged({gather_id: id}, reply) {
  tell(reply.told);
  state.notes.delete(id);
  if (id === state.current) element("note").value = "";
  state.judged = {id, ...reply.revealed, opinion: ""};
  showJudged();
  if (state.opinions) opinion();
  await next(reply);
  state.judgedAt = performance.now();
}

async function takeBack() {
  const marks = view.gather?.id === state.current ? view.gather.marks.length : 0;
  if (state.busy || !marks && performance.now() - state.tookBack < TWICE_MS) return;
  state.busy = true;
  // The page says what it takes back, so that nothing else is if the server gets this twice.
  const reply = await attempt(() => ask("take-back", {shown: state.current, marks, last: state.last}));
  state.busy = false;
  if (!reply) return;
  state.tookBack = performance.now();
  state.judgedAt = -Infinity;
  state.last = reply.last;
  problem("");
  tell(reply.told);
  state.coming = reply.coming;
  progress(reply.progress);
  if (!reply.show) return;
  if (reply.show !== state.current) {
    state.judged = null;
    showJudged();
    turnTo(reply.show, reply.known, reply.note);
  }
  await refreshMarks(reply.show);
  await show(reply.show, true);
}

function showJudged() {
  const one = state.judged;
  if (!one) return element("judged").replaceChildren("What is known of a gather is shown here once you have judged it.");
  const lines = [`${one.id}: you said ${one.label}`];
  if (one.record) lines.push(`In the survey's records: ${one.record}`);
  if (one.reason) lines.push(`Why it was chosen: ${one.reason}`);
  if (one.opinion) lines.push(one.opinion);
  return element("judged").replaceChildren(...lines.map(line => Object.assign(document.createElement("p"), {textContent: line})));
}

async function opinion() {
  const one = state.judged;
  if (!one) return;
  one.opinion = `Asking ${state.about.model || "the model"} …`;
  showJudged();
  for (;;) {
    let reply;
    try { reply = await ask(`opinion/${one.id}`); } catch (wrong) {
      if (!(wrong instanceof Failed)) throw wrong;
      one.opinion = sentence(`No opinion: ${wrong.message}`);
      break;
    }
    if (reply.opinion) {
      const {model, grade, probabilities, unlike} = reply.opinion;
      const each = Object.entries(probabilities).map(([label, share]) => `${label} ${Math.round(100 * share)} %`).join(", ");
      const far = unlike > 1 ? "; unlike its training data, so do not rely on it" : "";
      one.opinion = sentence(`${model} says ${grade} (${each})${far}`);
      break;
    }
    if (state.judged !== one || !state.opinions) return;
    one.opinion = `${state.about.model} is ${reply.loading ? "loaded first, which may take a minute; you can go on labelling" : "asked"} …`;
    showJudged();
    await new Promise(done => setTimeout(done, 300));
  }
  if (state.judged === one) showJudged();
}

function toggleOpinion() {
  if (state.about.no_model) return tell(`No model's opinion: ${state.about.no_model}`);
  state.opinions = !state.opinions;
  element("opinion").setAttribute("aria-pressed", String(state.opinions));
  if (!state.judged) tell(state.opinions ? "The model's opinion will be shown after you judge a gather." : "");
  else if (state.opinions) opinion();
  else { state.judged.opinion = ""; showJudged(); }
  return null;
}

// Marked traces.

function listMarks() {
  const {marks, id} = view.gather;
  element("marks").replaceChildren(...marks.map(mark => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = `${mark.kind} ${mark.first}–${mark.last} ×`;
    button.setAttribute("aria-label", `Remove: ${mark.kind}, traces ${mark.first} to ${mark.last}`);
    button.disabled = id !== state.current;
    button.addEventListener("click", () => sendMark({...mark, kind: ""}));
    const item = document.createElement("li");
    item.append(button);
    return item;
  }));
}

async function sendMark(mark) {
  const one = {path: "mark", given: {...mark, gather_id: view.gather.id}};
  waiting.add(one);
  await deliver([one]);
}

function marked({gather_id: id}, {marks}) {
  remark(id, marks);
  if (view.gather?.id !== id) return;
  view.gather.marks = marks;
  view.draw();
  listMarks();
}

async function refreshMarks(id) {
  const reply = await attempt(() => ask(`marks/${id}`));
  if (reply) remark(id, reply.marks);
}

async function spectra() {
  const part = state.window, {gather} = view, {left, right, first, last} = part;
  const words = new URLSearchParams({
    first_row: Math.floor(first), last_row: Math.ceil(last), first_column: Math.floor(left), last_column: Math.ceil(right),
  });
  const found = await attempt(() => ask(`spectra/${gather.id}?${words}`));
  if (!found || state.window !== part || view.gather !== gather) return;
  problem("");
  const opened = element("spectra").hidden;
  element("spectra").hidden = false;
  drawSpectrum(element("spectrum"), found, state.about.range_db);
  drawFk(element("fk"), found, state.about.range_db);
  if (opened) element("spectra").scrollIntoView({block: "nearest"});
}

function closeSpectra() {
  state.window = null;
  element("spectra").hidden = true;
}

// What is dragged on the gather.

function useTool(tool) {
  state.tool = tool;
  for (const button of element("tools").querySelectorAll("button"))
    button.setAttribute("aria-pressed", String(button.dataset.value === tool));
}

function ended(drag) {
  const one = view.at(drag.from.x, drag.from.y), other = view.at(drag.to.x, drag.to.y);
  const part = {
    left: Math.min(one.column, other.column), right: Math.max(one.column, other.column),
    first: Math.min(one.row, other.row), last: Math.max(one.row, other.row),
  };
  const clicked = Math.abs(drag.from.x - drag.to.x) + Math.abs(drag.from.y - drag.to.y) < 4;
  if (drag.tool in TINTS) {
    if (state.shown !== state.current) return tell("You can only mark traces of the gather to judge; press Esc to go back to it.");
    // A column of a resized gather shows several traces, of which it has the number of the middle.
    const numbers = view.gather.trace, half = numbers.length > 1 ? (numbers[1] - numbers[0]) / 2 : 0.5;
    const centre = column => numbers[Math.min(view.gather.traces - 1, Math.floor(column))];
    const first = centre(part.left), last = centre(part.right - (clicked ? 0 : 1e-6));
    return sendMark({
      first: Math.min(Math.ceil(first - half), Math.round(first)),
      last: Math.max(Math.floor(last + half), Math.round(last)), kind: drag.tool,
    });
  }
  if (clicked) return null;
  if (drag.tool === "zoom") return view.zoomTo(part);
  if (drag.tool === "spectra") { state.window = part; return spectra(); }
  return null;
}

function back() {
  if (state.shown === state.current) return closeSpectra();
  return state.current ? show(state.current, true) : end();
}

// Keys and buttons.

const KEYS = {
  z: takeBack, o: toggleOpinion, n: () => element("note").focus(), c: () => controls.nextColours(),
  a: () => controls.set({agc: !controls.values.agc}), b: () => controls.set({band: !controls.values.band}),
  "+": () => controls.set({gain: controls.values.gain + 2}), "=": () => controls.set({gain: controls.values.gain + 2}),
  "-": () => controls.set({gain: controls.values.gain - 2}),
  0: () => { view.whole(); view.draw(); },
  p: () => useTool("move"), v: () => useTool("zoom"), s: () => useTool("spectra"), d: () => useTool("dead"), x: () => useTool("noisy"),
  ArrowLeft: () => neighbour("before"), ArrowRight: () => neighbour("after"),
  Escape: back,
};

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.matches("input:not([type=checkbox], [type=range]), textarea");
  if (typing) {
    if (["Enter", "Escape"].includes(event.key)) { event.target.blur(); event.preventDefault(); }
    return;
  }
  // Enter that is held on a button would press it again and again.
  if (event.repeat && event.key === "Enter" && event.target.matches("button")) return event.preventDefault();
  const slider = event.target.matches("input[type=range]") && event.key.startsWith("Arrow");
  const act = KEYS[event.key] ?? KEYS[event.key.toLowerCase()];
  const button = [...element("classes").children].find(one => one.dataset.key === event.key.toLowerCase());
  if (slider || !act && !button) return;
  event.preventDefault();
  // A key that is held judges one gather, not all of them.
  if (event.repeat && (button || act === takeBack)) return;
  if (button) judge(button.dataset.label);
  else act();
}

function buttons() {
  const labels = [...state.about.classes.map((label, i) => [label, i < 9 ? String(i + 1) : ""]), [state.about.unsure, "u"]];
  element("classes").replaceChildren(...labels.map(([label, key]) => {
    const button = Object.assign(document.createElement("button"), {type: "button", textContent: `${label} `});
    Object.assign(button.dataset, {label, key});
    if (key) button.append(Object.assign(document.createElement("kbd"), {textContent: key}));
    button.addEventListener("click", () => judge(label));
    return button;
  }));
  const clicks = {
    "take-back": takeBack, opinion: toggleOpinion, whole: KEYS[0], before: KEYS.ArrowLeft, after: KEYS.ArrowRight, back: KEYS.Escape,
    again, close: closeSpectra,
  };
  for (const [id, act] of Object.entries(clicks)) element(id).addEventListener("click", () => act());
  for (const button of element("tools").querySelectorAll("button")) button.addEventListener("click", () => useTool(button.dataset.value));
  useTool("move");
}

async function start() {
  view.display = controls.values;
  state.about = await attempt(() => ask("session"));
  if (!state.about) return;
  const {judge: name, survey, labels, warning, model, no_model: none} = state.about;
  document.title = `${name}: ${survey}`;
  element("where").textContent = `Labels of ${name} are saved to ${labels}. Positive amplitudes are white, red or filled. ${none ? sentence(`There is no model's opinion: ${none}`) : `Model: ${model}.`}`;
  element("opinion").disabled = Boolean(none);
  tell([warning, waiting.open(state.about)].filter(Boolean).join(" "));
  buttons();
  showJudged();
  watchPointer(view, () => state.tool, ended);
  document.addEventListener("keydown", pressed);
  new ResizeObserver(() => view.draw()).observe(view.canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { view.draw(); if (state.window) spectra(); });
  await next(state.about);
  if (waiting.all.length) problem("");
}

start();
