// The card: what an image shows, group by group, and buttons by which a person states labels and sees the others move.
(() => {
  "use strict";
  const { h, Fragment } = preact;
  const { useState, useEffect, useMemo, useRef, useId } = preactHooks;
  const html = htm.bind(h);
  const { Space, short } = LatentLabels;

  const FEW = 5; // labels of a group, or free ones, that are shown before "show all"
  const CLEAR = 0.01; // labels of a group that are less probable are behind "show all", but for so many:
  const LEAST = 3;
  const MANY = 40; // labels from which on a card can be searched
  const LONG = 24; // characters of a name that gets a line of its own above its bar
  const SEEN = 0.0005; // a smaller move is none

  function percent(p) {
    if (!Number.isFinite(p)) return "–";
    if (p >= 1) return "100 %";
    if (p >= 0.9995) return ">99.9 %";
    if (p > 0 && p < 0.0005) return "<0.1 %";
    if (p === 0) return "0 %";
    return p < 0.0995 || p >= 0.995 ? `${(100 * p).toFixed(1)} %` : `${Math.round(100 * p)} %`;
  }

  function listed(words, and = "and") {
    return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} ${and} ${words[words.length - 1]}`;
  }
  const quoted = (labels) => labels.map((label) => `“${short(label)}”`);

  // Whether the page is being printed: then every row is drawn.
  function usePrinting() {
    const [printing, setPrinting] = useState(false);
    useEffect(() => {
      const on = { beforeprint: () => setPrinting(true), afterprint: () => setPrinting(false) };
      Object.entries(on).forEach(([name, act]) => addEventListener(name, act));
      return () => Object.entries(on).forEach(([name, act]) => removeEventListener(name, act));
    }, []);
    return printing;
  }

  // One sentence of what an image shows: its sure labels, then its likely ones.
  function sentence(space, marginals) {
    const ranked = space.labels.map((label, k) => [label, marginals[k]]).sort((a, b) => b[1] - a[1]);
    const sure = ranked.filter(([, p]) => p >= 0.8).slice(0, 6).map(([label]) => short(label));
    const likely = ranked.filter(([, p]) => p >= 0.4 && p < 0.8).slice(0, 3).map(([label]) => short(label));
    if (sure.length && likely.length) return `Shows ${listed(sure)}, and probably ${listed(likely)}.`;
    if (sure.length) return `Shows ${listed(sure)}.`;
    if (likely.length) return `Probably shows ${listed(likely)}.`;
    return ranked.length ? `Nothing is likely; ${short(ranked[0][0])} comes first with ${percent(ranked[0][1])}.` : "";
  }

  // What the labels of an image are, given the statements: marginals before and after, and what could still be stated.
  //
  // answer: marginals that a server worked out in place of the page ("picked by an annotator"), or null.
  function useConditioned(space, image, stated, answer) {
    const base = useMemo(() => image && space.condition(image, {}), [space, image]);
    const own = useMemo(() => image && space.condition(image, stated), [space, image, stated]);
    const after = answer || own;
    const said = useMemo(() => ({ ...(image ? image.known : {}), ...stated }), [image, stated]);
    const possible = useMemo(() => space.possible(said), [space, said]);
    const last = useRef({ image: null, shown: null, ghost: null });
    if (last.current.image !== image) last.current = { image, shown: after || base, ghost: null };
    else if (after && last.current.shown !== after) last.current = { image, shown: after, ghost: last.current.shown };
    return { base, after: after || base, ghost: last.current.ghost, said, possible, wrong: image && !after };
  }

  // How a statement changes by a click: unknown, present, absent, and back; what is impossible is passed over.
  function nextValue(value, present, absent) {
    const order = [-1, ...(present ? [1] : []), ...(absent ? [0] : [])];
    return order[(order.indexOf(value) + 1) % order.length];
  }

  // told: the reason is said elsewhere, so that only a screen reader hears it here. shade: its colour in the bar of its group.
  function Row({ label, text, p, ghost, value, fixed, mark, present, absent, why, onState, told, shade, only }) {
    const note = useId();
    const barred = value === -1 && !present; // it can only be absent
    const forced = value === -1 && !absent;
    const state = value === 1 ? "present" : value === 0 ? "absent" : "unknown";
    const name = `${text || label}: ${percent(p)}, ${fixed ? `known ${state}` : state}${mark === undefined ? "" : mark ? ", known in the table" : ", known absent in the table"}${barred ? ", cannot be present" : ""}`;
    const set = (to) => {
      if (fixed || (to === 1 && !present) || (to === 0 && !absent)) return;
      onState(label, to);
    };
    const key = (event) => {
      const to = { "+": 1, p: 1, "-": 0, a: 0, Backspace: -1, Delete: -1, u: -1 }[event.key];
      if (to !== undefined && !event.ctrlKey && !event.metaKey && !event.altKey) {
        event.preventDefault();
        event.stopPropagation();
        set(to);
      }
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        const all = [...event.currentTarget.closest(".ll-card").querySelectorAll(".ll-main")];
        const to = all[all.indexOf(event.currentTarget) + (event.key === "ArrowDown" ? 1 : -1)];
        if (to) { event.preventDefault(); event.stopPropagation(); to.focus(); }
      }
    };
    const moved = ghost !== null && Math.abs(ghost - p) >= SEEN;
    const long = [...(text || label)].length > LONG;
    return html`<div class=${`ll-row ll-${state}${long ? " ll-long" : ""}${barred ? " ll-barred" : ""}${fixed ? " ll-fixed" : ""}`}>
      <button type="button" class="ll-main" aria-label=${name} aria-disabled=${fixed || (barred && forced) ? "true" : null}
        aria-describedby=${why ? note : null} aria-keyshortcuts="+ - Backspace"
        onClick=${() => set(nextValue(value, present, absent))} onKeyDown=${key}>
        <span class="ll-name" dir="auto" ...${long ? { title: text || label } : {}}>${shade && html`<i class=${`ll-dot ${shade}`}></i>`}${text || label}${mark !== undefined && html` <span class="ll-mark" title="in the table of known labels">${mark ? "known" : "known absent"}</span>`}</span>
        <span class="ll-track" aria-hidden="true">
          ${moved && html`<span class="ll-ghost" style=${{ width: `${100 * ghost}%` }}></span>`}
          <span class="ll-fill" style=${{ width: `${100 * Math.min(1, p)}%` }}></span>
          ${moved && ghost < p && html`<span class="ll-then" style=${{ left: `${100 * ghost}%` }}></span>`}
        </span>
        <span class="ll-percent">${percent(p)}</span>
        ${moved && html`<span class="ll-was" aria-hidden="true">${ghost < p ? "▲" : "▼"} ${percent(ghost)}</span>`}
      </button>
      <span class="ll-set" role="group" aria-label=${`What you know about ${text || label}`}>
        <button type="button" tabindex="-1" aria-label=${`${text || label} is present`} aria-pressed=${value === 1 ? "true" : "false"}
          title=${barred && why ? why : "present (+)"} aria-disabled=${fixed || !present ? "true" : null}
          onClick=${() => set(value === 1 ? -1 : 1)}>✓</button>
        ${!only && html`<button type="button" tabindex="-1" aria-label=${`${text || label} is absent`} aria-pressed=${value === 0 ? "true" : "false"}
          title=${forced && why ? why : "absent (−)"} aria-disabled=${fixed || !absent ? "true" : null}
          onClick=${() => set(value === 0 ? -1 : 0)}>✕</button>`}
      </span>
      ${why && html`<span id=${note} class=${told ? "ll-sr" : "ll-why"}>${barred ? "Cannot be present: " : "Must be present: "}${why}.</span>`}
    </div>`;
  }

  const SHADES = 6;

  // The colour of each label of a group, the likeliest first, so that those that fill a bar can be told apart.
  function useShades(group, base) {
    return useMemo(() => {
      const order = group.columns.slice().sort((a, b) => base[b] - base[a]);
      return new Map(order.map((k, rank) => [k, rank < SHADES ? `ll-shade${rank}` : "ll-rest"]));
    }, [group, base]);
  }

  // A group as one bar: its labels side by side, "none of these", and what is left where the group does not apply.
  function Stack({ group, marginals, applies, shades }) {
    const parts = group.columns.map((k, place) => ({ text: group.labels[place], p: marginals[k], shade: shades.get(k) }));
    const sum = parts.reduce((total, part) => total + part.p, 0);
    if (group.optional) parts.push({ text: group.none || NONE, p: Math.max(0, applies - sum), shade: "ll-none" });
    return html`<span class="ll-stack">
      ${parts.map((part, place) => html`<span key=${place} class=${`ll-part ${part.shade}`}
        style=${{ width: `${100 * Math.min(1, part.p)}%` }} title=${`${part.text} ${percent(part.p)}`}>
        ${part.p >= 0.14 && html`<span class="ll-in">${part.text}</span>`}</span>`)}
    </span>`;
  }

  const NONE = "none of these";

  function groupName(space, group) {
    return group.kind === "free" ? group.labels[0] : group.name;
  }

  function condition(space, group) {
    if (!group.above) return "";
    const labels = quoted(group.parent.labels);
    if (group.parent.none) {
      const barring = group.above.labels.filter((label) => !group.parent.labels.includes(label));
      return barring.length > 3 ? `without any of ${barring.length} labels` : `without ${listed(quoted(barring), "or")}`;
    }
    return `with ${listed(labels, "or")}`;
  }

  // The rows of labels, in an order that stays while statements change; many of them behind a button.
  //
  // shades: of a group's labels. group: the group they are all of, whose "none of these" has a row of its own.
  function Rows({ state, columns, more = FEW, shades = null, group = null, outer = "" }) {
    const { space, base, after, ghost, said, fixed, marks, possible, onState, whyNot, find, printing } = state;
    const [all, setAll] = useState(false), [text, setText] = useState("");
    const order = useMemo(() => columns.slice().sort((a, b) => base[b] - base[a]), [columns, base]);
    const wanted = find && !(group && holds(group.name, find)) ? order.filter((k) => holds(space.labels[k], find) || below(space, k).some((child) => found(child, find))) : order;
    const matching = text ? wanted.filter((k) => holds(space.labels[k], text)) : wanted;
    const none = group && group.optional && group.kind !== "free" && !text;
    const empty = none && group.labels.every((label) => said[label] === 0);
    const shown = printing ? matching : all || find ? matching.slice(0, 500)
      : matching.filter((k, place) => (place < more && (!group || place < LEAST || Math.max(base[k], after[k]) >= CLEAR)) || (said[space.labels[k]] !== undefined && !empty) || said[space.labels[k]] === 1 || marks[space.labels[k]] === 1);
    const facts = shown.map((k) => {
      const label = space.labels[k], value = said[label] === undefined ? -1 : said[label];
      const rest = value === -1 ? possible : space.possible(without(said, label));
      const present = rest ? rest.present[k] : true, absent = rest ? rest.absent[k] : true;
      const why = value !== -1 || !possible ? "" : !present ? whyNot(label, 1) : !absent ? whyNot(label, 0) : "";
      return { k, label, value, present, absent, why };
    });
    const reasons = new Set(facts.filter((one) => one.why && !one.present).map((one) => one.why));
    const shared = reasons.size === 1 && (outer || facts.filter((one) => one.why && !one.present).length > 1) ? [...reasons][0] : "";
    return html`<div class="ll-rows">
      ${columns.length > 20 && !find && html`<input type="search" class="ll-search" placeholder=${`Search ${columns.length} labels`}
        aria-label=${`Search ${columns.length} labels`} value=${text} onInput=${(event) => setText(event.target.value)} />`}
      ${facts.map(({ k, label, value, present, absent, why }) => html`<${Fragment} key=${label}>
        <${Row} label=${label} p=${after[k]} ghost=${ghost ? ghost[k] : null} value=${value} fixed=${fixed[label] !== undefined} mark=${marks[label]}
          present=${present} absent=${absent} why=${why} told=${shared && why === shared} shade=${shades && columns.length > 1 && shades.get(k)} onState=${onState} />
        ${space.owner[k].group.kind === "free" && html`<${Children} state=${state} group=${space.owner[k].group} outer=${why || outer} />`}
      <//>`)}
      ${none && html`<${None} state=${state} group=${group} empty=${empty} outer=${shared || outer} />`}
      ${shared && shared !== outer && html`<p class="ll-why">The grey labels cannot be present: ${shared}.</p>`}
      ${text && !matching.length && html`<p class="ll-quiet">No label matches “${text}”.</p>`}
      ${(matching.length > shown.length || all) && !printing && !find ? columns.length > (group ? LEAST : more) && html`<button type="button" class="ll-more" aria-expanded=${all ? "true" : "false"}
        onClick=${() => setAll(!all)}>${all ? "Show fewer" : `Show all ${matching.length}`}</button>` : null}
    </div>`;
  }

  const holds = (name, text) => name.toLowerCase().includes(text.toLowerCase());
  const found = (group, text) => !text || holds(group.name, text) || group.labels.some((label) => holds(label, text)) || group.children.some((child) => found(child, text));
  const below = (space, k) => (space.owner[k].group.kind === "free" ? space.owner[k].group.children : []);

  // "None of these": that all labels of an optional group are absent, by one click.
  function None({ state, group, empty, outer }) {
    const { space, after, ghost, said, fixed, applies, ghostApplies, possible, onMany } = state;
    const rest = (marginals, whole) => Math.max(0, whole[group.number] - group.columns.reduce((sum, k) => sum + marginals[k], 0));
    const stated = group.labels.find((label) => said[label] === 1);
    const could = empty || (possible && !stated && space.possible({ ...said, ...all(group, 0) }) !== null && after !== null && applies[group.number] > 0);
    const why = could || !possible ? "" : stated ? `“${short(stated)}” is present` : outer || "a label is required";
    const set = (label, value) => (value === 0 ? null : onMany(all(group, value === 1 ? 0 : -1)));
    return html`<${Row} label=${group.none || NONE} p=${rest(after, applies)} ghost=${ghost ? rest(ghost, ghostApplies) : null} value=${empty ? 1 : -1}
      fixed=${group.labels.every((label) => fixed[label] !== undefined)} present=${could} absent=${!could} why=${why} told=${true} shade="ll-none" only=${true} onState=${set} />`;
  }

  const all = (group, value) => Object.fromEntries(group.labels.map((label) => [label, value]));

  function without(stated, label) {
    const { [label]: _, ...rest } = stated;
    return rest;
  }

  function Children({ state, group, outer = "" }) {
    const shown = group.children.filter((child) => found(child, state.find) || holds(group.name, state.find));
    if (!shown.length) return null;
    return html`<div class="ll-below">${shown.map((child) => html`<${Group} key=${child.name} state=${state} group=${child} outer=${outer} />`)}</div>`;
  }

  // The one reason for which no label of a group can be present, "" if some can.
  function barredBy(state, group) {
    const { space, possible, said, whyNot } = state;
    if (!possible || group.columns.some((k) => possible.present[k] || said[space.labels[k]] !== undefined)) return "";
    const reasons = new Set(group.labels.map((label) => whyNot(label, 1)));
    return reasons.size === 1 ? [...reasons][0] : "";
  }

  // A group with what hangs below it, indented. It fades where it does not apply.
  function Group({ state, group, outer = "" }) {
    const { space, base, after, ghost, said, applies, ghostApplies, find, printing } = state;
    const shades = useShades(group, base), reason = barredBy(state, group);
    const own = applies[group.number], faded = group.above && own < 0.5;
    const name = groupName(space, group), many = group.columns.length > 1 || group.kind !== "free";
    const top = group.columns.reduce((best, k) => (after[k] > after[best] ? k : best), group.columns[0]);
    const sum = group.columns.reduce((total, k) => total + after[k], 0);
    const none = group.optional ? Math.max(0, own - sum) : 0;
    const asked = group.columns.some((k) => said[space.labels[k]] !== undefined);
    const [open, setOpen] = useState(null); // null: by what the image shows
    const quiet = many && !asked && after[top] < 0.1 && !group.children.length;
    useEffect(() => { if (open === null && !quiet) setOpen(true); }, [quiet]); // what was open stays open
    const unfolded = printing || find ? true : open === null ? !quiet : open;
    const says = group.above && 1 - own > Math.max(after[top], none) ? "does not apply" : none > after[top] ? group.none || NONE : space.labels[top];
    return html`<section class=${`ll-group${faded ? " ll-faded" : ""}`} aria-label=${name}>
      ${many && html`<div class="ll-head"><h4 dir="auto">${quiet || open === false
        ? html`<button type="button" class="ll-fold" aria-expanded=${unfolded ? "true" : "false"} onClick=${() => setOpen(!unfolded)}>${name}</button>`
        : name}</h4><span class="ll-says" dir="auto">${short(says)}</span></div>`}
      ${group.above && html`<p class="ll-where">Applies ${condition(space, group)}: ${percent(own)}</p>`}
      ${many && html`<div class="ll-stacks" aria-hidden="true"><${Stack} group=${group} marginals=${after} applies=${own} shades=${shades} />
        ${ghost && differs(group, ghost, after) && html`<div class="ll-old"><${Stack} group=${group} marginals=${ghost} applies=${ghostApplies[group.number]} shades=${shades} /></div>`}
      </div>`}
      ${unfolded && html`<${Rows} state=${state} columns=${group.columns} shades=${shades} group=${group} outer=${outer} />`}
      ${group.kind !== "free" && html`<${Children} state=${state} group=${group} outer=${reason || outer} />`}
    </section>`;
  }

  const differs = (group, ghost, after) => group.columns.some((k) => Math.abs(ghost[k] - after[k]) >= SEEN);

  const REASONS = {
    independent: (names) => `${names} did not move: groups are independent given the image, and nothing you said is about ${names.includes(",") || names.includes(" and ") ? "them" : "it"}.`,
    shared: (names) => `${names} hardly moved: what you said is about other groups.`,
    settled: (names) => `${names} did not move: what you said is in the same group or above it, but the image had settled it already.`,
  };

  function names(space, unmoved, reason) {
    const groups = unmoved.filter((one) => one.reason === reason).map((one) => short(one.group));
    return groups.length > 4 ? `${groups.slice(0, 3).join(", ")} and ${groups.length - 3} more` : listed(groups);
  }

  // The statements in words, a group without a label as one.
  function said(space, stated) {
    const out = [], done = new Set();
    for (const [label, value] of Object.entries(stated)) {
      const { group } = space.owner[space.column.get(label)];
      if (done.has(group)) continue;
      if (group.size > 1 && group.labels.every((own) => stated[own] === 0)) {
        done.add(group);
        out.push(group.none ? `“${short(group.none)}”` : `no ${short(group.name)}`);
      } else {
        out.push(value ? `“${short(label)}”` : `no “${short(label)}”`);
      }
    }
    return out.length > 6 ? `${out.slice(0, 5).join(", ")} and ${out.length - 5} more` : listed(out);
  }

  // What the last statements did, in words; announced to screen readers.
  function Told({ state }) {
    const { space, base, after, stated, wrong, shared, onClear } = state;
    const entries = Object.keys(stated);
    if (wrong) {
      return html`<div class="ll-told ll-wrong" role="alert"><p>These statements cannot all be true of one image.</p>
        <button type="button" class="ll-more" onClick=${onClear}>Clear them</button></div>`;
    }
    if (!entries.length) {
      return html`<div class="ll-told" role="status"><p class="ll-quiet">Say what you know: click a label once if it is present, twice if it is absent. The others move at once.</p></div>`;
    }
    const { moved, unmoved } = space.moved(base, after, stated, shared);
    const others = moved.filter((one) => stated[one.label] === undefined).sort((a, b) => Math.abs(b.after - b.before) - Math.abs(a.after - a.before));
    return html`<div class="ll-told" role="status">
      <p>Given ${said(space, stated)}: ${others.length
        ? html`${others.slice(0, 4).map((one, place) => html`${place ? ", " : ""}<b>${short(one.label)}</b> ${percent(one.before)} → ${percent(one.after)}`)}${others.length > 4 ? ` and ${others.length - 4} more moved.` : "."}`
        : "no other label moved."}</p>
      ${Object.keys(REASONS).map((reason) => {
        const found = names(space, unmoved, reason);
        return found && html`<p class="ll-quiet" key=${reason}>${REASONS[reason](found)}</p>`;
      })}
      <button type="button" class="ll-more" onClick=${onClear}>Clear what I said</button>
    </div>`;
  }

  // A picture with its caption; a small one is not blown up beyond four times its size.
  function Photo({ src, name, children }) {
    const [most, setMost] = useState(null), [missing, setMissing] = useState(false);
    const loaded = (event) => setMost(4 * event.target.naturalWidth);
    return html`<figure class="ll-photo">
      ${src && !missing && html`<img src=${src} alt=${name} style=${{ maxWidth: most ? `min(100%, ${most}px)` : "100%" }} onLoad=${loaded} onError=${() => setMissing(true)} />`}
      ${missing && html`<p class="ll-missing">This picture cannot be shown.</p>`}
      <figcaption>${children}</figcaption></figure>`;
  }

  // The whole card.
  //
  // space: Space. image: what image_document gives. stated: {label: 1 or 0}. onStated: called with the new object.
  // answer: see useConditioned. marks: {label: 1 or 0} that a table says, shown and not conditioned on.
  function Card({ space, image, stated, onStated, answer = null, marks = {} }) {
    const given = useConditioned(space, image, stated, answer), printing = usePrinting(), [find, setFind] = useState("");
    const applies = useMemo(() => space.applies(given.after), [space, given.after]);
    const ghostApplies = useMemo(() => given.ghost && space.applies(given.ghost), [space, given.ghost]);
    const roots = useMemo(() => space.groups.filter((group) => !group.above), [space]);
    const free = useMemo(() => roots.filter((group) => group.kind === "free").flatMap((group) => group.columns), [roots]);
    const reasons = useMemo(() => new Map(), [space, given.said]);
    const whyNot = (label, value) => {
      const asked = `${value}${label}`;
      if (!reasons.has(asked)) reasons.set(asked, space.whyNot(given.said, label, value));
      return reasons.get(asked);
    };
    const onState = (label, value) => onStated(value === -1 ? without(stated, label) : { ...stated, [label]: value }, label, value);
    const onMany = (values) => onStated(Object.fromEntries(Object.entries({ ...stated, ...values }).filter(([label, value]) => value !== -1 && image.known[label] === undefined)));
    const shared = answer !== null || space.shares(image);
    const state = { space, ...given, applies, ghostApplies, stated, marks, shared, find, printing, fixed: image.known, whyNot, onState, onMany, onClear: () => onStated({}) };
    const ones = free.filter((k) => found(space.owner[k].group, find));
    const groups = roots.filter((group) => group.kind !== "free" && found(group, find));
    return html`<div class="ll-card">
      <${Told} state=${state} />
      ${space.labels.length > MANY && html`<input type="search" class="ll-search ll-find" placeholder=${`Find one of ${space.labels.length.toLocaleString("en")} labels`} aria-label="Find a label" value=${find} onInput=${(event) => setFind(event.target.value.trim())} />`}
      ${find && !groups.length && !ones.length && html`<p class="ll-quiet" role="status">No label and no group matches “${find}”.</p>`}
      ${groups.map((group) => html`<div class="ll-box" key=${group.name}><${Group} state=${state} group=${group} /></div>`)}
      ${ones.length > 0 && html`<div class="ll-box"><section class="ll-group" aria-label="Labels of their own">
        <div class="ll-head"><h4>${free.length < space.labels.length ? "Other labels" : "Labels"}</h4></div>
        <${Rows} state=${state} columns=${free} more=${12} /></section></div>`}
    </div>`;
  }

  globalThis.LatentLabels = { ...LatentLabels, Card, useConditioned, Photo, percent, sentence, listed, html };
})();
