// The card: what an image shows, group by group, and buttons by which a person states labels and sees the others move.
(() => {
  "use strict";
  const { h, Fragment } = preact;
  const { useState, useEffect, useMemo, useRef, useId } = preactHooks;
  const html = htm.bind(h);
  const { Space } = LatentLabels;

  const FEW = 5; // labels of a group, or free ones, that are shown before "show all"
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
  const quoted = (labels) => labels.map((label) => `“${label}”`);

  // One sentence of what an image shows: its sure labels, then its likely ones.
  function sentence(space, marginals) {
    const ranked = space.labels.map((label, k) => [label, marginals[k]]).sort((a, b) => b[1] - a[1]);
    const sure = ranked.filter(([, p]) => p >= 0.8).slice(0, 6).map(([label]) => label);
    const likely = ranked.filter(([, p]) => p >= 0.4 && p < 0.8).slice(0, 3).map(([label]) => label);
    if (sure.length && likely.length) return `Shows ${listed(sure)}, and probably ${listed(likely)}.`;
    if (sure.length) return `Shows ${listed(sure)}.`;
    if (likely.length) return `Probably shows ${listed(likely)}.`;
    return ranked.length ? `Nothing is likely; ${ranked[0][0]} comes first with ${percent(ranked[0][1])}.` : "";
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

  function Row({ label, text, p, ghost, value, fixed, mark, present, absent, why, onState, told }) {
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
    return html`<div class=${`ll-row ll-${state}${barred ? " ll-barred" : ""}${fixed ? " ll-fixed" : ""}`}>
      <button type="button" class="ll-main" aria-label=${name} aria-disabled=${fixed || (barred && forced) ? "true" : null}
        aria-describedby=${why ? note : null} aria-keyshortcuts="+ - Backspace"
        onClick=${() => set(nextValue(value, present, absent))} onKeyDown=${key}>
        <span class="ll-name">${text || label}${mark !== undefined && html` <span class="ll-mark" title="in the table of known labels">${mark ? "known" : "known absent"}</span>`}</span>
        <span class="ll-track" aria-hidden="true">
          ${moved && html`<span class="ll-ghost" style=${{ width: `${100 * ghost}%` }}></span>`}
          <span class="ll-fill" style=${{ width: `${100 * Math.min(1, p)}%` }}></span>
        </span>
        <span class="ll-percent">${percent(p)}</span>
        ${moved && html`<span class="ll-was" aria-hidden="true">${ghost < p ? "▲" : "▼"}<span class="ll-sr"> was </span>${percent(ghost)}</span>`}
      </button>
      <span class="ll-set" role="group" aria-label=${`What you know about ${text || label}`}>
        <button type="button" tabindex="-1" aria-label=${`${text || label} is present`} aria-pressed=${value === 1 ? "true" : "false"}
          title=${barred && why ? why : "present (+)"} aria-disabled=${fixed || !present ? "true" : null}
          onClick=${() => set(value === 1 ? -1 : 1)}>✓</button>
        <button type="button" tabindex="-1" aria-label=${`${text || label} is absent`} aria-pressed=${value === 0 ? "true" : "false"}
          title=${forced && why ? why : "absent (−)"} aria-disabled=${fixed || !absent ? "true" : null}
          onClick=${() => set(value === 0 ? -1 : 0)}>✕</button>
      </span>
      ${why && html`<span id=${note} class=${told ? "ll-sr" : "ll-why"}>${barred ? "Cannot be present: " : "Must be present: "}${why}.</span>`}
    </div>`;
  }

  const SHADES = 6;

  // A group as one bar: its labels side by side, "none of these", and what is left where the group does not apply.
  function Stack({ group, marginals, applies, focus }) {
    const parts = group.columns.map((k, place) => ({ text: group.labels[place], p: marginals[k], shade: place % SHADES }));
    const sum = parts.reduce((total, part) => total + part.p, 0);
    if (group.optional) parts.push({ text: group.none || "none of these", p: Math.max(0, applies - sum), none: true });
    return html`<span class="ll-stack">
      ${parts.map((part, place) => html`<span key=${place} class=${`ll-part ${part.none ? "ll-none" : `ll-shade${part.shade}`}${focus === place ? " ll-focus" : ""}`}
        style=${{ width: `${100 * Math.min(1, part.p)}%` }} title=${`${part.text} ${percent(part.p)}`}>
        ${part.p >= 0.14 && html`<span class="ll-in">${part.text}</span>`}</span>`)}
    </span>`;
  }

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
    return `where ${listed(labels, "or")}`;
  }

  // The rows of labels, in an order that stays while statements change; many of them behind a button.
  function Rows({ state, columns, more = FEW, search = false }) {
    const { space, base, after, ghost, said, fixed, marks, possible, onState, whyNot } = state;
    const [all, setAll] = useState(false), [text, setText] = useState("");
    const order = useMemo(() => columns.slice().sort((a, b) => base[b] - base[a]), [columns, base]);
    const matching = text ? order.filter((k) => space.labels[k].toLowerCase().includes(text.toLowerCase())) : order;
    const shown = all ? matching.slice(0, 500) : matching.filter((k, place) => place < more || said[space.labels[k]] !== undefined || marks[space.labels[k]] === 1);
    const facts = shown.map((k) => {
      const label = space.labels[k], value = said[label] === undefined ? -1 : said[label];
      const rest = value === -1 ? possible : space.possible(without(said, label));
      const present = rest ? rest.present[k] : true, absent = rest ? rest.absent[k] : true;
      const why = value !== -1 || !possible ? "" : !present ? whyNot(label, 1) : !absent ? whyNot(label, 0) : "";
      return { k, label, value, present, absent, why };
    });
    const reasons = new Set(facts.filter((one) => one.why && !one.present).map((one) => one.why));
    const shared = reasons.size === 1 && facts.filter((one) => one.why && !one.present).length > 1 ? [...reasons][0] : "";
    return html`<div class="ll-rows">
      ${search && columns.length > 20 && html`<input type="search" class="ll-search" placeholder=${`Search ${columns.length} labels`}
        aria-label=${`Search ${columns.length} labels`} value=${text} onInput=${(event) => setText(event.target.value)} />`}
      ${facts.map(({ k, label, value, present, absent, why }) => html`<${Fragment} key=${label}>
        <${Row} label=${label} p=${after[k]} ghost=${ghost ? ghost[k] : null} value=${value} fixed=${fixed[label] !== undefined} mark=${marks[label]}
          present=${present} absent=${absent} why=${why} told=${shared && why === shared} onState=${onState} />
        ${space.owner[k].group.kind === "free" && html`<${Children} state=${state} group=${space.owner[k].group} />`}
      <//>`)}
      ${shared && html`<p class="ll-why">The grey labels cannot be present: ${shared}.</p>`}
      ${text && !matching.length && html`<p class="ll-quiet">No label matches “${text}”.</p>`}
      ${matching.length > shown.length || all ? columns.length > more && html`<button type="button" class="ll-more" aria-expanded=${all ? "true" : "false"}
        onClick=${() => setAll(!all)}>${all ? "Show fewer" : `Show all ${matching.length}`}</button>` : null}
    </div>`;
  }

  function without(stated, label) {
    const { [label]: _, ...rest } = stated;
    return rest;
  }

  function Children({ state, group }) {
    if (!group.children.length) return null;
    return html`<div class="ll-below">${group.children.map((child) => html`<${Group} key=${child.name} state=${state} group=${child} />`)}</div>`;
  }

  // A group with what hangs below it, indented. It fades where it does not apply.
  function Group({ state, group }) {
    const { space, after, ghost, said, applies, ghostApplies } = state;
    const own = applies[group.number], faded = group.above && own < 0.5;
    const name = groupName(space, group), many = group.columns.length > 1 || group.kind !== "free";
    const top = group.columns.reduce((best, k) => (after[k] > after[best] ? k : best), group.columns[0]);
    const sum = group.columns.reduce((total, k) => total + after[k], 0);
    const none = group.optional ? Math.max(0, own - sum) : 0;
    const asked = group.columns.some((k) => said[space.labels[k]] !== undefined);
    const [open, setOpen] = useState(null); // null: by what the image shows
    const quiet = many && !asked && after[top] < 0.1 && !group.children.length;
    useEffect(() => { if (open === null && !quiet) setOpen(true); }, [quiet]); // what was open stays open
    const unfolded = open === null ? !quiet : open;
    const says = group.above && 1 - own > Math.max(after[top], none) ? "does not apply" : none > after[top] ? group.none || "none of these" : space.labels[top];
    return html`<section class=${`ll-group${faded ? " ll-faded" : ""}`} aria-label=${name}>
      ${many && html`<div class="ll-head"><h4>${quiet || open === false
        ? html`<button type="button" class="ll-fold" aria-expanded=${unfolded ? "true" : "false"} onClick=${() => setOpen(!unfolded)}>${name}</button>`
        : name}</h4><span class="ll-says">${says}</span></div>`}
      ${group.above && html`<p class="ll-where">${condition(space, group)}: applies with ${percent(own)}</p>`}
      ${many && html`<div class="ll-stacks" aria-hidden="true"><${Stack} group=${group} marginals=${after} applies=${own} />
        ${ghost && differs(group, ghost, after) && html`<div class="ll-old"><${Stack} group=${group} marginals=${ghost} applies=${ghostApplies[group.number]} /></div>`}
      </div>`}
      ${unfolded && html`<${Rows} state=${state} columns=${group.columns} search=${true} />`}
      ${group.kind !== "free" && html`<${Children} state=${state} group=${group} />`}
    </section>`;
  }

  const differs = (group, ghost, after) => group.columns.some((k) => Math.abs(ghost[k] - after[k]) >= SEEN);

  const REASONS = {
    independent: (names) => `${names} did not move: groups are independent given the image, and nothing you said is about ${names.includes(",") || names.includes(" and ") ? "them" : "it"}.`,
    settled: (names) => `${names} did not move: what you said is in the same group or above it, but the image had settled it already.`,
  };

  function names(space, unmoved, reason) {
    const groups = unmoved.filter((one) => one.reason === reason).map((one) => one.group);
    return groups.length > 4 ? `${groups.slice(0, 3).join(", ")} and ${groups.length - 3} more` : listed(groups);
  }

  // What the last statements did, in words; announced to screen readers.
  function Told({ state }) {
    const { space, base, after, stated, said, wrong, onClear } = state;
    const entries = Object.entries(stated);
    if (wrong) {
      return html`<div class="ll-told ll-wrong" role="alert"><p>These statements cannot all be true of one image.</p>
        <button type="button" class="ll-more" onClick=${onClear}>Clear them</button></div>`;
    }
    if (!entries.length) {
      return html`<div class="ll-told" role="status"><p class="ll-quiet">Say what you know: click a label once if it is present, twice if it is absent. The others move at once.</p></div>`;
    }
    const { moved, unmoved } = space.moved(base, after, stated);
    const others = moved.filter((one) => stated[one.label] === undefined).sort((a, b) => Math.abs(b.after - b.before) - Math.abs(a.after - a.before));
    return html`<div class="ll-told" role="status">
      <p>Given ${listed(entries.map(([label, value]) => (value ? `“${label}”` : `no “${label}”`)))}: ${others.length
        ? html`${others.slice(0, 4).map((one, place) => html`${place ? ", " : ""}<b>${one.label}</b> ${percent(one.before)} → ${percent(one.after)}`)}${others.length > 4 ? ` and ${others.length - 4} more moved.` : "."}`
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
    const [most, setMost] = useState(null);
    const loaded = (event) => setMost(4 * event.target.naturalWidth);
    return html`<figure class="ll-photo">
      ${src && html`<img src=${src} alt=${name} style=${{ maxWidth: most ? `min(100%, ${most}px)` : "100%" }} onLoad=${loaded} />`}
      <figcaption>${children}</figcaption></figure>`;
  }

  // The whole card.
  //
  // space: Space. image: what image_document gives. stated: {label: 1 or 0}. onStated: called with the new object.
  // answer: see useConditioned. marks: {label: 1 or 0} that a table says, shown and not conditioned on.
  function Card({ space, image, stated, onStated, answer = null, marks = {} }) {
    const found = useConditioned(space, image, stated, answer);
    const applies = useMemo(() => space.applies(found.after), [space, found.after]);
    const ghostApplies = useMemo(() => found.ghost && space.applies(found.ghost), [space, found.ghost]);
    const roots = useMemo(() => space.groups.filter((group) => !group.above), [space]);
    const free = useMemo(() => roots.filter((group) => group.kind === "free").flatMap((group) => group.columns), [roots]);
    const reasons = useMemo(() => new Map(), [space, found.said]);
    const whyNot = (label, value) => {
      const asked = `${value}${label}`;
      if (!reasons.has(asked)) reasons.set(asked, space.whyNot(found.said, label, value));
      return reasons.get(asked);
    };
    const onState = (label, value) => onStated(value === -1 ? without(stated, label) : { ...stated, [label]: value }, label, value);
    const state = { space, ...found, applies, ghostApplies, stated, marks, fixed: image.known, whyNot, onState, onClear: () => onStated({}) };
    return html`<div class="ll-card">
      <${Told} state=${state} />
      ${roots.filter((group) => group.kind !== "free").map((group) => html`<div class="ll-box" key=${group.name}><${Group} state=${state} group=${group} /></div>`)}
      ${free.length > 0 && html`<div class="ll-box"><section class="ll-group" aria-label="Labels of their own">
        <div class="ll-head"><h4>${free.length < space.labels.length ? "Other labels" : "Labels"}</h4></div>
        <${Rows} state=${state} columns=${free} more=${12} search=${true} /></section></div>`}
    </div>`;
  }

  globalThis.LatentLabels = { ...LatentLabels, Card, useConditioned, Photo, percent, sentence, listed, html };
})();
