// Requests to the service, with the token of the page's address.
(() => {
  "use strict";
  const token = new URLSearchParams(location.search).get("token") || "";

  const AGAIN = 1500; // milliseconds between attempts to reach a service that is away
  let state = "here", pictures = true;
  const listeners = new Set();

  // "here", "away" (no answer) or "other" (it answers, but to another token).
  function become(next) {
    if (next === state) return;
    const was = state;
    state = next;
    listeners.forEach((listener) => listener(next, was));
    if (next === "away") setTimeout(reach, AGAIN);
  }

  async function reach() {
    try {
      const { status } = await fetch("/v1/refit", { headers: { Authorization: `Bearer ${token}` } });
      become(status === 401 ? "other" : "here");
    } catch (error) { setTimeout(reach, AGAIN); }
  }

  // The JSON of a response. A refused request throws an Error whose message is the problem's detail.
  async function call(path, { method = "GET", body, signal, type = "application/json" } = {}) {
    const headers = { Authorization: `Bearer ${token}` };
    if (body !== undefined) headers["Content-Type"] = type;
    let response;
    try {
      response = await fetch(path, { method, headers, signal, body: type === "application/json" && body !== undefined ? JSON.stringify(body) : body });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      become("away");
      throw new Error("The service does not answer. Is “latentlabels explore” still running?");
    }
    const found = response.status === 204 ? null : await response.json().catch(() => null);
    if (!response.ok) {
      const problem = new Error((found && (found.detail || found.title)) || `The service refused (${response.status}).`);
      problem.status = response.status;
      throw problem;
    }
    return found;
  }

  const query = (given) => new URLSearchParams(Object.entries(given).filter(([, value]) => value !== "" && value !== null && value !== undefined)).toString();

  const Api = {
    again: `--port ${location.port || 80} --token ${token}`, // options with which a service is this one again
    get: (path, given = {}, signal) => { const text = query(given); return call(text ? `${path}?${text}` : path, { signal }); },
    post: (path, body = {}) => call(path, { method: "POST", body }),
    remove: (path) => call(path, { method: "DELETE" }),
    upload: (file) => call("/v1/uploads", { method: "POST", body: file, type: file.type || "image/jpeg" }),
    image: (id) => call(`/v1/images/${encodeURIComponent(id)}`),
    // The address of a picture; null where the run has none.
    picture: (id, size) => (!pictures && !id.startsWith("u") ? null : `/v1/images/${encodeURIComponent(id)}/picture?${query({ size, token })}`),
    showPictures: (has) => { pictures = has; },
    // Be told when the service goes away and comes back; returns what ends that.
    watch: (listener) => { listeners.add(listener); return () => listeners.delete(listener); },
  };

  globalThis.LatentLabels = { ...LatentLabels, Api };
})();
