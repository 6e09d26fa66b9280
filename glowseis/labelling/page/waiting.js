// What is not on disk yet. The tab keeps it, and offers it only for the same survey, judge and file of labels.

const KEPT = "glowseis-label-waiting ";

const worded = ({path, given: {gather_id: id, label, first, last, kind}}) =>
  path === "label" ? `${label} for ${id}` : `${kind || "no mark"}, traces ${first} to ${last} of ${id}`;

export const notSaved = all => `Not saved: ${all.map(worded).join("; ")}.`;

export class Waiting {
  all = [];

  // Take up what the tab kept for this page; a line on each other page for which it kept some.
  open({work, judge, survey, labels}) {
    Object.assign(this, {key: KEPT + work, owner: {judge, survey, labels}});
    const lines = [];
    for (const key of Object.keys(sessionStorage).filter(any => any.startsWith(KEPT))) {
      const {owner, all} = JSON.parse(sessionStorage.getItem(key));
      if (key === this.key) this.all = all;
      else if (JSON.stringify(owner) === JSON.stringify(this.owner)) {
        // What was seen then may be another gather now.
        sessionStorage.removeItem(key);
        lines.push(`${notSaved(all)} ${survey} has been rebuilt since, so judge it again.`);
      } else lines.push(`${notSaved(all)} It belongs to ${owner.judge}'s labels of ${owner.survey}, and is offered on that page.`);
    }
    return lines.join(" ");
  }

  // A label replaces an earlier one of the same gather that waits.
  add(one) {
    if (one.path === "label") this.all = this.all.filter(({path, given}) => path !== "label" || given.gather_id !== one.given.gather_id);
    this.all.push(one);
    this.keep();
  }

  remove(one) {
    this.all = this.all.filter(other => other !== one);
    this.keep();
  }

  keep() {
    if (this.all.length) sessionStorage.setItem(this.key, JSON.stringify({owner: this.owner, all: this.all}));
    else sessionStorage.removeItem(this.key);
  }
}
