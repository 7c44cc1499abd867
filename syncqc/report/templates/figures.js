"use strict";
/* Figures of a page: drawn with Plotly in the page's colours once they come near the window, drawn again when the colours change, saved as
   PNG, SVG and CSV. */
const syncqc = { data: JSON.parse(document.getElementById("data").textContent), figures: {}, painters: [], near: new Set(), stale: new Set() };

/* Told apart in both themes and by most colour-blind readers (Okabe and Ito, lightness evened). */
syncqc.palette = { light: ["#0b5cad", "#c2500a", "#0a7d5a", "#a8326f", "#7a6000", "#3f8fb5", "#5b4bb5", "#6b6b6b"],
                   dark: ["#6db3f2", "#f29a5a", "#4cc9a0", "#ee8fbe", "#d9c14a", "#9ad5ee", "#b3a6f5", "#b9b9b9"] };

syncqc.theme = function () {
  const style = getComputedStyle(document.documentElement);
  const name = document.documentElement.dataset.theme;
  const of = (variable) => style.getPropertyValue(variable).trim();
  return { name, text: of("--text"), quiet: of("--quiet"), line: of("--line"), ground: of("--ground"), panel: of("--panel"),
           accent: of("--accent"), good: of("--good"), bad: of("--bad"), colours: syncqc.palette[name],
           scale: name === "dark" ? "Cividis" : "Viridis" };
};

/* Plotly reads tags in texts: a stranger's text is shown as it is. */
syncqc.plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

/* `figure` has traces(theme), layout(theme) and csv() (rows of cells, the first one the heads). */
syncqc.add = function (name, figure) {
  syncqc.figures[name] = figure;
  syncqc.draw(name);
};

/* Figures this close to the window are drawn, so that a page with many of them opens at once. */
syncqc.watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    const name = target.id.slice("drawing-".length);
    if (isIntersecting) syncqc.near.add(name); else syncqc.near.delete(name);
    if (isIntersecting && syncqc.stale.has(name)) syncqc.drawNow(name);
  }
}, { rootMargin: "600px 0px" });

/* Now where the figure is near, and otherwise once it is; until then its place is kept free. */
syncqc.draw = function (name) {
  if (syncqc.near.has(name)) return syncqc.drawNow(name);
  const element = document.getElementById("drawing-" + name);
  element.style.minHeight = (syncqc.figures[name].layout(syncqc.theme()).height || syncqc.height) + "px";
  syncqc.stale.add(name);
  syncqc.watcher.observe(element);
  return undefined;
};

syncqc.height = 300;

/* Runs Plotly, once; the page's policy knows its text. */
syncqc.start = function () {
  const source = document.getElementById("plotly");
  if (source.type !== "text/plain") return;
  const script = document.createElement("script");
  script.textContent = source.textContent;
  script.id = source.id;
  source.replaceWith(script);
};

/* `width` in pixels; without one, as wide as the place for it. */
syncqc.drawNow = function (name, width) {
  syncqc.start();
  syncqc.stale.delete(name);
  const element = document.getElementById("drawing-" + name);
  const theme = syncqc.theme(), figure = syncqc.figures[name], own = figure.layout(theme);
  const axis = { gridcolor: theme.line, linecolor: theme.line, zerolinecolor: theme.line, automargin: true };
  const layout = Object.assign({ paper_bgcolor: theme.panel, plot_bgcolor: theme.panel, font: { color: theme.text, size: 13 },
    margin: { l: 50, r: 15, t: 10, b: 45 }, legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", maxheight: 0.9 }, colorway: theme.colours, height: syncqc.height, hovermode: "closest" }, own, width ? { width } : {});
  for (const key of Object.keys(layout)) if (/^[xy]axis\d*$/.test(key)) layout[key] = Object.assign({}, axis, layout[key]);
  for (const key of ["xaxis", "yaxis"]) layout[key] = layout[key] || axis;
  return Plotly.react(element, figure.traces(theme), layout, { displayModeBar: false, responsive: true });
};

/* What else has the page's colours: called now, and whenever they change. */
syncqc.onTheme = function (paint) { syncqc.painters.push(paint); paint(); };

syncqc.drawAll = function () {
  for (const name of Object.keys(syncqc.figures)) syncqc.draw(name);
  syncqc.paint();
};

syncqc.paint = () => syncqc.painters.forEach((paint) => paint());

syncqc.csv = function (rows) {
  const cell = (value) => {
    let text = value === null || value === undefined ? "" : String(value);
    /* A spreadsheet would run what begins like a formula. */
    if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = "'" + text;
    return /[",\n\r]/.test(text) ? '"' + text.replace(/"/g, '""') + '"' : text;
  };
  return rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
};

syncqc.save = function (name, text, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
};

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-figure]");
  if (!button) return;
  const name = button.dataset.figure, kind = button.dataset.kind;
  if (kind === "csv") syncqc.save("syncqc-" + name + ".csv", syncqc.csv(syncqc.figures[name].csv()), "text/csv");
  else {
    if (syncqc.stale.has(name)) syncqc.drawNow(name);
    Plotly.downloadImage(document.getElementById("drawing-" + name), { format: kind, filename: "syncqc-" + name, scale: kind === "png" ? 2 : 1 });
  }
});

(function () {
  const choice = document.getElementById("theme"), system = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    document.documentElement.dataset.theme = choice.value === "auto" ? (system.matches ? "dark" : "light") : choice.value;
    syncqc.drawAll();
  };
  choice.addEventListener("change", apply);
  system.addEventListener("change", apply);
  /* On paper the colours are light, and the widths, which are not known yet, those of an upright A4 or letter page. */
  addEventListener("beforeprint", () => {
    document.documentElement.dataset.theme = "light";
    for (const name of Object.keys(syncqc.figures))
      syncqc.drawNow(name, document.getElementById("figure-" + name).parentElement.matches(".figures") ? 300 : 640);
    syncqc.paint();
  });
  addEventListener("afterprint", apply);
  apply();
})();
