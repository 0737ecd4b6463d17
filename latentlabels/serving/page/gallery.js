// The images of the collection: a grid that draws only what is in view, with search and filters.
(() => {
  "use strict";
  const { useState, useEffect, useRef, useMemo, useCallback } = preactHooks;
  const { html, Api, percent } = LatentLabels;
  const PAGE = 100, GAP = 6, LEAST = 84;

  const SORTS = [["useful", "Most useful"], ["uncertain", "Most uncertain"], ["name", "By name"]];
  const SHOWS = [["all", "All images"], ["uncertain", "Uncertain"], ["mistakes", "Possible mistakes"], ["wrong", "Against known labels"], ["answered", "Answered"]];

  // Pages of a list of images, fetched when they come into view.
  function useList(wanted, version) {
    const [total, setTotal] = useState(null), [error, setError] = useState("");
    const [pages, setPages] = useState({});
    const asked = useRef({ key: "", pages: new Set(), abort: null });
    const key = JSON.stringify(wanted) + version;
    const load = useCallback((number) => {
      const state = asked.current;
      if (state.pages.has(number)) return;
      state.pages.add(number);
      Api.get("/v1/images", { ...wanted, offset: number * PAGE, limit: PAGE }, state.abort.signal).then((found) => {
        if (asked.current !== state) return;
        setTotal(found.total);
        setPages((before) => ({ ...before, [number]: found.images }));
        setError("");
      }).catch((problem) => {
        state.pages.delete(number);
        if (problem.name !== "AbortError" && asked.current === state) setError(problem.message);
      });
    }, [key]);
    useEffect(() => {
      if (asked.current.abort) asked.current.abort.abort();
      asked.current = { key, pages: new Set(), abort: new AbortController() };
      setPages({});
      setTotal(null);
      load(0);
    }, [key]);
    return { total, pages, load, error };
  }

  // A small picture; nothing where there is none, or where it cannot be read.
  function Thumb({ id, size = 96, alt = "" }) {
    const [missing, setMissing] = useState(false), src = Api.picture(id, size);
    return src && !missing ? html`<img src=${src} alt=${alt} loading="lazy" decoding="async" onError=${() => setMissing(true)} />` : null;
  }

  // How much of the collection the model has looked at; `onDone` is called when that becomes all.
  function useLooked(health, onDone) {
    const [looked, setLooked] = useState(health), done = looked.num_predicted >= looked.num_images;
    useEffect(() => {
      if (done) return undefined;
      const timer = setInterval(() => Api.get("/v1/health").then((next) => {
        setLooked(next);
        if (next.num_predicted >= next.num_images) onDone();
      }).catch(() => {}), 1000);
      return () => clearInterval(timer);
    }, [done]);
    return done ? "" : `; the model has looked at ${percent(looked.num_predicted / looked.num_images)}`;
  }

  function Gallery({ space, health, chosen, onChoose, version }) {
    const [fresh, setFresh] = useState(0), looked = useLooked(health, () => setFresh((before) => before + 1));
    const [sort, setSort] = useState("useful"), [show, setShow] = useState("all");
    const [search, setSearch] = useState(""), [label, setLabel] = useState(""), [settled, setSettled] = useState("");
    useEffect(() => { const timer = setTimeout(() => setSettled(search), 200); return () => clearTimeout(timer); }, [search]);
    const known = space.column.has(label) ? label : "";
    const wanted = useMemo(() => ({ sort, show, search: settled, label: known, at_least: known ? 0.5 : "" }), [sort, show, settled, known]);
    const list = useList(wanted, `${version} ${fresh}`);
    const unknown = label && !known ? ` There is no label “${label}”.` : "";
    const at = (number) => (list.pages[Math.floor(number / PAGE)] || [])[number % PAGE];
    useEffect(() => { // the first image of the first list is what the page opens with
      const first = at(0);
      if (!chosen && first) onChoose(first.id);
    }, [list.pages, chosen]);
    return html`<section class="gallery" aria-label="Images">
      <div class="filters">
        <input type="search" aria-label="Search by name" placeholder="Search by name" value=${search} onInput=${(event) => setSearch(event.target.value)} />
        <div class="pair">
          <select aria-label="Which images" value=${show} onChange=${(event) => setShow(event.target.value)}>
            ${SHOWS.map(([value, text]) => html`<option value=${value}>${text}</option>`)}</select>
          <select aria-label="Order" value=${sort} onChange=${(event) => setSort(event.target.value)}>
            ${SORTS.map(([value, text]) => html`<option value=${value}>${text}</option>`)}</select>
        </div>
        <input list="all-labels" aria-label="Only images that probably show this label" placeholder="Only with label …" value=${label} onInput=${(event) => setLabel(event.target.value)} />
        <datalist id="all-labels">${space.labels.slice(0, 2000).map((name) => html`<option value=${name}></option>`)}</datalist>
      </div>
      <p class="ll-quiet count" role="status">${list.error || (list.total === null ? "Looking…" : list.total === 1 ? "1 image" : `${list.total.toLocaleString("en")} images`)}${looked}${unknown && html`<span class="problem">${unknown}</span>`}</p>
      <${Grid} total=${list.total || 0} at=${at} load=${list.load} chosen=${chosen} onChoose=${onChoose} version=${version} />
      ${list.total === 0 && html`<p class="ll-quiet empty">No image fits. Choose “All images”, or clear the search.</p>`}
    </section>`;
  }

  // The arrow keys move the choice; the box is one stop of the tab key.
  function Grid({ total, at, load, chosen, onChoose, version }) {
    const box = useRef(null), [view, setView] = useState({ top: 0, height: 600, width: 280 });
    const columns = Math.max(2, Math.floor((view.width + GAP) / (LEAST + GAP)));
    const side = (view.width - GAP * (columns - 1)) / columns, step = side + GAP;
    const rows = Math.ceil(total / columns);
    const from = Math.max(0, Math.floor(view.top / step) - 2), to = Math.min(rows, Math.ceil((view.top + view.height) / step) + 2);
    const measure = () => box.current && setView({ top: box.current.scrollTop, height: box.current.clientHeight, width: box.current.clientWidth });
    useEffect(() => {
      const watcher = new ResizeObserver(measure);
      watcher.observe(box.current);
      return () => watcher.disconnect();
    }, []);
    useEffect(() => {
      for (let page = Math.floor((from * columns) / PAGE); page <= Math.floor((to * columns - 1) / PAGE) && page * PAGE < total; page++) load(page);
    }, [from, to, columns, total, load]);
    const [place, setPlace] = useState(0); // of the last choice
    const [goal, setGoal] = useState(null); // a place that was chosen before its page was there
    useEffect(() => { if (goal !== null && at(goal)) { setPlace(goal); onChoose(at(goal).id); setGoal(null); } });
    const current = at(place) && at(place).id === chosen ? place : find(at, total, chosen, from * columns, to * columns);
    const key = (event) => {
      const moves = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, PageDown: 4 * columns, PageUp: -4 * columns, Home: -total, End: total };
      if (!(event.key in moves) || !total) return;
      event.preventDefault();
      const next = Math.min(total - 1, Math.max(0, (goal !== null ? goal : Math.max(0, current)) + moves[event.key]));
      const top = Math.floor(next / columns) * step, node = box.current;
      if (top < node.scrollTop) node.scrollTop = top;
      if (top + step > node.scrollTop + node.clientHeight) node.scrollTop = top + step - node.clientHeight;
      setGoal(next);
      load(Math.floor(next / PAGE));
    };
    const shown = [];
    for (let number = from * columns; number < Math.min(total, to * columns); number++) shown.push(number);
    return html`<div class="grid" ref=${box} onScroll=${measure} onKeyDown=${key} tabindex="0" role="listbox" aria-label="Images"
      aria-activedescendant=${current >= from * columns && current < to * columns ? `image-${current}` : null}>
      <div class="sheet" role="presentation" style=${{ height: `${Math.max(0, rows * step - GAP)}px` }}>
        ${shown.map((number) => {
          const image = at(number), row = Math.floor(number / columns);
          return html`<div key=${number} id=${`image-${number}`} role="option" class=${`tile${image ? "" : " waiting"}`} aria-selected=${image && image.id === chosen ? "true" : "false"}
            aria-setsize=${total} aria-posinset=${number + 1} aria-label=${image ? `${image.name}. ${image.sentence}` : "Loading"} title=${image ? `${image.name}\n${image.top.map(([name, p]) => `${name} ${percent(p)}`).join(", ")}` : ""}
            style=${{ width: `${side}px`, height: `${side}px`, transform: `translate(${(number % columns) * step}px, ${row * step}px)` }}
            onClick=${() => image && (setGoal(null), setPlace(number), onChoose(image.id))}>
            ${image && html`<${Thumb} key=${`${image.id} ${version}`} id=${image.id} /><span class="under">${image.name}</span>`}
          </div>`;
        })}
      </div>
    </div>`;
  }

  function find(at, total, id, from, to) {
    for (let number = from; number < Math.min(total, to); number++) if (at(number) && at(number).id === id) return number;
    return -1;
  }

  globalThis.LatentLabels = { ...LatentLabels, Gallery, Thumb };
})();
