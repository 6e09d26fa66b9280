// A gather on a canvas: samples down, traces across, axes, marks, and what is being dragged.

import {agc, clipOf, imageOf, palette, wigglesOf} from "./amplitudes.js";

const LEFT = 52, TOP = 48, STRIP = 9, RIGHT = 6, BOTTOM = 6;
const WIGGLE_PIXELS = 7;
export const TINTS = {dead: "#cf222e", noisy: "#d9a62e"};

export function steps(low, high, pixels, apart) {
  const rough = Math.abs(high - low) / Math.max(1, pixels / apart);
  const power = 10 ** Math.floor(Math.log10(rough || 1));
  const step = [1, 2, 5, 10].find(one => one * power >= rough) * power;
  const found = [];
  for (let value = Math.ceil(Math.min(low, high) / step - 1e-9) * step; value <= Math.max(low, high) + step * 1e-6; value += step)
    found.push(Math.abs(value) < step * 1e-6 ? 0 : value);
  return {values: found, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9))};
}

// A canvas as large as it is shown, in pixels of the screen; returns its context in CSS pixels.
export function fitted(canvas) {
  const ratio = window.devicePixelRatio || 1, box = canvas.getBoundingClientRect();
  const width = Math.max(1, Math.round(box.width * ratio)), height = Math.max(1, Math.round(box.height * ratio));
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, {width, height});
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  return {pen, width: box.width, height: box.height};
}

export const inks = () => {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(["paper", "ink", "soft", "line", "link", "band"].map(name => [name, style.getPropertyValue(`--${name}`)]));
};

export class View {
  constructor(canvas) {
    this.canvas = canvas;
    this.gather = null;
    this.display = null;
    this.drag = null;
    this.whole();
  }

  show(gather, keep) {
    const same = keep && this.gather && gather.samples === this.gather.samples && gather.traces === this.gather.traces;
    this.gather = gather;
    this.values = this.image = null;
    if (!same) this.whole();
    this.draw();
  }

  set(display) {
    this.display = display;
    this.values = this.image = null;
    this.draw();
  }

  whole() {
    this.part = {left: 0, right: this.gather?.traces ?? 1, first: 0, last: this.gather?.samples ?? 1};
  }

  get box() {
    const {width, height} = this.canvas.getBoundingClientRect();
    return {x: LEFT, y: TOP + STRIP, width: Math.max(10, width - LEFT - RIGHT), height: Math.max(10, height - TOP - STRIP - BOTTOM)};
  }

  // Trace and sample, with fractions, at a place of the canvas, within the gather.
  at(x, y) {
    const box = this.box, {left, right, first, last} = this.part;
    const within = (value, most) => Math.min(most, Math.max(0, value));
    return {
      column: within(left + (x - box.x) / box.width * (right - left), this.gather.traces),
      row: within(first + (y - box.y) / box.height * (last - first), this.gather.samples),
    };
  }

  zoomTo(part) {
    const bounded = (low, high, most, least) => {
      const length = Math.min(most, Math.max(least, high - low));
      const start = Math.min(most - length, Math.max(0, low));
      return [start, start + length];
    };
    const {traces, samples} = this.gather;
    const [left, right] = bounded(part.left, part.right, traces, Math.min(4, traces));
    const [first, last] = bounded(part.first, part.last, samples, Math.min(8, samples));
    this.part = {left, right, first, last};
    this.draw();
  }

  zoomAt(x, y, factor, {time = true, traces = true}) {
    const {column, row} = this.at(x, y), part = {...this.part};
    if (traces) [part.left, part.right] = [column + (part.left - column) * factor, column + (part.right - column) * factor];
    if (time) [part.first, part.last] = [row + (part.first - row) * factor, row + (part.last - row) * factor];
    this.zoomTo(part);
  }

  prepare() {
    const {gather, display} = this;
    if (!this.values) {
      const window = display.agc ? display.agcMs / 1000 / (gather.interval_s || 0.004) : 0;
      this.values = window ? agc(gather.values, gather.samples, window) : gather.values;
      this.clip = clipOf(this.values, display.clip) / 10 ** (display.gain / 20);
    }
    if (!this.image && display.colours !== "wiggle") {
      const image = imageOf(this.values, gather.traces, gather.samples, this.clip, palette(display.colours));
      this.image = new OffscreenCanvas(gather.traces, gather.samples);
      this.image.getContext("2d").putImageData(image, 0, 0);
    }
  }

  draw() {
    if (!this.gather || !this.display) return;
    this.prepare();
    const {pen, width, height} = fitted(this.canvas), box = this.box, colours = inks();
    pen.fillStyle = colours.paper;
    pen.fillRect(0, 0, width, height);
    pen.save();
    pen.beginPath();
    pen.rect(box.x, box.y, box.width, box.height);
    pen.clip();
    const {left, right, first, last} = this.part;
    if (this.display.colours === "wiggle") this.wiggles(pen, box, colours);
    else {
      pen.imageSmoothingEnabled = box.width < (right - left) * 3;
      pen.imageSmoothingQuality = "high";
      pen.drawImage(this.image, left, first, right - left, last - first, box.x, box.y, box.width, box.height);
    }
    pen.restore();
    this.axes(pen, box, colours);
    this.marks(pen, box);
    if (this.drag) this.dragged(pen, box, colours);
    this.canvas.dataset.shown = this.gather.id;
  }

