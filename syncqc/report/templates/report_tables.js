"use strict";
/* Tables that sort by the column whose head is pressed and are saved as CSV, and commands that are copied. */
(function () {
  const valueOf = (cell) => ("number" in cell.dataset ? (cell.dataset.number === "" ? null : Number(cell.dataset.number)) : cell.dataset.value);

  /* What was not measured comes last in either order. */
  function compare(a, b, sign) {
    if (a === null || b === null) return (a === null ? 1 : 0) - (b === null ? 1 : 0);
    return sign * (typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true }));
  }

  function sort(table, head) {
    const heads = Array.from(table.tHead.rows[0].cells), column = heads.indexOf(head), body = table.tBodies[0];
    const isNumber = head.classList.contains("number"), was = head.getAttribute("aria-sort");
    /* Numbers begin with the largest, names with the first. */
    const now = was === "none" ? (isNumber ? "descending" : "ascending") : was === "ascending" ? "descending" : "ascending";
    const sign = now === "ascending" ? 1 : -1;
    heads.forEach((one) => one.setAttribute("aria-sort", one === head ? now : "none"));
    const rows = Array.from(body.rows).map((row) => [valueOf(row.cells[column]), row]);
    rows.sort((a, b) => compare(a[0], b[0], sign));
    body.append(...rows.map((pair) => pair[1]));
  }

  function csv(table) {
    const heads = Array.from(table.tHead.rows[0].cells, (cell) => cell.dataset.head || cell.textContent.trim());
    return [heads, ...Array.from(table.tBodies[0].rows, (row) => Array.from(row.cells, valueOf))];
  }

  async function copy(button) {
    const source = document.getElementById(button.dataset.copy);
    let isCopied = true;
    try {
      await navigator.clipboard.writeText(source.textContent);
    } catch {
      getSelection().selectAllChildren(source);
      isCopied = document.execCommand("copy");
    }
    button.textContent = isCopied ? "Copied" : "Marked: press Ctrl+C";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.copy) copy(button);
    else if (button.dataset.table) {
      const table = document.querySelector('table[data-name="' + button.dataset.table + '"]');
      syncqc.save("syncqc-" + button.dataset.table + ".csv", syncqc.csv(csv(table)), "text/csv");
    } else if (button.closest("table.sortable thead")) sort(button.closest("table"), button.closest("th"));
  });
})();
