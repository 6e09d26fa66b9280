// The spectra of a window: amplitude against frequency, and the f-k plane.

import {fitted, inks, steps} from "./drawing.js";

const LEFT = 44, BOTTOM = 34, TOP = 18, RIGHT = 10;

function frame(canvas, title) {
  const {pen, width, height} = fitted(canvas), colours = inks();
  pen.fillStyle = colours.paper;
  pen.fillRect(0, 0, width, height);
  pen.font = "11px system-ui, sans-serif";
  pen.fillStyle = colours.ink;
  pen.textAlign = "left";
  pen.textBaseline = "middle";
  pen.fillText(title, LEFT, 8);
  return {pen, colours, box: {x: LEFT, y: TOP, width: width - LEFT - RIGHT, height: height - TOP - BOTTOM}};
}

function ticks({pen, box, colours}, across, down, below) {
  pen.strokeStyle = colours.soft;
  pen.fillStyle = colours.ink;
  pen.lineWidth = 1;
  pen.strokeRect(box.x + 0.5, box.y + 0.5, box.width - 1, box.height - 1);
  pen.textAlign = "center";
  const x = steps(...across, box.width, 55), y = steps(...down, box.height, 32);
  for (const value of x.values) {
    const place = box.x + (value - across[0]) / (across[1] - across[0]) * box.width;
    pen.fillRect(Math.round(place), box.y + box.height, 1, 4);
    const text = value.toFixed(x.digits), half = pen.measureText(text).width / 2;
    pen.fillText(text, Math.min(place, box.x + box.width + RIGHT - half), box.y + box.height + 10);
  }
  pen.fillText(below, box.x + box.width / 2, box.y + box.height + 25);
  pen.textAlign = "right";
  for (const value of y.values) {
    const place = box.y + (down[1] - value) / (down[1] - down[0]) * box.height;
    pen.fillRect(box.x - 4, Math.round(place), 4, 1);
    pen.fillText(value.toFixed(y.digits), box.x - 6, place);
  }
}

export function drawSpectrum(canvas, found, range) {
  const at = frame(canvas, "amplitude (dB)"), {pen, box, colours} = at;
  ticks(at, [0, found.frequency_hz], [-range, 0], `frequency (${found.of})`);
  pen.save();
  pen.beginPath();
  pen.rect(box.x, box.y, box.width, box.height);
  pen.clip();
  pen.strokeStyle = colours.link;
  pen.lineWidth = 1.5;
  pen.beginPath();
  found.db.forEach((db, i) => pen.lineTo(box.x + i / Math.max(1, found.db.length - 1) * box.width, box.y - db / range * box.height));
  pen.stroke();
  pen.restore();
}

export function drawFk(canvas, found, range) {
  const at = frame(canvas, `f-k (${found.of}), black 0 dB, white -${range} dB`), {pen, box} = at;
  const [height, width] = found.shape, bytes = Uint8Array.from(atob(found.fk), one => one.charCodeAt(0));
  const image = new ImageData(width, height), pixels = new Uint32Array(image.data.buffer);
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++) {
      const grey = 255 - bytes[row * width + column];
      pixels[(height - 1 - row) * width + column] = 0xff000000 | grey << 16 | grey << 8 | grey;
    }
  const plane = new OffscreenCanvas(width, height);
  plane.getContext("2d").putImageData(image, 0, 0);
  pen.drawImage(plane, box.x, box.y, box.width, box.height);
  ticks(at, [-found.wavenumber, found.wavenumber], [0, found.frequency_hz], `wavenumber (cycles per ${found.per})`);
}
