// What is asked of the server, whose addresses follow the page's own, and the gathers that are kept.

const KEPT_GATHERS = 12;
const gathers = new Map();

// `again` says whether the same may be tried again.
export class Failed extends Error {
  constructor(message, again) {
    super(message);
    this.again = again;
  }
}

// The answer, read as `json` or `arrayBuffer`.
async function answer(path, given, as) {
  const asked = given && {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(given)};
  let reply;
  try { reply = await fetch(path, asked || {}); } catch {
    throw new Failed("glowseis label does not answer; is it still running? Start it again in the terminal and open the address that it prints.", true);
  }
  // A page of a server that ended is refused by the next one; what it could not save is for the page that this one serves.
  if (!reply.ok) throw new Failed((await reply.json().catch(() => ({}))).error ?? `The server says ${reply.status}.`, reply.status >= 500 || reply.status === 403);
  try { return await reply[as](); } catch {
    throw new Failed("The reply from glowseis label broke off; try again.", true);
  }
}

// A message as a sentence; names of files, gathers and commands stay as they are.
export const sentence = text => text && `${/^(?!glowseis )[a-z]+[ ,]/.test(text) ? text[0].toUpperCase() + text.slice(1) : text}${/[.!?…]$/.test(text) ? "" : "."}`;

export const ask = (path, given) => answer(path, given, "json");

// A gather with its samples; those asked for before are kept, the latest of them.
export function gatherOf(id, band) {
  const key = id + band, found = gathers.get(key) ?? fetched(id, band);
  gathers.delete(key);
  gathers.set(key, found);
  found.catch(() => gathers.delete(key));
  if (gathers.size > KEPT_GATHERS) gathers.delete(gathers.keys().next().value);
  return found;
}

// New marks of a gather, for each copy of it that is kept.
export function remark(id, marks) {
  for (const found of gathers.values()) found.then(gather => { if (gather.id === id) gather.marks = marks; }, () => {});
}

async function fetched(id, band) {
  const bytes = await answer(`gather/${id}${band}`, null, "arrayBuffer");
  const length = new DataView(bytes).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
  return {...head, band, values: new Int16Array(bytes, 4 + length)};
}
