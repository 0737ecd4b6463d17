// The verdict on the run, and a refit with the answers: its progress, and the verdict before and after.
(() => {
  "use strict";
  const { useState, useEffect } = preactHooks;
  const { html, Api } = LatentLabels;

  function useRefit(onDone) {
    const [state, setState] = useState({ state: "idle" });
    const running = state.state === "running";
    useEffect(() => { Api.get("/v1/refit").then(setState).catch(() => {}); }, []);
    useEffect(() => {
      if (!running) return undefined;
      const timer = setInterval(() => Api.get("/v1/refit").then((next) => {
        setState(next);
        if (next.state === "done") onDone();
      }).catch((problem) => { if (problem.status) setState({ state: "failed", message: problem.message }); }), 700); // away: it goes on when it is back
      return () => clearInterval(timer);
    }, [running]);
    const start = () => Api.post("/v1/refit").then(() => setState({ state: "running", progress: 0, message: "Starting" })).catch((problem) => setState({ state: "failed", message: problem.message }));
    const cancel = () => Api.remove("/v1/refit").then((next) => setState({ ...next, state: next.state === "idle" ? "cancelled" : next.state })).catch(() => setState({ state: "idle" }));
    return { ...state, running, start, cancel, dismiss: () => setState({ state: "idle" }) };
  }

  // The sentence without the level in front of it, which has a mark of its own.
  function plain({ level, sentence }) {
    const rest = sentence.toLowerCase().startsWith(`${level}: `) ? sentence.slice(level.length + 2) : sentence;
    return rest.charAt(0).toUpperCase() + rest.slice(1);
  }

  function Verdict({ verdict, name }) {
    if (!verdict) return null;
    return html`<div class="verdict">${name && html`<b>${name}</b>`}<span class=${`level ${verdict.level}`}>${verdict.level}</span> <span>${plain(verdict)}</span></div>`;
  }

  function Refit({ refit }) {
    if (refit.state === "idle") return null;
    return html`<section class="refit" aria-label="Refit" role="status">
      ${refit.running && html`<div class="line"><span>Fitting again with your answers: ${refit.message || "starting"}</span><button type="button" class="ll-more" onClick=${refit.cancel}>Cancel</button></div>
        <progress max="1" value=${refit.progress || 0} aria-label="Progress of the refit"></progress>`}
      ${refit.state === "cancelled" && html`<div class="line"><span>${refit.message}</span><button type="button" class="ll-more" onClick=${refit.dismiss}>Close</button></div>`}
      ${refit.state === "failed" && html`<div class="line problem"><span>The refit failed: ${refit.message}</span><button type="button" class="ll-more" onClick=${refit.dismiss}>Close</button></div>`}
      ${refit.state === "done" && html`<div class="line"><span><b>The model has learned from your answers.</b> ${refit.message}</span><button type="button" class="ll-more" onClick=${refit.dismiss}>Close</button></div>
        <${Verdict} name="Before" verdict=${refit.before} /><${Verdict} name="After" verdict=${refit.after} />`}
    </section>`;
  }

  globalThis.LatentLabels = { ...LatentLabels, useRefit, Refit, Verdict };
})();
