// A set of images with the card, from data inside the page: no request is made.
(() => {
  "use strict";
  const { useState, useMemo } = preactHooks;
  const { html, Card, Photo, Space, sentence } = LatentLabels;

  function Explore({ given }) {
    const space = useMemo(() => new Space(given.space), [given]);
    const [chosen, setChosen] = useState(0), [all, setAll] = useState({});
    const image = given.images[chosen], stated = all[chosen] || {};
    const marginals = useMemo(() => space.condition(image.card, stated), [space, image, stated]);
    const key = (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const to = chosen + step;
      if (step === undefined || !given.images[to]) return;
      event.preventDefault();
      setChosen(to);
      const buttons = event.currentTarget.querySelectorAll("button");
      buttons[to].focus();
    };
    return html`<div class="ll ll-explore">
      <div class="ll-show">
        ${given.images.length > 1 && html`<div class="ll-strip" role="group" aria-label="Images" onKeyDown=${key}>
          ${given.images.map((one, number) => html`<button type="button" key=${number} aria-label=${one.name} title=${one.name}
            aria-pressed=${number === chosen ? "true" : "false"} onClick=${() => setChosen(number)}>
            ${one.picture ? html`<img src=${one.picture} alt="" />` : html`<span class="ll-name">${number + 1}</span>`}</button>`)}
        </div>`}
        <${Photo} key=${chosen} src=${image.picture} name=${image.name}>
          <p class="ll-sentence">${marginals ? sentence(space, marginals) : ""}</p><p class="ll-quiet">${image.name}</p><//>
      </div>
      <${Card} key=${chosen} space=${space} image=${image.card} stated=${stated} marks=${image.marks || {}}
        onStated=${(next) => setAll({ ...all, [chosen]: next })} />
    </div>`;
  }

  for (const place of document.querySelectorAll("[data-latentlabels]")) {
    const given = JSON.parse(document.getElementById(place.dataset.latentlabels).textContent);
    place.textContent = "";
    preact.render(html`<${Explore} given=${given} />`, place);
  }
})();
