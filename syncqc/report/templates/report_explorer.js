"use strict";
/* The thresholds: what they keep, the curve of kept time, and the command that does the same. */
(function () {
  const { cells, datasets, sources } = syncqc.data;
  const form = document.getElementById("thresholds"), command = document.getElementById("command");
  const inputs = cells.sliders.map((slider) => document.getElementById("slider-" + slider.name));
  const p = cells.sliders.findIndex((slider) => slider.name === "p");

  const setting = () => ({
    places: inputs.map((input) => Number(input.value)),
    bits: chosen("bit").reduce((bits, box) => bits | (1 << Number(box.dataset.bit)), 0),
  });

  const chosen = (name) => Array.from(form.querySelectorAll("input[data-" + name + "]:checked"));

  const units = { max_offset: " images", min_face_px: " px" };
  const inWords = (slider, place) => (place < 0 ? "off" : slider.limits[place] + (units[slider.name] || ""));

  function showValues(now) {
    cells.sliders.forEach((slider, s) => {
      const said = inWords(slider, now.places[s]);
      inputs[s].setAttribute("aria-valuetext", said);
      document.getElementById("value-" + slider.name).textContent = said;
    });
  }

  function showKept(now) {
    const sums = syncqc.count.perDataset(now), all = syncqc.data.all, total = sums[datasets.length];
    sums.forEach((sum, d) => fill(d, sum, datasets[d] || all));
    /* On narrow screens the table is out of sight while a slider is moved. */
    form.querySelector(".total").textContent = "Keeps " + syncqc.length(total.length_s) + " of " + syncqc.length(all.length_s) + ", " +
      syncqc.number(total.rows) + " of " + syncqc.number(all.rows) + " rows";
  }

  function fill(row, sum, of) {
    const line = document.querySelector('#kept tr[data-dataset="' + row + '"]');
    if (!line) return;
    const cell = (name) => line.querySelector('[data-kept="' + name + '"]');
    const share = of.length_s ? sum.length_s / of.length_s : 0;
    const about = cells.clip_sample > 1 ? "about " : "";
    cell("rows").textContent = syncqc.number(sum.rows) + " of " + syncqc.number(of.rows);
    cell("clips").textContent = about + syncqc.number(sum.clips) + " of " + syncqc.number(of.clips);
    cell("time").textContent = syncqc.length(sum.length_s) + " of " + syncqc.length(of.length_s);
    const bar = document.createElement("span"), full = document.createElement("span");
    full.className = "share";
    bar.className = "bar";
    bar.style.width = 100 * Math.min(1, share) + "%";
    full.append(bar);
    cell("share").replaceChildren(full, " " + syncqc.percent(share));
  }

  /* Options that differ from what `syncqc filter` does by itself, and the two that every reader asks for. */
  function options(now) {
    const said = [];
    cells.sliders.forEach((slider, s) => {
      const place = now.places[s], isAlways = slider.name === "p" || slider.name === "offscreen";
      if (place >= 0 && (isAlways || place !== slider.default)) said.push(slider.option + " " + slider.limits[place]);
    });
    for (const box of chosen("option")) said.push(box.dataset.option);
    const artefacts = chosen("artefact").map((box) => box.dataset.artefact);
    if (artefacts.length) said.push("--artefacts " + artefacts.join(","));
    return said.join(" ");
  }

  function showCommand(now) {
    command.textContent = sources.map((source) => [source.filter, options(now), source.out].join(" ")).join("\n");
  }

  function unit() {
    const most = Math.max(0, ...datasets.map((dataset) => dataset.length_s));
    return most >= 5400 ? [3600, "hours"] : most >= 90 ? [60, "minutes"] : [1, "seconds"];
  }

  if (p >= 0) syncqc.figures.pareto = {
    traces(theme) {
      const now = setting(), limits = cells.sliders[p].limits, [divisor] = unit();
      return syncqc.count.curve(now, p).flatMap((left, d) => {
        const colour = theme.colours[d % theme.colours.length], label = syncqc.plain(datasets[d].label);
        const line = { x: limits, y: left.map((s) => s / divisor), name: syncqc.short(d), mode: "lines", line: { color: colour, width: 2, dash: syncqc.dash(d), shape: "hv" },
          hovertemplate: "%{y:.4g} at p %{x}<extra>" + label + "</extra>" };
        const at = now.places[p];
        return [line, { x: at < 0 ? [] : [limits[at]], y: at < 0 ? [] : [left[at] / divisor], mode: "markers", marker: { color: colour, size: 11 }, showlegend: false, hoverinfo: "skip" }];
      });
    },
    layout: () => ({ xaxis: { title: { text: "least probability at offset" }, range: [Math.min(...cells.sliders[p].limits), Math.max(...cells.sliders[p].limits)] },
      yaxis: { title: { text: unit()[1] + " kept" }, rangemode: "tozero" }, showlegend: datasets.length > 1,
      height: syncqc.legendHeight() }),
    csv: () => [["dataset", "p", "kept_s"]].concat(syncqc.count.curve(setting(), p).flatMap((left, d) => left.map((s, k) => [datasets[d].name, cells.sliders[p].limits[k], +s.toFixed(3)]))),
  };

  function show() {
    const now = setting();
    showValues(now);
    showKept(now);
    showCommand(now);
    if (syncqc.figures.pareto) syncqc.draw("pareto");
  }

  form.addEventListener("input", show);
  /* The fields have their first values only after the event. */
  form.addEventListener("reset", () => setTimeout(show, 0));
  form.addEventListener("submit", (event) => event.preventDefault());
  show();
})();
