// Samples to displayed amplitudes to pixels. Arrays hold trace after trace.

// Automatic gain control: each sample divided by the root mean square of a window of its trace around it.
export function agc(samples, length, window) {
  const result = new Float32Array(samples.length), sums = new Float64Array(length + 1);
  const half = Math.max(1, Math.round(window / 2));
  for (let start = 0; start < samples.length; start += length) {
    for (let i = 0; i < length; i++) sums[i + 1] = sums[i] + samples[start + i] ** 2;
    for (let i = 0; i < length; i++) {
      const first = Math.max(0, i - half), last = Math.min(length, i + half + 1);
      const mean = (sums[last] - sums[first]) / (last - first);
      result[start + i] = mean > 0 ? samples[start + i] / Math.sqrt(mean) : 0;
    }
  }
  return result;
}

// The absolute value that all but the largest samples stay below: `percent` of those that are not zero.
export function clipOf(samples, percent) {
  let largest = 0;
  for (const value of samples) largest = Math.max(largest, Math.abs(value));
  if (!largest) return 1;
  const bins = new Uint32Array(4096), scale = 4095 / largest;
  let live = 0;
  for (const value of samples) if (value) { bins[Math.abs(value) * scale | 0]++; live++; }
  let below = 0, bin = 0;
  while (bin < 4095 && (below += bins[bin]) < live * percent / 100) bin++;
  return (bin + 1) / scale;
}

// 256 colours from the lowest amplitude to the highest, as pixels of a canvas.
export function palette(name) {
  const colours = new Uint32Array(256);
  for (let level = 0; level < 256; level++) {
    let red = level, green = level, blue = level;
    if (name === "red-blue") {
      // From blue over white, which is zero, to red.
      const size = Math.abs(level - 128) / 128;
      const end = level < 128 ? [20, 60, 160] : [178, 24, 43];
      [red, green, blue] = end.map(one => Math.round(255 + (one - 255) * Math.min(1, size)));
    }
    colours[level] = 0xff000000 | blue << 16 | green << 8 | red;
  }
  return colours;
}

// An image of all samples, one pixel each: positive amplitudes are white or red.
export function imageOf(samples, traces, length, clip, colours) {
  const image = new ImageData(traces, length), pixels = new Uint32Array(image.data.buffer);
  const scale = 128 / clip;
  for (let trace = 0, at = 0; trace < traces; trace++)
    for (let i = 0, pixel = trace; i < length; i++, pixel += traces) {
      const level = Math.round(128 + samples[at++] * scale);
      pixels[pixel] = colours[level < 0 ? 0 : level > 255 ? 255 : level];
    }
  return image;
}
