// The questions whose answers teach most, one at a time, answered by a key.
(() => {
  "use strict";
  const { useState, useEffect, useRef } = preactHooks;
  const { html, Api } = LatentLabels;

  const typing = (event) => document.querySelector("dialog[open]") || event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);

  function Keys({ keys }) {
    const held = useRef(keys);
    held.current = keys;
    useEffect(() => {
      const press = (event) => {
        const act = !typing(event) && !event.repeat && held.current[event.key.toLowerCase()];
        if (act) { event.preventDefault(); act(); }
      };
      addEventListener("keydown", press);
      return () => removeEventListener("keydown", press);
    }, []);
    return null;
  }

  // What is sent for a choice: 1, 0, a label, or null for "skip".
  function valueOf(question, choice) {
    if (choice === null) return null;
    return question.label === null ? choice : choice === question.choices[0] ? 1 : 0;
  }

  function Questions({ onImage, onSaved, onClose, count }) {
    const [queue, setQueue] = useState(null), [error, setError] = useState("");
    const [last, setLast] = useState(""), [from, setFrom] = useState("");
    const fetchMore = () => Api.get("/v1/next", { n: 20 }).then((found) => { setQueue(found.questions); setFrom(found.num_considered < found.num_images ? found.chosen_from : ""); setError(""); }).catch((problem) => setError(problem.message));
    useEffect(() => { fetchMore(); }, []);
    const question = queue && queue[0];
    useEffect(() => {
      if (question) onImage(question.image);
      for (const source of (queue || []).slice(1, 3).map((next) => Api.picture(next.image, 1024))) if (source) new Image().src = source;
    }, [question]);
    const sending = useRef(Promise.resolve());
    // The next question comes at once; answers are sent one after the other, and one that is refused is said to be.
    const answer = (choice) => {
      if (!question) return;
      const rest = queue.slice(1);
      setQueue(rest.length ? rest : null);
      sending.current = sending.current.then(() => send(question, choice)).then(() => (rest.length ? null : fetchMore()));
    };
    const send = async (asked, choice) => {
      const subject = asked.label === null ? { group: asked.group } : { label: asked.label };
      try {
        await Api.post("/v1/answers", { image: asked.image, ...subject, value: valueOf(asked, choice), kind: asked.random ? "random" : "question" });
        setError("");
        setLast(choice === null ? `Skipped: ${asked.text}` : `Saved: ${asked.text} ${choice}.`);
        onSaved(choice !== null);
      } catch (problem) {
        setError(`Not saved (${asked.name}, ${asked.text}): ${problem.message}`);
        if (!problem.status) setQueue((now) => [asked, ...(now || [])]); // the service is away: it is asked once more
      }
    };
    const keys = { s: () => answer(null), escape: onClose };
    const yesNo = question && question.label !== null;
    if (yesNo) Object.assign(keys, { y: () => answer(question.choices[0]), n: () => answer(question.choices[1]) });
    if (question) question.choices.slice(0, 9).forEach((choice, number) => { keys[String(number + 1)] = () => answer(choice); });
    return html`<section class="ask" aria-label="Questions">
      <${Keys} keys=${keys} />
      <div class="ask-head"><span class="ll-quiet">${count === 1 ? "1 answer" : `${count} answers`} so far</span>
        <button type="button" class="ll-more" onClick=${onClose}>Stop asking <kbd>Esc</kbd></button></div>
      ${question ? html`
        <p class="question" aria-live="polite">${question.text}</p>
        <div class="choices">
          ${question.choices.map((choice, number) => html`<button type="button" key=${choice} class="choice" onClick=${() => answer(choice)}>
            ${choice} ${yesNo ? html`<kbd>${number ? "N" : "Y"}</kbd>` : number < 9 && html`<kbd>${number + 1}</kbd>`}</button>`)}
          <button type="button" class="choice plain" onClick=${() => answer(null)}>skip <kbd>S</kbd></button>
        </div>
        <p class="ll-quiet small">${question.random ? "Asked at random: such answers show how common labels are." : `Its answer is expected to teach the model most.${from && ` Chosen from ${from}.`}`}</p>`
        : queue && !error ? html`<p>Nothing is left to ask.</p>` : !error && html`<p class="ll-quiet">Looking for the next question…</p>`}
      ${error && html`<p class="problem" role="alert">${error}</p>`}
      <p class="ll-quiet small" role="status">${last}</p>
    </section>`;
  }

  globalThis.LatentLabels = { ...LatentLabels, Questions, Keys };
})();
