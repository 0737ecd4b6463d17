for (const box of document.querySelectorAll(".sorted")) {
  const table = box.querySelector("table"), body = table.tBodies[0], search = box.querySelector("input");
  table.classList.add("live");
  const heads = [...table.tHead.rows[0].cells];
  const key = (row, column) => {
    const cell = row.cells[column];
    if (cell.dataset.value === undefined) return cell.textContent;
    return cell.dataset.value === "" ? null : Number(cell.dataset.value);
  };
  heads.forEach((head, column) => head.firstChild.addEventListener("click", () => {
    const numeric = head.classList.contains("num"), before = head.ariaSort;
    const up = before ? before === "descending" : !numeric;
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.ariaSort = up ? "ascending" : "descending";
    const rows = [...body.rows].map(row => [key(row, column), row]);
    rows.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);  // what has no value comes last
      const order = numeric ? a - b : a.localeCompare(b, undefined, {numeric: true});
      return up ? order : -order;
    });
    body.append(...rows.map(([, row]) => row));
  }));
  if (search) {
    search.hidden = false;
    search.addEventListener("input", () => {
      const wanted = search.value.toLowerCase();
      for (const row of body.rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    });
  }
}
const folded = [...document.querySelectorAll("details:not([open])")];  // on paper nothing is folded
addEventListener("beforeprint", () => folded.forEach(one => { one.dataset.open = one.open; one.open = true; }));
addEventListener("afterprint", () => folded.forEach(one => { one.open = one.dataset.open === "true"; }));
const links = new Map([...document.querySelectorAll("nav a")].map(link => [link.hash.slice(1), link]));
if (links.size) {
  const seen = new Set();
  const watch = new IntersectionObserver(entries => {
    for (const one of entries) one.isIntersecting ? seen.add(one.target) : seen.delete(one.target);
    const first = [...document.querySelectorAll("section")].find(section => seen.has(section));
    for (const [id, link] of links) {
      if (first && first.id === id) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }, {rootMargin: "-10% 0px -60% 0px"});
  for (const section of document.querySelectorAll("section")) watch.observe(section);
}
