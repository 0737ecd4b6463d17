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