  wiggles(pen, box, colours) {
    const {gather, values, clip, part} = this, ratio = window.devicePixelRatio || 1;
    const width = Math.ceil(box.width * ratio), height = Math.ceil(box.height * ratio);
    const every = Math.max(1, Math.ceil(WIGGLE_PIXELS * (part.right - part.left) / box.width));
    const inked = new OffscreenCanvas(width, height), ink = inked.getContext("2d");
    ink.putImageData(wigglesOf(values, gather.samples, clip, part, every, width, height), 0, 0);
    ink.globalCompositeOperation = "source-in";
    ink.fillStyle = colours.ink;
    ink.fillRect(0, 0, width, height);
    pen.drawImage(inked, box.x, box.y, width / ratio, height / ratio);
  }

  axes(pen, box, colours) {
    const {gather} = this, {left, right, first, last} = this.part;
    pen.strokeStyle = colours.soft;
    pen.lineWidth = 1;
    pen.strokeRect(box.x + 0.5, box.y + 0.5, box.width - 1, box.height - 1);
    pen.fillStyle = colours.ink;
    pen.font = "11px system-ui, sans-serif";
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    const timeOf = row => gather.interval_s ? gather.start_s + (row - 0.5) * gather.interval_s : row + 0.5;
    const rowOf = time => gather.interval_s ? (time - gather.start_s) / gather.interval_s + 0.5 : time - 0.5;
    const times = steps(timeOf(first), timeOf(last), box.height, 45);
    for (const time of times.values) {
      const y = box.y + (rowOf(time) - first) / (last - first) * box.height;
      if (y < box.y - 1 || y > box.y + box.height + 1) continue;
      pen.fillRect(box.x - 5, Math.round(y), 5, 1);
      pen.fillText(time.toFixed(times.digits), box.x - 8, y);
    }
    pen.textAlign = "left";
    pen.fillText(gather.interval_s ? "time (s)" : "sample", 2, 42);
    const place = column => box.x + (column + 0.5 - left) / (right - left) * box.width;
    const row = (name, y, ticks) => {
      pen.textAlign = "left";
      pen.fillText(name, 2, y);
      pen.textAlign = "center";
      let free = box.x - 8;
      for (const [column, text] of ticks) {
        const x = place(column), half = pen.measureText(text).width / 2;
        if (x < box.x - 1 || x > box.x + box.width + 1 || x - half < free) continue;
        free = x + half + 6;
        pen.fillText(text, Math.min(x, box.x + box.width - half), y);
        pen.fillRect(Math.round(x), y + 7, 1, 4);
      }
    };
    const low = gather.trace[Math.max(0, Math.round(left))] ?? 1;
    const high = gather.trace[Math.min(gather.traces, Math.round(right)) - 1] ?? gather.traces;
    const perTrace = gather.traces > 1 ? (gather.trace.at(-1) - gather.trace[0]) / (gather.traces - 1) : 1;
    const traces = steps(low, high, box.width, 70).values.filter(value => Number.isInteger(value) && value > 0);
    row("trace", 10, [...new Set([1, ...traces])].map(value => [(value - gather.trace[0]) / perTrace, String(value)]));
    row("offset", 26, offsetTicks(gather, left, right, box.width));
  }

  marks(pen, box) {
    const {gather} = this, {left, right} = this.part;
    for (const {first, last, kind} of gather.marks) {
      const from = gather.trace.findIndex(trace => trace >= first - 0.5);
      let to = gather.trace.findIndex(trace => trace > last + 0.5);
      if (to < 0) to = gather.traces;
      const x = Math.max(box.x, box.x + (from - left) / (right - left) * box.width);
      const end = Math.min(box.x + box.width, Math.max(x + 2, box.x + (to - left) / (right - left) * box.width));
      if (from < 0 || end <= x) continue;
      pen.fillStyle = TINTS[kind];
      pen.fillRect(x, TOP + 1, end - x, STRIP - 2);
      pen.globalAlpha = 0.14;
      pen.fillRect(x, box.y, end - x, box.height);
      pen.globalAlpha = 1;
    }
  }

  dragged(pen, box, colours) {
    const {from, to, tool} = this.drag;
    const [x, end] = [Math.min(from.x, to.x), Math.max(from.x, to.x)];
    const [y, low] = tool in TINTS ? [box.y, box.y + box.height] : [Math.min(from.y, to.y), Math.max(from.y, to.y)];
    pen.globalAlpha = 0.25;
    pen.fillStyle = TINTS[tool] ?? colours.link;
    pen.fillRect(x, y, end - x, low - y);
    pen.globalAlpha = 1;
    pen.strokeStyle = TINTS[tool] ?? colours.link;
    pen.strokeRect(x, y, end - x, low - y);
  }
}

// Offsets at round numbers where they only grow or only fall, otherwise at the first and last trace.
export function offsetTicks(gather, left, right, width) {
  const offsets = gather.offset_m, from = Math.max(0, Math.floor(left)), to = Math.min(gather.traces, Math.ceil(right));
  const seen = offsets.slice(from, to);
  if (!seen.length || seen.some(one => one === null)) return [[(left + right) / 2, "unknown"]];
  const rises = seen.every((one, i) => !i || one > seen[i - 1]), falls = seen.every((one, i) => !i || one < seen[i - 1]);
  if (!rises && !falls) return [[from, `${seen[0]} m`], [to - 1, `${seen.at(-1)} m`]];
  return steps(seen[0], seen.at(-1), width, 80).values.map(value => {
    let i = 0;
    while (i < seen.length - 2 && (rises ? seen[i + 1] < value : seen[i + 1] > value)) i++;
    const next = seen[i + 1] ?? seen[i];
    return [from + i + (next === seen[i] ? 0 : (value - seen[i]) / (next - seen[i])), `${value} m`];
  }).sort((one, other) => one[0] - other[0]);
}
