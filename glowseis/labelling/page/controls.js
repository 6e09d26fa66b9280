// How a gather is displayed: kept by the browser for the next time.

const KEPT = "glowseis-label-display";
const COLOURS = ["grey", "red-blue", "wiggle"];
const STANDARD = {colours: "grey", gain: 0, clip: 98, agc: false, agcMs: 500, band: false, low: 5, high: 60};
const FIELDS = {gain: "gain", clip: "clip", agcMs: "agc-ms", low: "low", high: "high", agc: "agc", band: "band"};

export const element = id => document.getElementById(id);

export class Controls {
  constructor(changed) {
    this.changed = changed;
    this.values = {...STANDARD};
    try {
      const kept = JSON.parse(localStorage.getItem(KEPT) ?? "{}");
      for (const [name, value] of Object.entries(kept)) if (typeof value === typeof STANDARD[name]) this.values[name] = value;
    } catch { /* Then the standard display. */ }
    if (!COLOURS.includes(this.values.colours)) this.values.colours = STANDARD.colours;
    for (const [name, id] of Object.entries(FIELDS)) {
      const input = element(id), box = input.type === "checkbox";
      // A typed number counts once it is complete.
      input.addEventListener(input.type === "number" ? "change" : "input", () => {
        const value = box ? input.checked : Number(input.value);
        if (box || input.value !== "" && input.checkValidity()) this.set({[name]: value});
        else this.show();
      });
    }
    for (const button of element("colours").querySelectorAll("button"))
      button.addEventListener("click", () => this.set({colours: button.dataset.value}));
    this.show();
  }

  set(values) {
    Object.assign(this.values, values);
    this.values.gain = Math.max(-20, Math.min(40, this.values.gain));
    try { localStorage.setItem(KEPT, JSON.stringify(this.values)); } catch { /* Then it is not kept. */ }
    this.show();
    this.changed();
  }

  nextColours() {
    this.set({colours: COLOURS[(COLOURS.indexOf(this.values.colours) + 1) % COLOURS.length]});
  }

  // What is asked of the server, as the filter is applied there.
  get band() {
    const {band, low, high} = this.values;
    return band ? `?low=${low}&high=${high}` : "";
  }

  show() {
    for (const [name, id] of Object.entries(FIELDS)) {
      const input = element(id);
      if (input.type === "checkbox") input.checked = this.values[name];
      else input.value = this.values[name];
    }
    element("gain-shown").textContent = `${this.values.gain} dB`;
    element("clip-shown").textContent = `${this.values.clip} %`;
    for (const button of element("colours").querySelectorAll("button"))
      button.setAttribute("aria-pressed", String(button.dataset.value === this.values.colours));
  }
}
