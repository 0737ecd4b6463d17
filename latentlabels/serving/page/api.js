// Requests to the service, with the token of the page's address.
(() => {
  "use strict";
  const token = new URLSearchParams(location.search).get("token") || "";

  // The JSON of a response. A refused request throws an Error whose message is the problem's detail.
  async function call(path, { method = "GET", body, signal, type = "application/json" } = {}) {
    const headers = { Authorization: `Bearer ${token}` };
    if (body !== undefined) headers["Content-Type"] = type;
    let response;
    try {
      response = await fetch(path, { method, headers, signal, body: type === "application/json" && body !== undefined ? JSON.stringify(body) : body });
    } catch (error) {
      if (error.name === "AbortError") throw error;
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
    get: (path, given = {}, signal) => { const text = query(given); return call(text ? `${path}?${text}` : path, { signal }); },
    post: (path, body = {}) => call(path, { method: "POST", body }),
    remove: (path) => call(path, { method: "DELETE" }),
    upload: (file) => call("/v1/uploads", { method: "POST", body: file, type: file.type || "image/jpeg" }),
    image: (id) => call(`/v1/images/${encodeURIComponent(id)}`),
    picture: (id, size) => `/v1/images/${encodeURIComponent(id)}/picture?${query({ size, token })}`,
  };

  globalThis.LatentLabels = { ...LatentLabels, Api };
})();
