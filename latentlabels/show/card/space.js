// Exact conditioning on labels that a person states, in the browser: one pass up the forest of groups and one down.
//
// A group that hangs below outcomes of another one applies where that one has one of them; elsewhere all its labels are absent.
// Going up, each group sends the log of two sums over its own tree: of what is empty, and of what holds a label. The empty set may
// count less than the logits say (`emptyOdds`), so the two are kept apart; no sum is the difference of two.
(() => {
  "use strict";
  const NEVER = -Infinity;

  function logAdd(a, b) {
    const top = Math.max(a, b);
    return top === NEVER ? NEVER : top + Math.log1p(Math.exp(Math.min(a, b) - top));
  }
  const logSigmoid = (z) => (z < 0 ? z - Math.log1p(Math.exp(z)) : -Math.log1p(Math.exp(-z)));

  class Space {
    // document: what the Python function space_document gives.
    constructor(document) {
      this.labels = document.labels;
      this.groups = document.groups.map((given, number) => ({ ...given, number, children: [] }));
      this.order = document.order; // parents first
      this.column = new Map(this.labels.map((label, k) => [label, k]));
      this.owner = new Array(this.labels.length);
      for (const group of this.groups) {
        group.columns = group.labels.map((label) => this.column.get(label));
        group.columns.forEach((k, place) => { this.owner[k] = { group, place }; });
        group.size = group.labels.length; // outcome `size` is "none of these"
        if (!group.parent) continue;
        const above = this.groups[group.parent.group];
        const lets = new Set(group.parent.labels);
        group.above = above;
        group.lets = [...above.labels.map((label) => lets.has(label)), group.parent.none]; // by outcome of the group above
        above.children.push(group);
      }
      this.numLogits = this.groups.reduce((sum, group) => sum + group.size + (group.kind !== "free" && group.optional), 0);
      this.order.forEach((number) => {
        const group = this.groups[number];
        group.tree = group.above ? group.above.tree : number;
      });
    }

    // Whether one sum runs over all groups of an image, so that those of different trees depend on each other.
    shares(image) {
      const canBeEmpty = this.groups.every((group) => group.above || group.kind === "free" || group.optional);
      return image.components.length > 1 || (image.emptyOdds !== 1 && canBeEmpty);
    }

    // Log-probabilities of a group's outcomes given that it applies, "none of these" last.
    outcomes(group, logits) {
      const start = group.start;
      if (group.kind === "free") return [logSigmoid(logits[start]), logSigmoid(-logits[start])];
      const own = Array.from({ length: group.size }, (_, place) => logits[start + place]);
      own.push(group.optional ? logits[start + group.size] : NEVER);
      const top = own.reduce((most, z) => (z > most ? z : most), NEVER);
      const total = top + Math.log(own.reduce((sum, z) => sum + Math.exp(z - top), 0));
      return own.map((z) => z - total);
    }

    // One pass up. pins: Int8Array over labels, 1 present, 0 absent, -1 unknown.
    up(logits, pins) {
      const messages = new Array(this.groups.length);
      for (let n = this.order.length - 1; n >= 0; n--) {
        const group = this.groups[this.order[n]], size = group.size;
        const scores = this.outcomes(group, logits);
        let pinned = -1, many = false;
        group.columns.forEach((k, place) => {
          if (pins[k] === 1) { many = many || pinned >= 0; pinned = place; }
          if (pins[k] === 0) scores[place] = NEVER;
        });
        let needed = pinned >= 0;
        if (needed) for (let o = 0; o <= size; o++) if (o !== pinned || many) scores[o] = NEVER;
        const own = scores[size];
        let empty = own, before = own, some = NEVER; // of "none of these" with what hangs below it
        for (const child of group.children) {
          const sent = messages[child.number];
          needed = needed || sent.needed;
          for (let o = 0; o < size; o++) {
            scores[o] += child.lets[o] ? sent.total : sent.needed ? NEVER : 0;
          }
          if (child.lets[size]) { // the first of them that is not empty, and anything of those after it
            some = logAdd(some + sent.total, before + sent.some);
            before += sent.empty;
            empty += sent.empty;
          } else if (sent.needed) {
            some = empty = before = NEVER;
          }
        }
        scores[size] = logAdd(empty, some);
        for (let o = 0; o < size; o++) some = logAdd(some, scores[o]);
        messages[group.number] = { scores, empty, some, total: logAdd(empty, some), needed };
      }
      return messages;
    }

    // One image's forest given pins: log of the sum over label sets, and log p(label, pins) of each label.
    forest(logits, pins, logEmptyOdds) {
      const messages = this.up(logits, pins);
      let empty = 0, some = NEVER;
      for (const group of this.groups) {
        if (group.above) continue;
        const sent = messages[group.number];
        some = logAdd(some + sent.total, empty + sent.some);
        empty += sent.empty;
      }
      const base = logAdd(empty, some), total = logAdd(empty + logEmptyOdds, some);
      const joint = new Float64Array(this.labels.length).fill(NEVER), reach = new Array(this.groups.length);
      if (total === NEVER) return { total, joint };
      for (const number of this.order) {
        const group = this.groups[number], sent = messages[number];
        let log = base; // log of the sum over label sets in which the group applies
        if (group.above) {
          log = NEVER;
          const outer = messages[group.above.number];
          group.lets.forEach((lets, o) => { if (lets) log = logAdd(log, outer.scores[o]); });
          log += reach[group.above.number] - outer.total;
          if (Number.isNaN(log)) log = NEVER;
        }
        reach[number] = log;
        if (log === NEVER) continue;
        group.columns.forEach((k, place) => { joint[k] = log + sent.scores[place] - sent.total; });
      }
      return { total, joint };
    }

    // Pins of an object of labels, {label: 1 or 0}.
    pins(stated) {
      const out = new Int8Array(this.labels.length).fill(-1);
      for (const [label, value] of Object.entries(stated)) {
        const k = this.column.get(label);
        if (k === undefined) throw new RangeError(`the label space has no label "${label}"`);
        out[k] = value;
      }
      return out;
    }

    // The probability of each label given what is stated, or null where no label set of the image agrees.
    //
    // image: {components: [{weight, logits}], emptyOdds}, what the Python function image_document gives.
    condition(image, stated) {
      const pins = this.pins(stated), parts = image.components.map((one) => {
        const found = this.forest(one.logits.map(Number), pins, Math.log(image.emptyOdds));
        return { ...found, weight: Math.log(one.weight) };
      });
      const all = parts.reduce((sum, part) => logAdd(sum, part.weight + part.total), NEVER);
      if (all === NEVER || Number.isNaN(all)) return null;
      const marginals = new Float64Array(this.labels.length);
      for (const part of parts) {
        part.joint.forEach((log, k) => { marginals[k] += Math.exp(part.weight + log - all); });
      }
      return marginals.map((p) => Math.min(1, p));
    }

    // The probability that each group applies, of its labels' probabilities.
    applies(marginals) {
      const out = new Array(this.groups.length);
      for (const number of this.order) {
        const group = this.groups[number];
        out[number] = 1;
        if (!group.above) continue;
        const above = group.above;
        let p = 0, sum = 0;
        above.columns.forEach((k, place) => { sum += marginals[k]; if (group.lets[place]) p += marginals[k]; });
        if (group.lets[above.size]) p += out[above.number] - sum;
        out[number] = Math.max(0, Math.min(1, p));
      }
      return out;
    }

    // Which labels could still be present, and absent, beside what is stated; null if what is stated contradicts itself.
    possible(stated) {
      const sent = this.up(new Float64Array(this.numLogits), this.pins(stated));
      if (this.groups.some((group) => !group.above && sent[group.number].total === NEVER)) return null;
      const present = new Array(this.labels.length).fill(false), absent = present.slice();
      const reached = [], missed = []; // whether a group can apply, and can not apply
      for (const number of this.order) {
        const group = this.groups[number], scores = sent[number].scores;
        reached[number] = !group.above;
        missed[number] = false;
        if (group.above) {
          const outer = sent[group.above.number].scores, open = reached[group.above.number];
          reached[number] = open && outer.some((z, o) => z !== NEVER && group.lets[o]);
          missed[number] = missed[group.above.number] || (open && outer.some((z, o) => z !== NEVER && !group.lets[o]));
        }
        const left = scores.filter((z) => z !== NEVER).length;
        group.columns.forEach((k, place) => {
          const own = scores[place] !== NEVER;
          present[k] = reached[number] && own;
          absent[k] = missed[number] || (reached[number] && left > (own ? 1 : 0));
        });
      }
      return { present, absent };
    }

    // The fewest of the stated labels that bar one more statement, as [label, value]; null if nothing bars it.
    conflict(stated, label, value) {
      const rest = Object.entries(stated).filter(([other]) => other !== label);
      const bars = (some) => this.possible({ ...Object.fromEntries(some), [label]: value }) === null;
      if (!bars(rest)) return null;
      let kept = rest;
      for (const one of rest) {
        const fewer = kept.filter((other) => other !== one);
        if (bars(fewer)) kept = fewer;
      }
      return kept;
    }

    // The labels one of which a group needs, null if it needs none.
    needed(group) {
      return group.above && !group.parent.none && group.parent.labels.length <= 3 ? group.parent.labels : null;
    }

    // The same in words, "" if nothing bars it.
    whyNot(stated, label, value) {
      const kept = this.conflict(stated, label, value);
      if (kept === null) return "";
      const own = this.owner[this.column.get(label)].group;
      const present = kept.filter(([, v]) => v === 1).map(([other]) => other);
      const absent = kept.filter(([, v]) => v === 0).map(([other]) => other);
      if (value === 1) {
        if (present.length === 1 && !absent.length) {
          const other = present[0];
          if (own.labels.includes(other)) return `“${short(other)}” is present, and ${short(own.name)} has one label`;
          const needed = this.needed(own);
          if (needed && !needed.includes(other)) return `it needs ${either(needed)}, and “${short(other)}” is present`;
          return `“${short(other)}” is present, and the two cannot be together`;
        }
        if (absent.length && !present.length) return `it needs ${either(absent)}, which you said ${absent.length > 1 ? "are" : "is"} absent`;
      } else {
        if (present.length === 1 && !absent.length) return `“${short(present[0])}” is present and needs it`;
        if (absent.length && !present.length && absent.every((other) => own.labels.includes(other))) {
          return `${short(own.name)} always has a label, and all others are absent`;
        }
      }
      if (!kept.length) return value === 1 ? "no image can show it" : "every image shows it";
      return `it contradicts ${kept.map(([other, v]) => `“${short(other)}” ${v ? "present" : "absent"}`).join(", ")}`;
    }

    // What a change from one state to another moved, and what not, and why.
    //
    // reason: "independent" (no group that was stated is in its tree), "certain" (its own label is stated), "settled" (it hangs
    // together with a stated label, but the image had settled that), "shared" (not in its tree, but one sum runs over all groups).
    moved(before, after, stated, shared = false, least = 0.0005) {
      const trees = new Set(Object.keys(stated).map((label) => this.owner[this.column.get(label)].group.tree));
      const held = new Set(Object.keys(stated).map((label) => this.owner[this.column.get(label)].group.number));
      const moved = [], unmoved = [];
      for (const group of this.groups) {
        const own = group.columns.filter((k) => Math.abs(after[k] - before[k]) >= least);
        own.forEach((k) => moved.push({ label: this.labels[k], before: before[k], after: after[k] }));
        if (own.length) continue;
        const reason = held.has(group.number) ? "certain" : trees.has(group.tree) ? "settled" : shared ? "shared" : "independent";
        unmoved.push({ group: group.name, reason });
      }
      return { moved, unmoved };
    }
  }

  // A name that takes its place in a sentence, not the whole sentence.
  function short(name, most = 40) {
    const letters = [...name];
    return letters.length > most ? `${letters.slice(0, most - 1).join("").trimEnd()}…` : name;
  }

  function either(labels) {
    const quoted = labels.map((label) => `“${short(label)}”`);
    return quoted.length < 2 ? quoted.join("") : `${quoted.slice(0, -1).join(", ")} or ${quoted[quoted.length - 1]}`;
  }

  globalThis.LatentLabels = { ...globalThis.LatentLabels, Space, short };
})();
