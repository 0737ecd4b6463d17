// The page: images to the left, one of them in the middle, its card to the right.
(() => {
  "use strict";
  const { useState, useEffect, useMemo, useRef, useCallback } = preactHooks;
  const { html, Api, Card, Photo, Space, sentence, Gallery, Questions, Keys, Mistakes, Labels, Complete, useRefit, Refit, Verdict } = LatentLabels;

  const VIEWS = [["images", "Images"], ["mistakes", "Mistakes"], ["labels", "Labels"], ["complete", "Complete"]];

  const runName = (health) => health.run.split(/[\\/]/).filter(Boolean).pop() || "latentlabels";

  const KEYS = [
    ["← ↑ ↓ →", "among the images: choose one"], ["↑ ↓", "on the card: go from label to label"], ["Enter", "on a label: unknown, present, absent"],
    ["+ − Backspace", "on a label: present, absent, unknown"], ["Q", "be asked questions"], ["Y N 1–9 S Esc", "answer, skip, stop"],
    ["K C U", "on a possible mistake: keep, change, unsure"], ["?", "this list"],
  ];

  function KeyList({ onClose }) {
    const box = useRef(null);
    useEffect(() => { box.current.showModal(); }, []);
    return html`<dialog ref=${box} class="keys" aria-label="Keys" onClose=${onClose} onClick=${(event) => { if (event.target === box.current) box.current.close(); }}>
      <h2>Keys</h2><dl>${KEYS.map(([key, does]) => html`<div><dt><kbd>${key}</kbd></dt><dd>${does}</dd></div>`)}</dl>
      <form method="dialog"><button type="submit" class="choice">Close</button></form></dialog>`;
  }

  const AWAY = {
    away: html`The service does not answer. Start it again with <code>${Api.again}</code>: the page then continues by itself.`,
    other: "The service answers, but with another token. Open the address that it printed.",
  };

  function App({ space, health }) {
    const [link, setLink] = useState("here"), [keys, setKeys] = useState(false);
    const [view, setView] = useState("images"), [id, setId] = useState(null), [asking, setAsking] = useState(false);
    const [verdict, setVerdict] = useState(null), [count, setCount] = useState(0), [usable, setUsable] = useState(0), [version, setVersion] = useState(0);
    const [notice, setNotice] = useState(""), [uploads, setUploads] = useState({}); // names of files by id
    const readAnswers = useCallback(() => Api.get("/v1/answers").then((found) => {
      const given = found.answers.filter((one) => one.value !== null);
      setCount(given.length);
      setUsable(given.filter((one) => one.in_refit).length);
    }).catch(() => {}), []);
    const readVerdict = useCallback(() => Api.get("/v1/verdict").then(setVerdict).catch(() => {}), []);
    useEffect(() => { readAnswers(); readVerdict(); }, []);
    const [learned, setLearned] = useState(0); // answers that the model has learned from
    const fresh = usable > learned, all = `${usable} ${usable === 1 ? "answer" : "answers"}`;
    const why = fresh ? "Fit again with the answers" : usable ? "The model has learned from all answers" : count ? "No answer is about an image of the fit" : "Answer some questions first";
    const refit = useRefit(() => { setLearned(usable); readVerdict(); setVersion((before) => before + 1); });
    useEffect(() => Api.watch((next) => {
      setLink(next);
      if (next === "here") setLearned(0); // it may be another run
      if (next === "here") { setNotice(""); readAnswers(); readVerdict(); setVersion((before) => before + 1); }
    }), []);
    const open = (image) => { setId(image); setView("images"); };
    const saved = () => readAnswers();
    const drop = useUpload((image, name) => { setUploads((before) => ({ ...before, [image]: name })); setAsking(false); setVersion((before) => before + 1); open(image); }, setNotice);
    const ask = () => { setView("images"); setAsking(true); };
    return html`<div class=${`page${drop.over ? " over" : ""}`}>
      <${Keys} keys=${{ "?": () => setKeys(true), ...(view === "images" && !asking ? { q: ask } : {}) }} />
      ${keys && html`<${KeyList} onClose=${() => setKeys(false)} />`}
      <header class="top">
        <h1 title=${health.run}>${runName(health)}</h1>
        <nav aria-label="Views">${VIEWS.map(([name, text]) => html`<button type="button" key=${name} aria-current=${view === name ? "page" : null} onClick=${() => { setView(name); setAsking(false); }}>${text}</button>`)}</nav>
        <div class="acts">
          <button type="button" class="choice plain round" aria-label="Keys" title="Keys (?)" onClick=${() => setKeys(true)}>?</button>
          ${health.takes_pictures && html`<label class="choice plain">Add a photo<input type="file" accept="image/*" class="ll-sr" onChange=${(event) => { drop.send(event.target.files[0]); event.target.value = ""; }} /></label>`}
          <button type="button" class="choice" aria-pressed=${asking ? "true" : "false"} onClick=${() => (asking ? setAsking(false) : ask())}>Ask me <kbd>Q</kbd></button>
          <button type="button" class="choice plain" aria-disabled=${refit.running || !fresh ? "true" : null} title=${why}
            onClick=${() => fresh && !refit.running && refit.start()}>Refit${usable ? ` with ${all}` : ""}</button>
        </div>
      </header>
      <${Refit} refit=${refit} />
      ${refit.state === "idle" && verdict && html`<${Verdict} verdict=${verdict} />`}
      ${AWAY[link] && html`<p class="notice away" role="alert">${AWAY[link]}</p>`}
      ${notice && link === "here" && html`<p class="notice" role="alert">${notice} <button type="button" class="ll-more" onClick=${() => setNotice("")}>Close</button></p>`}
      <main>
        ${view === "images" && html`<div class="three">
          <${Gallery} space=${space} health=${health} chosen=${id} onChoose=${(image) => { setId(image); setAsking(false); }} version=${version} />
          ${id ? html`<${One} id=${id} space=${space} asking=${asking} setAsking=${setAsking} onImage=${setId} count=${count} onSaved=${saved} version=${version} setNotice=${setNotice} uploads=${uploads} />` : html`<p class="ll-quiet">${health.num_images ? "Loading…" : "No image yet. Drop a photo here."}</p>`}
        </div>`}
        ${view === "mistakes" && html`<${Mistakes} key=${version} space=${space} onSaved=${saved} onImage=${open} />`}
        ${view === "labels" && html`<${Labels} key=${version} space=${space} onImage=${open} />`}
        ${view === "complete" && html`<${Complete} space=${space} onSaved=${saved} />`}
      </main>
      ${drop.over && html`<div class="dropping" aria-hidden="true">Drop the photo</div>`}
    </div>`;
  }

  // Photos that are dropped or pasted anywhere.
  function useUpload(onImage, setNotice) {
    const [over, setOver] = useState(false), held = useRef(null);
    const send = async (file) => {
      if (!file) return;
      try {
        setNotice("");
        onImage((await Api.upload(file)).id, file.name);
      } catch (problem) { setNotice(`The photo cannot be used: ${problem.message}`); }
    };
    held.current = send;
    useEffect(() => {
      const files = (from) => [...(from ? from.files : [])];
      const carries = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files");
      const on = {
        dragover: (event) => { if (carries(event)) { event.preventDefault(); setOver(true); } },
        dragleave: (event) => { if (!event.relatedTarget) setOver(false); },
        drop: (event) => { event.preventDefault(); setOver(false); held.current(files(event.dataTransfer)[0]); },
        paste: (event) => held.current(files(event.clipboardData)[0]),
      };
      Object.entries(on).forEach(([name, act]) => addEventListener(name, act));
      return () => Object.entries(on).forEach(([name, act]) => removeEventListener(name, act));
    }, []);
    return { over, send };
  }

  const MODES = [
    ["looked-up", "Looked up", "You checked these labels and no others. What you did not say stays as open as before."],
    ["picked", "Picked by an annotator", "An annotator named these labels out of all that the image shows. Naming one makes the others a little less likely."],
  ];

  // The image in the middle, and its card.
  function One({ id, space, asking, setAsking, onImage, count, onSaved, version, setNotice, uploads }) {
    const [image, setImage] = useState(null), [stated, setStated] = useState({}), [mode, setMode] = useState("looked-up");
    const [answer, setAnswer] = useState(null), [kept, setKept] = useState(""), [failed, setFailed] = useState(null);
    useEffect(() => {
      let current = true;
      Api.image(id).then((found) => { if (current) { setImage(found); setStated(found.answers || {}); setAnswer(null); } }).catch((problem) => current && problem.status && setFailed({ id, message: problem.message }));
      return () => { current = false; };
    }, [id, version, count]);
    useEffect(() => setKept(""), [id]);
    const present = Object.keys(stated).filter((label) => stated[label] === 1), absent = Object.keys(stated).filter((label) => stated[label] === 0);
    const picked = mode === "picked" && present.length + absent.length > 0;
    useEffect(() => {
      if (!picked || !image) { setAnswer(null); return undefined; }
      let current = true;
      Api.post("/v1/posterior", { images: [image.id], present, absent, annotation: "picked" }).then((found) => {
        if (current) { setAnswer(Float64Array.from(space.labels, (label) => found.images[0].marginals[label])); setKept(""); }
      }).catch((problem) => { if (current) { setAnswer(null); setKept(problem.message); } });
      return () => { current = false; };
    }, [picked, image, stated]);
    const marginals = useMemo(() => image && (answer || space.condition(image.card, stated)), [image, stated, answer]);
    const fresh = image ? Object.entries(stated).filter(([label, value]) => image.answers[label] !== value) : [];
    const keep = async () => {
      try {
        let used = true;
        for (const [label, value] of fresh) used = (await Api.post("/v1/answers", { image: image.id, label, value, kind: "question" })).in_refit && used;
        setKept(`Saved ${fresh.length === 1 ? "1 label" : `${fresh.length} labels`}.${used ? "" : " A refit does not use it, because the image is not one of the fit."}`);
        setImage({ ...image, answers: { ...image.answers, ...stated } });
        onSaved();
      } catch (problem) { setKept(`Not saved: ${problem.message}`); }
    };
    const turn = (event) => { // the arrow keys turn the switch, as those of any radio buttons
      if (!/^Arrow/.test(event.key)) return;
      event.preventDefault();
      const next = MODES.findIndex(([value]) => value !== mode);
      setMode(MODES[next][0]);
      event.currentTarget.children[next].focus();
    };
    const name = image && (uploads[image.id] || image.name);
    if (failed && failed.id === id) {
      return html`<section class="centre" aria-label="Image"><div class="ll-photo"><p class="ll-missing">This image cannot be used.</p><p class="problem" role="alert">${failed.message}</p></div></section>`;
    }
    if (!image) return html`<section class="centre"><p class="ll-quiet">Loading…</p></section>`;
    return html`
      <section class="centre" aria-label="Image">
        ${asking && html`<${Questions} onImage=${onImage} onSaved=${onSaved} onClose=${() => setAsking(false)} count=${count} />`}
        <${Photo} key=${`${image.id} ${version}`} src=${Api.picture(image.id, 1024)} name=${name}>
          <p class="ll-sentence">${!Object.keys(stated).length ? image.sentence : marginals ? sentence(space, marginals) : ""}</p><p class="ll-quiet">${name}</p><//>
      </section>
      <section class="right" aria-label="Labels of the image">
        <div class="tabs" role="radiogroup" aria-label="How you know" onKeyDown=${turn}>${MODES.map(([value, text, why]) => html`<button type="button" key=${value} role="radio" title=${why} tabindex=${mode === value ? 0 : -1} aria-checked=${mode === value ? "true" : "false"} onClick=${() => setMode(value)}>${text}</button>`)}</div>
        <p class="ll-quiet small">${MODES.find(([value]) => value === mode)[2]}</p>
        <${Card} key=${image.id} space=${space} image=${image.card} stated=${stated} onStated=${setStated} answer=${answer} marks=${image.known} />
        <div class="keep">${fresh.length > 0 && html`<button type="button" class="choice" onClick=${keep}>Save ${fresh.length === 1 ? "this label" : `these ${fresh.length} labels`} as ${fresh.length === 1 ? "an answer" : "answers"}</button>`}<span class="ll-quiet small" role="status">${kept}</span></div>
      </section>`;
  }

  const place = document.getElementById("app");
  Promise.all([Api.get("/v1/space"), Api.get("/v1/health")]).then(([space, health]) => {
    Api.showPictures(health.has_pictures);
    document.title = `${runName(health)} – latentlabels`;
    place.textContent = "";
    preact.render(html`<${App} space=${new Space(space)} health=${health} />`, place);
  }).catch((problem) => {
    place.textContent = problem.status === 401 ? "The address has no valid token. Open the address that “latentlabels explore” printed." : problem.message;
    place.setAttribute("role", "alert");
  });
})();
