"use strict";
/* The report's figures: histograms, joint densities, funnel, bias and the datasets' own offsets. */
/* A dataset's name as legends and axes have room for. */
syncqc.short = function (d) {
  const text = syncqc.data.datasets[d].label;
  return syncqc.plain(text.length > 24 ? text.slice(0, 23) + "…" : text);
};

/* Many names stand one below the other above the figure. */
syncqc.legendHeight = () => syncqc.height + 19 * Math.max(0, syncqc.data.datasets.length - 2);

syncqc.dash = (d) => ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"][d % 6];

(function () {
  const { datasets, histograms, density, corner, funnels, own_offsets: own } = syncqc.data;
  const shares = document.getElementById("shares");
  const sum = (values) => values.reduce((a, b) => a + b, 0);
  const label = (d) => syncqc.plain(datasets[d].label);
  const names = datasets.map((dataset) => dataset.name);

  /* Logarithmic where the fullest bin would press most others flat. */
  function isLog(histogram) {
    if (shares.value !== "auto") return shares.value === "log";
    return histogram.counts.some((counts) => {
      const seen = counts.filter((n) => n > 0).sort((a, b) => a - b);
      return seen.length > 3 && seen[seen.length - 1] > 40 * seen[seen.length >> 1];
    });
  }

  /* What empty bins are drawn at: nothing, or the power of ten below the emptiest bin that holds something. */
  function floor(histogram) {
    if (!isLog(histogram)) return 0;
    const least = histogram.counts.map((bins) => Math.min(...bins.filter((count) => count > 0)) / (sum(bins) || 1)).filter(Number.isFinite);
    return 10 ** Math.floor(Math.log10(Math.min(0.1, ...least)) - 0.01);
  }

  function addHistogram(histogram) {
    const { edges, counts } = histogram, name = "histogram-" + histogram.name;
    const nBins = edges.length - 1;
    syncqc.add(name, {
      traces: (theme) => counts.map((bins, d) => {
        const n = sum(bins) || 1, colour = theme.colours[d % theme.colours.length];
        /* A step line: each bin from edge to edge, down to nothing at both ends. */
        const bottom = floor(histogram), y = bins.map((count) => Math.max(count / n, bottom));
        return { x: [edges[0], ...edges], y: [bottom, ...y, bottom], name: syncqc.short(d), mode: "lines",
          line: { shape: "hv", color: colour, width: 2, dash: counts.length > 1 ? syncqc.dash(d) : "solid" }, fill: counts.length === 1 ? "tozeroy" : "none",
          customdata: ["", ...bins, ""], hovertemplate: "%{customdata}, %{y:.2%}, from %{x}<extra>" + label(d) + "</extra>" };
      }),
      layout: () => ({ xaxis: { title: { text: histogram.unit ? histogram.title + ", " + histogram.unit : histogram.title }, range: [edges[0], edges[nBins]] },
        yaxis: { title: { text: histogram.name.startsWith("clip_") ? "share of clips" : "share of rows" }, type: isLog(histogram) ? "log" : "linear", rangemode: "tozero", range: isLog(histogram) ? [Math.log10(floor(histogram)), 0.05] : undefined, tickformat: isLog(histogram) ? ".2~%" : ".0%", dtick: isLog(histogram) ? 1 : undefined },
        showlegend: datasets.length > 1, height: syncqc.legendHeight() }),
      csv: () => [["from", "to", ...names]].concat(
        Array.from({ length: nBins }, (_, i) => [edges[i], edges[i + 1], ...counts.map((bins) => bins[i])])),
    });
  }

  function addDensity(d) {
    const { x_edges: x, y_edges: y } = density, counts = density.counts[d], n = sum(counts.map(sum)) || 1;
    const most = Math.max(1, ...density.counts.map((rows, i) => Math.max(...rows.flat()) / (sum(rows.map(sum)) || 1)));
    const least = 1e-4, ticks = [-4, -3, -2, -1, 0];
    syncqc.add("density-" + d, {
      traces: (theme) => [{ type: "heatmap", x, y, z: counts.map((row) => row.map((count) => (count ? Math.log10(Math.max(least, count / n)) : null))),
        customdata: counts, colorscale: theme.scale, zmin: -4, zmax: Math.log10(Math.min(1, most)), hoverongaps: false,
        colorbar: { thickness: 12, tickvals: ticks, ticktext: ["0.01 %", "0.1 %", "1 %", "10 %", "100 %"], outlinewidth: 0 },
        hovertemplate: "%{customdata} rows<extra></extra>" }],
      layout: (theme) => ({ xaxis: { title: { text: "probability at offset" }, range: [0, 1] }, yaxis: { title: { text: "offscreen ratio" }, range: [0, 1] },
        shapes: [{ type: "rect", x0: corner.p, x1: 1, y0: 0, y1: corner.offscreen, line: { color: theme.bad, width: 2 } }], height: 320 }),
      csv: () => [["probability_from", "probability_to", "offscreen_from", "offscreen_to", "rows"]].concat(
        counts.flatMap((row, j) => row.map((count, i) => [x[i], x[i + 1], y[j], y[j + 1], count]))),
    });
  }

  function addFunnel() {
    const manifests = Object.keys(funnels);
    if (!manifests.length) return;
    const share = (steps, i) => (steps[0].length_s ? steps[i].length_s / steps[0].length_s : 0);
    syncqc.add("funnel", {
      traces: (theme) => manifests.map((name, m) => ({ type: "bar", orientation: "h", y: funnels[name].map((step) => step.rule), x: funnels[name].map((step, i) => share(funnels[name], i)),
        name: syncqc.plain(name), marker: { color: theme.colours[m % theme.colours.length] }, text: funnels[name].map((step) => syncqc.length(step.length_s)), textposition: "auto",
        hovertemplate: "%{y}: %{x:.1%}<extra>" + syncqc.plain(name) + "</extra>" })),
      layout: () => ({ xaxis: { title: { text: "share of time left" }, range: [0, 1.02], tickformat: ".0%" }, yaxis: { autorange: "reversed", type: "category" }, barmode: "group",
        showlegend: manifests.length > 1, height: 90 + 34 * Math.max(...manifests.map((name) => funnels[name].length)) * Math.max(1, manifests.length * 0.6) }),
      csv: () => [["manifest", "rule", "wanted", "rows", "clips", "length_s"]].concat(
        manifests.flatMap((name) => funnels[name].map((step) => [name, step.rule, step.wanted, step.n_rows, step.n_clips, step.length_s]))),
    });
  }

  function quantile(edges, counts, share) {
    const wanted = share * sum(counts);
    let seen = 0;
    for (let i = 0; i < counts.length; i++) { seen += counts[i]; if (seen >= wanted && seen > 0) return Math.round((edges[i] + edges[i + 1]) / 2); }
    return null;
  }

  function addBias() {
    const found = histograms.find((one) => one.name === "offset_frames");
    if (!found) return;
    const at = (share) => found.counts.map((counts) => (sum(counts) ? quantile(found.edges, counts, share) : null));
    const middle = at(0.5), low = at(0.05), high = at(0.95), labels = datasets.map((dataset, d) => label(d));
    const wide = (values) => values.filter((value) => value !== null).map(Math.abs);
    const reach = Math.max(3, ...wide(low), ...wide(high)) + 1;
    syncqc.add("bias", {
      traces: (theme) => datasets.map((dataset, d) => ({ x: [middle[d]], y: [labels[d]], mode: "markers", showlegend: false,
        marker: { size: 13, color: theme.colours[d % theme.colours.length] },
        error_x: { type: "data", symmetric: false, array: [high[d] - middle[d]], arrayminus: [middle[d] - low[d]], color: theme.colours[d % theme.colours.length] },
        hovertemplate: "median %{x}, nine in ten rows from " + low[d] + " to " + high[d] + "<extra>" + labels[d] + "</extra>" })),
      layout: (theme) => ({ xaxis: { title: { text: "late ◂ offset, images ▸ early" }, range: [-reach, reach], zeroline: true, zerolinecolor: theme.text },
        yaxis: { type: "category", autorange: "reversed", ticktext: labels.map((_, d) => syncqc.short(d)), tickvals: labels }, height: Math.max(300, 130 + 45 * datasets.length) }),
      csv: () => [["dataset", "median_frames", "share_5_frames", "share_95_frames"]].concat(datasets.map((_, d) => [names[d], middle[d], low[d], high[d]])),
    });
  }

  function addOwn(one, i) {
    const most = Math.max(1, ...one.pairs.map((pair) => pair[2])), all = one.pairs.flatMap((pair) => [pair[0], pair[1]]);
    const reach = [Math.min(-1, ...all) - 1, Math.max(1, ...all) + 1];
    syncqc.add("own-" + i, {
      traces: (theme) => [
        { x: reach, y: reach.map((value) => value + one.bias_frames), mode: "lines", line: { color: theme.quiet, dash: "dash", width: 1 }, hoverinfo: "skip", showlegend: false },
        { x: one.pairs.map((pair) => pair[0]), y: one.pairs.map((pair) => pair[1]), mode: "markers", showlegend: false, customdata: one.pairs.map((pair) => pair[2]),
          marker: { color: theme.colours[0], size: one.pairs.map((pair) => 5 + 17 * Math.sqrt(pair[2] / most)), opacity: 0.75 },
          hovertemplate: "theirs %{x}, ours %{y}: %{customdata} clips<extra></extra>" }],
      layout: () => ({ xaxis: { title: { text: "offset that the dataset gives, images" }, range: reach }, yaxis: { title: { text: "offset measured, images" }, range: reach }, height: 340 }),
      csv: () => [["dataset_offset_frames", "clip_offset_frames", "clips"]].concat(one.pairs),
    });
  }

  histograms.forEach(addHistogram);
  density.counts.forEach((_, d) => { if (document.getElementById("drawing-density-" + d)) addDensity(d); });
  addFunnel();
  addBias();
  own.forEach(addOwn);
  shares.addEventListener("change", () => histograms.forEach((histogram) => syncqc.draw("histogram-" + histogram.name)));

  syncqc.onTheme(() => {
    const colours = syncqc.theme().colours;
    for (const swatch of document.querySelectorAll("[data-colour]")) swatch.style.background = colours[Number(swatch.dataset.colour) % colours.length];
  });
})();
