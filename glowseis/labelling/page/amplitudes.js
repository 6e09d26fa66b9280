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

// Every so many traces of a part of a gather as wiggles, positive amplitudes filled: how far each pixel is inked, as its
// opacity. Paths of a canvas take ten times as long.
export function wigglesOf(samples, length, clip, part, every, width, height) {
  const image = new ImageData(width, height), opacity = new Uint8ClampedArray(width * height);
  const across = width / (part.right - part.left), down = height / (part.last - part.first), pen = 0.3;
  const ink = (start, from, to) => {
    from = Math.max(0, from);
    to = Math.min(width, to);
    if (to <= from) return;
    const first = Math.floor(from), last = Math.floor(to);
    if (first === last) { opacity[start + first] += (to - from) * 255; return; }
    opacity[start + first] += (first + 1 - from) * 255;
    opacity.fill(255, start + first + 1, start + last);
    if (last < width) opacity[start + last] += (to - last) * 255;
  };
  const traces = samples.length / length;
  for (let trace = Math.ceil(Math.max(0, part.left - 1) / every) * every; trace < Math.min(traces, part.right + 1); trace += every) {
    const zero = (trace + 0.5 - part.left) * across, start = trace * length;
    const size = value => Math.max(-1.5, Math.min(1.5, value / clip)) * across * every;
    // Sample i is at i + 0.5, as a row of an image.
    const at = place => {
      const i = Math.max(0, Math.min(length - 1, Math.floor(place))), next = Math.min(length - 1, i + 1);
      return samples[start + i] + (samples[start + next] - samples[start + i]) * Math.max(0, Math.min(1, place - i));
    };
    for (let row = 0, low, high, end = at(part.first - 0.5); row < height; row++) {
      low = high = end;
      const from = part.first + row / down - 0.5, to = from + 1 / down;
      end = at(to);
      for (let i = Math.ceil(from); i < to && i < length; i++) if (i >= 0) {
        low = Math.min(low, samples[start + i]);
        high = Math.max(high, samples[start + i]);
      }
      low = size(Math.min(low, end));
      high = size(Math.max(high, end));
      if (high > 0) ink(row * width, zero, zero + high);
      ink(row * width, zero + low - pen, zero + high + pen);
    }
  }
  for (let i = 0; i < opacity.length; i++) image.data[4 * i + 3] = opacity[i];
  return image;
}
