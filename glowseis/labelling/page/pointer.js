// What the pointer does on the gather: drags, the wheel, and the value under it.

import {element} from "./controls.js";

// `tool` says what dragging does; `ended` is told of each drag.
export function watchPointer(view, tool, ended) {
  const canvas = view.canvas, place = event => {
    const box = canvas.getBoundingClientRect();
    return {x: event.clientX - box.left, y: event.clientY - box.top};
  };
  canvas.addEventListener("pointerdown", event => {
    if (event.button || !view.gather) return;
    canvas.setPointerCapture(event.pointerId);
    const from = place(event);
    view.drag = {from, to: from, tool: tool(), part: {...view.part}};
  });
  canvas.addEventListener("pointermove", event => {
    if (!view.gather) return;
    const to = place(event), {drag} = view;
    read(view, to);
    if (!drag) return;
    drag.to = to;
    if (drag.tool !== "move") return view.draw();
    const {box, gather} = view, {part, from} = drag;
    const across = (from.x - to.x) / box.width * (part.right - part.left), down = (from.y - to.y) / box.height * (part.last - part.first);
    if (gather) view.zoomTo({left: part.left + across, right: part.right + across, first: part.first + down, last: part.last + down});
    return null;
  });
  canvas.addEventListener("pointerup", () => {
    const {drag} = view;
    view.drag = null;
    if (drag) { ended(drag); view.draw(); }
  });
  canvas.addEventListener("pointercancel", () => { view.drag = null; view.draw(); });
  canvas.addEventListener("wheel", event => {
    if (!view.gather) return;
    event.preventDefault();
    const {x, y} = place(event);
    // With shift, browsers turn the wheel sideways.
    const turned = event.deltaY || event.deltaX;
    view.zoomAt(x, y, turned > 0 ? 1.25 : 0.8, {time: !event.shiftKey, traces: !event.altKey});
  }, {passive: false});
  canvas.addEventListener("dblclick", () => { view.whole(); view.draw(); });
}

function read(view, {x, y}) {
  const {gather} = view, {column, row} = view.at(x, y);
  const trace = Math.min(gather.traces - 1, Math.floor(column)), sample = Math.min(gather.samples - 1, Math.floor(row));
  const time = gather.interval_s ? `${(gather.start_s + sample * gather.interval_s).toFixed(3)} s` : `sample ${sample + 1}`;
  const offset = gather.offset_m[trace] === null ? "offset unknown" : `${gather.offset_m[trace]} m`;
  const value = gather.values[trace * gather.samples + sample] / gather.full_scale;
  const number = Math.round(gather.trace[trace]), channel = gather.channel[trace];
  const apart = channel && channel !== number ? ` (channel ${channel})` : "";
  element("readout").textContent = `${time}, trace ${number}${apart}, ${offset}, ${value.toFixed(2)} of the clip`;
}
