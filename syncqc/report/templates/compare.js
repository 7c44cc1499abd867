"use strict";
/* The figures of a comparison: who keeps what, moved offsets, and two columns of OLD against those of NEW. */
(function () {
  const data = syncqc.data;
  const MANY = 100;
  const isDrawn = (name) => document.getElementById("drawing-" + name) !== null;
  const spread = (counts) => Math.max(...counts) / Math.max(1, Math.min(...counts.filter((n) => n > 0)));
  /* On a log axis a bar of one row still has to be seen. */
  const rows = (counts) => (spread(counts) > MANY ? { type: "log", dtick: 1, range: [Math.log10(0.7), Math.log10(2 * Math.max(...counts))], title: { text: "rows (log)" } }
                                                  : { rangemode: "tozero", title: { text: "rows" } });

  function addKept(kept) {
    const labels = Object.keys(kept.times);
    syncqc.add("kept", {
      traces: (theme) => {
        const colours = { both: theme.good, "only OLD": theme.colours[1], "only NEW": theme.colours[0], neither: theme.line };
        return labels.map((label) => ({ type: "bar", orientation: "h", name: label, x: kept.times[label], y: kept.datasets.map((_, i) => i),
          marker: { color: colours[label] }, text: kept.datasets.map(syncqc.plain), textposition: "none",
          hovertemplate: "%{text}<br>" + label + ": %{x:.4g} " + kept.unit + "<extra></extra>" }));
      },
      layout: () => ({ barmode: "stack", height: 130 + 34 * kept.datasets.length, xaxis: { title: { text: kept.unit }, rangemode: "tozero" }, legend: { orientation: "h", y: 1.02, yanchor: "bottom", traceorder: "normal" },
        yaxis: { autorange: "reversed", tickvals: kept.datasets.map((_, i) => i), ticktext: kept.datasets.map((name) => syncqc.plain(shortened(name))) } }),
      csv: () => [["dataset", ...labels.map((label) => kept.unit + " " + label)], ...kept.datasets.map((name, i) => [name, ...labels.map((label) => kept.times[label][i])])],
    });
  }

  function shortened(name) { return name.length > 22 ? name.slice(0, 10) + "…" + name.slice(-11) : name; }

  function addMoves(moves) {
    const labels = Object.keys(moves.rows);
    syncqc.add("moves", {
      traces: (theme) => labels.map((label, i) => ({ type: "bar", name: label, x: moves.moved, y: moves.rows[label], marker: { color: theme.colours[i] },
        hovertemplate: "moved by %{x:+d}: %{y:,} rows<extra>" + label + "</extra>" })),
      layout: () => ({ barmode: "group", bargap: 0.2, xaxis: { title: { text: "images that the offset moved by" }, ...(moves.moved.length < 12 ? { dtick: 1 } : {}) },
        yaxis: rows(Object.values(moves.rows).flat()), legend: { orientation: "h", y: 1.02, yanchor: "bottom" } }),
      csv: () => [["moved_images", ...labels], ...moves.moved.map((moved, i) => [moved, ...labels.map((label) => moves.rows[label][i])])],
    });
  }

  function addBoth(name, change) {
    const called = change.clips.map((clip, i) => syncqc.plain(clip) + ", part " + change.parts[i]);
    const points = (theme) => ({ type: "scatter", mode: "markers", name: change.density ? "changed most" : "rows", x: change.old, y: change.new, text: called,
      marker: { color: change.density ? theme.bad : theme.accent, size: 6, opacity: change.density ? 0.9 : 0.65, line: { color: theme.ground, width: 0.5 } },
      hovertemplate: "%{text}<br>OLD %{x:.3f}, NEW %{y:.3f}<extra></extra>", showlegend: false });
    const cells = (theme) => {
      const n = change.density.length, middles = change.density.map((_, i) => (i + 0.5) / n);
      const counts = change.density.flat().filter((count) => count > 0), high = Math.ceil(Math.log10(Math.max(...counts)));
      return { type: "heatmap", x: middles, y: middles, z: change.density.map((line) => line.map((count) => (count ? Math.log10(count) : null))),
        customdata: change.density, colorscale: theme.scale, zmin: 0, zmax: high, hoverongaps: false,
        colorbar: { title: { text: "rows" }, thickness: 12, tickvals: [...Array(high + 1).keys()], ticktext: [...Array(high + 1).keys()].map((k) => (10 ** k).toLocaleString("en")) },
        hovertemplate: "OLD %{x:.2f}, NEW %{y:.2f}: %{customdata:,} rows<extra></extra>" };
    };
    const lines = (theme) => {
      const line = (x0, y0, x1, y1, dash) => ({ type: "line", x0, y0, x1, y1, line: { color: theme.quiet, width: 1, dash } });
      const limits = change.limit === null ? [] : [line(change.limit, 0, change.limit, 1, "dot"), line(0, change.limit, 1, change.limit, "dot")];
      return [line(0, 0, 1, 1, "dash"), ...limits];
    };
    syncqc.add(name + "-both", {
      traces: (theme) => (change.density ? [cells(theme), points(theme)] : [points(theme)]),
      layout: (theme) => ({ height: 420, shapes: lines(theme), xaxis: { title: { text: "OLD" }, range: [-0.02, 1.02], zeroline: false },
        yaxis: { title: { text: "NEW" }, range: [-0.02, 1.02], zeroline: false } }),
      csv: () => [["clip_id", "part_index", "old", "new", "rows"], ...change.clips.map((clip, i) => [clip, change.parts[i], change.old[i], change.new[i], 1]), ...cellRows(change.density)],
    });
  }

  /* Middles of the cells; they have no clip. */
  function cellRows(density) {
    const n = (density || []).length, middle = (i) => Math.round(((i + 0.5) / n) * 1e6) / 1e6;
    return (density || []).flatMap((line, j) => line.map((count, i) => ["", "", middle(i), middle(j), count]).filter((row) => row[4] > 0));
  }

  function addDifference(name, change) {
    const middle = (change.differences.length - 1) / 2;
    const at = change.differences.map((_, i) => Math.round((i - middle) * change.step * 1e6) / 1e6);
    const filled = at.filter((_, i) => change.differences[i] > 0), far = Math.max(0.1, ...filled.map(Math.abs)) + change.step;
    syncqc.add(name + "-difference", {
      traces: (theme) => [{ type: "bar", x: at, y: change.differences, marker: { color: at.map((x) => (x === 0 ? theme.quiet : x < 0 ? theme.colours[1] : theme.colours[0])) },
        hovertemplate: "around %{x:+.2f}: %{y:,} rows<extra></extra>", width: change.step * 0.9 }],
      layout: () => ({ height: 420, xaxis: { title: { text: change.title + ", NEW minus OLD" }, range: [-far, far] }, yaxis: rows(change.differences), showlegend: false }),
      csv: () => [["difference_from", "difference_to", "rows"], ...at.map((x, i) => [x - change.step / 2, x + change.step / 2, change.differences[i]])],
    });
  }

  if (isDrawn("kept")) addKept(data.kept);
  addMoves(data.moves);
  for (const [name, change] of Object.entries(data.changes)) {
    if (!isDrawn(name + "-both")) continue;
    addBoth(name, change);
    addDifference(name, change);
  }
})();
