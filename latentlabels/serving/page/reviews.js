// Three more views: known labels that may be wrong, the images of a label, and images to label completely.
(() => {
  "use strict";
  const { useState, useEffect, useMemo } = preactHooks;
  const { html, Api, Keys, Photo, Thumb, percent } = LatentLabels;

  function useFetched(path, given, again) {
    const [found, setFound] = useState(null), [error, setError] = useState("");
    useEffect(() => {
      const abort = new AbortController();
      setFound(null);
      setError("");
      Api.get(path, given, abort.signal).then(setFound).catch((problem) => { if (problem.name !== "AbortError") setError(problem.message); });
      return () => abort.abort();
    }, [path, JSON.stringify(given), again]);
    return [found, error];
  }

  function Waiting({ error }) {
    return error ? html`<p class="problem" role="alert">${error}</p>` : html`<p class="ll-quiet">Loading…</p>`;
  }

  // The label of the same group that the model says in place of a known one; null where there is none.
  function rivalOf(space, one) {
    const group = one && space.owner[space.column.get(one.label)].group;
    return one && one.value && one.instead && one.instead !== one.label && group.labels.includes(one.instead) ? one.instead : null;
  }

  const number = (value) => (value < 10 ? Math.round(10 * value) / 10 : Math.round(value)).toLocaleString("en");

  function Mistakes({ space, onSaved, onImage }) {
    const [found, error] = useFetched("/v1/mistakes", {}, 0);
    const [place, setPlace] = useState(0), [decided, setDecided] = useState({}), [problem, setProblem] = useState("");
    if (!found) return html`<div class="view"><${Waiting} error=${error} /></div>`;
    const all = found.mistakes, one = all[place];
    const rival = rivalOf(space, one), absent = one && `no ${one.label}`;
    const says = rival || (one && (one.value ? absent : one.label));
    const decide = async (decision) => {
      if (!one) return;
      const stays = { label: one.label, value: one.value };
      const change = rival ? { group: space.owner[space.column.get(one.label)].group.name, value: rival } : { label: one.label, value: 1 - one.value };
      const body = decision === "keep" ? stays : decision === "change" ? change : { label: one.label, value: null };
      try {
        await Api.post("/v1/answers", { image: one.image, ...body, kind: "mistake", decision });
        setDecided({ ...decided, [place]: decision });
        setProblem("");
        setPlace(Math.min(place + 1, all.length - 1));
        onSaved(decision !== "unsure");
      } catch (refused) { setProblem(`Not saved: ${refused.message}`); }
    };
    const range = `between ${number(found.low)} and ${number(found.high)}`;
    return html`<div class="view">
      <h2>Possible mistakes</h2>
      <p>${!found.can_tell ? html`<b>Cannot tell.</b> ${found.reason}` : all.length && !found.unseen ? html`The model finds these ${all.length} known labels less likely than not, although it was trained on them. Run <code>latentlabels mistakes RUN</code> to judge every label by fits that have not seen its image.` : all.length ? html`About <b>${number(found.expected)}</b> of the known labels are expected to be wrong (${range}). These ${all.length} are the most suspicious.` : "No known label looks wrong."}</p>
      ${one && html`<div class="review">
        <${Keys} keys=${{ k: () => decide("keep"), c: () => decide("change"), u: () => decide("unsure"), arrowdown: () => setPlace(Math.min(place + 1, all.length - 1)), arrowup: () => setPlace(Math.max(place - 1, 0)) }} />
        <${Photo} key=${one.image} src=${Api.picture(one.image, 1024)} name=${one.name}>
            <p class="ll-sentence">Known as <b>${one.value ? one.label : absent}</b>, which the model gives ${percent(one.probability)}.${one.instead && (found.unseen || rival) ? html` It says <b>${one.instead}</b> (${percent(one.instead_probability)}).` : ""}</p>
            <p class="ll-quiet"><button type="button" class="ll-more flush" onClick=${() => onImage(one.image)}>${one.name}</button></p>
            <div class="choices">
              <button type="button" class="choice" onClick=${() => decide("keep")}>keep “${one.value ? one.label : absent}” <kbd>K</kbd></button>
              <button type="button" class="choice" onClick=${() => decide("change")}>change to “${says}” <kbd>C</kbd></button>
              <button type="button" class="choice plain" onClick=${() => decide("unsure")}>unsure <kbd>U</kbd></button>
            </div>
            ${problem && html`<p class="problem" role="alert">${problem}</p>`}
          <//>
        <ol class="suspects" aria-label="Possible mistakes">
          ${all.slice(0, 300).map((other, row) => html`<li key=${row}><button type="button" aria-pressed=${row === place ? "true" : "false"} onClick=${() => setPlace(row)}>
            <${Thumb} key=${other.image} id=${other.image} />
            <span>${!Api.picture(other.image, 96) && html`<span class="ll-quiet">${other.name}</span><br />`}<b>${other.value ? other.label : `no ${other.label}`}</b> ${percent(other.probability)}${other.instead && (found.unseen || rivalOf(space, other)) ? html`<br /><span class="ll-quiet">${other.instead} ${percent(other.instead_probability)}</span>` : ""}</span>
            ${decided[row] && html`<span class="ll-quiet done">${{ keep: "kept", change: "changed", unsure: "unsure" }[decided[row]]}</span>`}</button></li>`)}
        </ol></div>`}
    </div>`;
  }

  const WHICH = [["likely", "Most likely"], ["borderline", "Borderline"], ["wrong", "Wrong"]];

  const SIDES = [["images", "Images of a label"], ["confusion", "Confusion within groups"]];

  function Labels({ space, onImage }) {
    const [side, setSide] = useState("images"), grouped = space.groups.some((group) => group.size > 1);
    return html`<div class="view">
      <div class="view-head"><h2>Labels</h2>
        ${grouped && html`<div class="tabs" role="group" aria-label="What to show">${SIDES.map(([value, text]) => html`<button type="button" key=${value} aria-pressed=${value === side ? "true" : "false"} onClick=${() => setSide(value)}>${text}</button>`)}</div>`}</div>
      ${side === "images" ? html`<${ByLabel} onImage=${onImage} />` : html`<${Confusion} onImage=${onImage} />`}
    </div>`;
  }

  function ByLabel({ onImage }) {
    const [found, error] = useFetched("/v1/labels", {}, 0);
    const [search, setSearch] = useState(""), [label, setLabel] = useState(null), [which, setWhich] = useState("likely");
    const rows = useMemo(() => (found ? found.labels.filter((one) => one.label.toLowerCase().includes(search.toLowerCase()) || one.group.toLowerCase().includes(search.toLowerCase())) : []), [found, search]);
    const shown = label || (found && found.labels.length ? found.labels[0].label : null);
    if (!found) return html`<${Waiting} error=${error} />`;
    return html`<div class="labels">
        <div class="choose">
          <input type="search" aria-label="Search labels" placeholder=${`Search ${found.labels.length} labels`} value=${search} onInput=${(event) => setSearch(event.target.value)} />
          <ul aria-label="Labels">${rows.slice(0, 400).map((one) => html`<li key=${one.label}><button type="button" aria-pressed=${one.label === shown ? "true" : "false"} onClick=${() => setLabel(one.label)}>
            <span>${one.label}${one.group !== one.label ? html` <span class="ll-quiet">${one.group}</span>` : ""}</span>
            <span class="ll-quiet figure">${one.prevalence === null ? "" : percent(one.prevalence)}</span></button></li>`)}</ul>
          ${rows.length > 400 && html`<p class="ll-quiet small">${rows.length - 400} more; search for them.</p>`}
        </div>
        ${shown && html`<${Shown} key=${shown + which} label=${shown} which=${which} setWhich=${setWhich} known=${found.labels.find((one) => one.label === shown).known} onImage=${onImage} />`}
      </div>`;
  }

  // Images side by side, each with the probability of what is asked for.
  function Sheet({ images, onImage }) {
    return html`<div class="sheet-of">${images.map((image) => html`<button type="button" key=${image.id} title=${image.name} onClick=${() => onImage(image.id)}>
      <span class="of"><span class="under">${image.name}</span><${Thumb} id=${image.id} size=${320} alt=${image.name} /></span><span class="ll-quiet">${image.top.length ? percent(image.top[0][1]) : image.name}</span></button>`)}</div>`;
  }

  const WHOLE = 20; // outcomes of a group that is drawn as a table

  // How often the model finds one label of a group likeliest where another one is known; each count leads to its images.
  function Confusion({ onImage }) {
    const [found, error] = useFetched("/v1/confusion", {}, 0);
    const [name, setName] = useState(null), [cell, setCell] = useState(null);
    if (!found) return html`<${Waiting} error=${error} />`;
    const wrong = (group) => group.cells.reduce((sum, one) => sum + (one.known === one.shown ? 0 : one.count), 0);
    const group = found.groups.find((one) => one.group === name) || found.groups.reduce((best, one) => (wrong(one) > wrong(best) ? one : best));
    const total = group.cells.reduce((sum, one) => sum + one.count, 0), worst = group.cells.filter((one) => one.known !== one.shown);
    const open = cell || worst[0] || null;
    const choose = (one) => { setName(group.group); setCell(one); };
    const number = (one) => `${one.count.toLocaleString("en")} ${one.count === 1 ? "image" : "images"}`;
    const says = (one) => `known as ${group.outcomes[one.known]}, the model says ${group.outcomes[one.shown]}: ${number(one)}`;
    return html`<div class="confusion">
      <label class="of-group">Group <select value=${group.group} onChange=${(event) => { setName(event.target.value); setCell(null); }}>
        ${found.groups.map((one) => html`<option key=${one.group} value=${one.group}>${one.group} (${wrong(one).toLocaleString("en")} differ)</option>`)}</select></label>
      ${!total ? html`<p class="ll-quiet">No label of this group is known yet in an image that the model has looked at.</p>` : html`
        <p>In ${number({ count: total })} a label of “${group.group}” is known. In ${wrong(group).toLocaleString("en")} of them the model finds another one likelier. Choose a number to see the images.</p>
        <div class=${group.outcomes.length <= WHOLE ? "beside" : "under-one-another"}>${group.outcomes.length <= WHOLE ? html`<${Table} group=${group} open=${open} says=${says} onCell=${choose} />`
          : html`<ol class="pairs">${worst.slice(0, 60).map((one) => html`<li key=${`${one.known} ${one.shown}`}><button type="button" aria-pressed=${same(one, open) ? "true" : "false"} onClick=${() => choose(one)}>
            <b>${group.outcomes[one.known]}</b> taken for <b>${group.outcomes[one.shown]}</b> <span class="ll-quiet">${number(one)}</span></button></li>`)}</ol>`}
        ${open && html`<${OfCell} key=${`${group.group} ${open.known} ${open.shown}`} group=${group} cell=${open} onImage=${onImage} />`}</div>`}
    </div>`;
  }

  const same = (one, other) => other && one.known === other.known && one.shown === other.shown;

  function Table({ group, open, says, onCell }) {
    const at = new Map(group.cells.map((one) => [`${one.known} ${one.shown}`, one]));
    const rows = group.outcomes.map((outcome, known) => ({ outcome, known, sum: group.cells.reduce((sum, one) => sum + (one.known === known ? one.count : 0), 0) })).filter((row) => row.sum);
    return html`<div class="scroll" tabindex="0" role="region" aria-label=${`Confusion within ${group.group}`}><table class="cells">
      <thead><tr><td class="ll-quiet small">known ↓ model →</td>${group.outcomes.map((outcome) => html`<th scope="col" key=${outcome}><span title=${outcome}>${outcome}</span></th>`)}</tr></thead>
      <tbody>${rows.map(({ outcome, known, sum }) => html`<tr key=${outcome}><th scope="row" title=${outcome}>${outcome}</th>
        ${group.outcomes.map((_, shown) => {
          const one = at.get(`${known} ${shown}`);
          return html`<td key=${shown}>${one && html`<button type="button" class=${known === shown ? "right-one" : "wrong-one"} style=${{ "--share": one.count / sum }}
            aria-label=${says(one)} aria-pressed=${same(one, open) ? "true" : "false"} onClick=${() => onCell(one)}>${one.count}</button>`}</td>`;
        })}</tr>`)}</tbody></table></div>`;
  }

  function OfCell({ group, cell, onImage }) {
    const [found, error] = useFetched("/v1/confusion/images", { group: group.group, known: cell.known, shown: cell.shown, limit: 60 }, 0);
    const known = group.outcomes[cell.known], shown = group.outcomes[cell.shown];
    return html`<section class="pictures" aria-label="Images of the cell">
      <h3>${known === shown ? `Known as ${known}, and the model agrees` : `Known as ${known}, the model says ${shown}`}${found && html` <span class="ll-quiet">${found.total.toLocaleString("en")} ${found.total === 1 ? "image" : "images"}</span>`}</h3>
      ${found ? html`<${Sheet} images=${found.images} onImage=${onImage} />` : html`<${Waiting} error=${error} />`}
    </section>`;
  }

  function Shown({ label, which, setWhich, known, onImage }) {
    const [found, error] = useFetched(`/v1/labels/${encodeURIComponent(label)}`, { which, limit: 60 }, 0);
    return html`<section class="pictures" aria-label=${label}>
      <h3>${label} <span class="ll-quiet">known in ${known === 1 ? "1 image" : `${known.toLocaleString("en")} images`}</span></h3>
      <div class="tabs" role="group" aria-label="Which images">${WHICH.map(([value, text]) => html`<button type="button" aria-pressed=${value === which ? "true" : "false"} onClick=${() => setWhich(value)}>${text}</button>`)}</div>
      ${!found ? html`<${Waiting} error=${error} />` : found.images.length ? html`<${Sheet} images=${found.images} onImage=${onImage} />`
        : html`<p class="ll-quiet">${which === "wrong" ? "No image contradicts what is known of this label." : "No image."}</p>`}
    </section>`;
  }

  // Every label of an image of the random sample: one choice for each group.
  function Complete({ space, onSaved }) {
    const [round, setRound] = useState(0), [found, error] = useFetched("/v1/complete/next", {}, round);
    const id = found && found.image;
    return html`<div class="view">
      <h2>Complete images</h2>
      <p class="ll-quiet">Label each image of a random sample completely. A hundred of them tell how good the model is and fix how many labels it expects.</p>
      ${!found ? html`<${Waiting} error=${error} />` : html`
        <p role="status">${found.done} of ${found.of} done</p><progress max=${Math.max(1, found.of)} value=${found.done} aria-label="Images done"></progress>
        ${id ? html`<${CompleteOne} key=${id} id=${id} space=${space} onDone=${() => { onSaved(true); setRound(round + 1); }} />` : html`<p>The sample is complete. Thank you.</p>`}`}
    </div>`;
  }

  const chosen = (group, label) => Object.fromEntries(group.labels.map((own) => [own, own === label ? 1 : 0]));
  const below = (group) => group.children.flatMap((child) => [...child.labels, ...below(child)]);
  const without = (stated, labels) => Object.fromEntries(Object.entries(stated).filter(([label]) => !labels.includes(label)));

  function CompleteOne({ id, space, onDone }) {
    const [image, error] = useFetched(`/v1/images/${encodeURIComponent(id)}`, {}, 0);
    const [said, setSaid] = useState({}), [busy, setBusy] = useState(false), [problem, setProblem] = useState("");
    if (!image) return html`<${Waiting} error=${error} />`;
    const all = { ...image.known, ...image.answers, ...said };
    const possible = space.possible(all);
    const open = space.labels.filter((label, k) => all[label] === undefined && possible && possible.present[k] && possible.absent[k]);
    const choose = (group, label) => setSaid((before) => { // what hangs below the group is asked again where it cannot stay
      const next = { ...before, ...chosen(group, label) };
      const rest = space.possible({ ...image.known, ...image.answers, ...next }) ? {} : Object.fromEntries(below(group).map((own) => [own, undefined]));
      return Object.fromEntries(Object.entries({ ...next, ...rest }).filter(([, value]) => value !== undefined));
    });
    const save = async () => {
      setBusy(true);
      try {
        const sure = space.possible(all);
        for (const [k, label] of space.labels.entries()) {
          const value = all[label] !== undefined ? all[label] : sure.present[k] ? 1 : 0;
          if (image.answers[label] !== value) await Api.post("/v1/answers", { image: id, label, value, kind: "complete" });
        }
        onDone();
      } catch (refused) { setProblem(`Not saved: ${refused.message}`); }
      setBusy(false);
    };
    return html`<div class="review">
      <${Photo} src=${Api.picture(id, 1024)} name=${image.name}><p class="ll-quiet">${image.name}</p><//>
      <form class="every" onSubmit=${(event) => { event.preventDefault(); if (!open.length && possible && !busy) save(); }}>
        ${space.order.map((place) => space.groups[place]).map((group) => {
          const can = group.columns.map((k) => !possible || possible.present[k] || all[space.labels[k]] === 1);
          if (!can.some(Boolean)) return null;
          const present = group.labels.find((label) => all[label] === 1), none = !present && group.labels.every((label) => all[label] === 0);
          return html`<fieldset key=${group.name}><legend>${group.name}</legend>
            ${group.labels.map((label, at) => html`<label key=${label}><input type="radio" name=${`g${group.number}`} checked=${present === label} disabled=${!can[at] && !present} onChange=${() => choose(group, label)} /> ${group.kind === "free" ? "yes" : label}</label>`)}
            ${(group.optional || group.above) && html`<label><input type="radio" name=${`g${group.number}`} checked=${none} disabled=${!none && !space.possible({ ...image.known, ...image.answers, ...without(said, below(group)), ...chosen(group, null) })} onChange=${() => choose(group, null)} /> ${group.kind === "free" ? "no" : group.none || "none of these"}</label>`}
          </fieldset>`;
        })}
        <div class="choices">
          <button type="button" class="choice plain" onClick=${() => setSaid((before) => ({ ...before, ...Object.fromEntries(open.filter((label) => space.owner[space.column.get(label)].group.optional).map((label) => [label, 0])) }))}>All others absent</button>
          <button type="submit" class="choice" aria-disabled=${open.length || !possible ? "true" : null}>${open.length ? `${open.length} labels left` : "Save, next image"}</button>
        </div>
        ${!possible && html`<p class="problem" role="alert">These labels contradict each other. Change one.</p>`}
        ${problem && html`<p class="problem" role="alert">${problem}</p>`}
      </form></div>`;
  }

  globalThis.LatentLabels = { ...LatentLabels, Mistakes, Labels, Complete };
})();
