"use strict";
/* The map of the selected face: bytes become cells, the speaker's bar stands below, and times become places on it and back. */
syncqc.map = { margin: { l: 58, r: 10, t: 22, b: 108 }, height: 430, faces: [] };

syncqc.bytes = function (base64) {
  const text = atob(base64), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
};

/* Rows of probabilities from the greatest offset down; null where a cell does not count. */
syncqc.map.cells = function (map) {
  const bytes = syncqc.bytes(map.cells), rows = [];
  for (let r = 0; r < map.n_shifts; r++) {
    const row = Array.from(bytes.subarray(r * map.n_windows, (r + 1) * map.n_windows), (byte) => (byte === 255 ? null : byte / 254));
    rows.push(row);
  }
  return rows;
};

syncqc.map.select = function (choice) {
  syncqc.map.faces = choice === undefined ? [] : choice.faces.map((i) => syncqc.data.faces[i]).filter((face) => face !== null);
  for (const face of syncqc.map.faces) if (face.map && !face.rows) face.rows = syncqc.map.cells(face.map);
  syncqc.draw("map");
};

/* The face that is shown at this time, and what its map says there at its own offset. */
syncqc.map.at = function (time_s) {
  const face = syncqc.map.faces.find((one) => one.start_s <= time_s && time_s < one.end_s);
  if (!face || !face.map || face.offset === null) return { face, probability: null, speaks: null };
  const column = Math.floor((time_s - face.map.first_window_s) * syncqc.data.image_rate_hz + 1e-6);
  const row = face.rows[face.map.greatest_offset - face.offset];
  const probability = row && column >= 0 && column < row.length ? row[column] : null;
  const speaks = face.onscreen.some(([start_s, end_s]) => start_s <= time_s && time_s < end_s);
  return { face, probability, speaks };
};

syncqc.map.signed = (offset) => (offset > 0 ? "+" : "") + offset;

syncqc.map.range = function () {
  const maps = syncqc.map.faces.map((face) => face.map).filter((map) => map !== null);
  if (!maps.length) return [-15.5, 15.5];
  const least = maps.map((map) => map.greatest_offset - map.n_shifts + 1), greatest = maps.map((map) => map.greatest_offset);
  return [Math.min(...least) - 0.5, Math.max(...greatest) + 0.5];
};

/* A stretch of the speaker's bar, as Plotly's rectangle; cells that were not measured stay bare. */
syncqc.map.bar = function (start_s, end_s, colour) {
  return { type: "rect", xref: "x", yref: "y2", x0: start_s, x1: end_s, y0: 0, y1: 1, fillcolor: colour, line: { width: 0 }, layer: "below" };
};

syncqc.map.unmeasured = function (face) {
  const rate_hz = syncqc.data.image_rate_hz, row = face.map.greatest_offset - face.offset, found = [];
  const near = [row - 1, row, row + 1].filter((r) => r >= 0 && r < face.map.n_shifts);
  for (let j = 0; j < face.map.n_windows; j++)
    if (near.every((r) => face.rows[r][j] === null)) found.push(face.map.first_window_s + j / rate_hz);
  return found;
};

syncqc.map.shapes = function (theme) {
  const of = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const shapes = [], rate_hz = syncqc.data.image_rate_hz;
  const line = (x0, x1, y0, y1, colour, width) =>
    shapes.push({ type: "line", xref: "x", yref: "y", x0, x1, y0, y1, line: { color: colour, width } });
  const [least, greatest] = syncqc.map.range();
  for (const face of syncqc.map.faces) {
    for (const edge_s of [face.start_s, face.end_s]) line(edge_s, edge_s, least, greatest, theme.quiet, 1);
    if (!face.map || face.offset === null) continue;
    const end_s = face.map.first_window_s + face.map.n_windows / rate_hz;
    shapes.push(syncqc.map.bar(face.map.first_window_s, end_s, of("--silent")));
    for (const [on_s, off_s] of face.onscreen)
      if (off_s > face.map.first_window_s && on_s < end_s)
        shapes.push(syncqc.map.bar(Math.max(on_s, face.map.first_window_s), Math.min(off_s, end_s), of("--speaks")));
    for (const time_s of syncqc.map.unmeasured(face)) shapes.push(syncqc.map.bar(time_s, time_s + 1 / rate_hz, of("--map-ground")));
    for (const y of [face.offset - 0.5, face.offset + 0.5]) line(face.map.first_window_s, end_s, y, y, of("--offset"), 1.5);
  }
  return shapes;
};

/* Over each stretch its offset, and within one that was not measured why. */
syncqc.map.labels = function (theme) {
  const width = document.getElementById("drawing-map").clientWidth - syncqc.map.margin.l - syncqc.map.margin.r;
  const pixels_per_s = width / (syncqc.data.end_s - syncqc.data.first_s), labels = [];
  for (const face of syncqc.map.faces) {
    const start_s = Math.max(face.start_s, syncqc.data.first_s), end_s = Math.min(face.end_s, syncqc.data.end_s);
    const room = (end_s - start_s) * pixels_per_s, x = (start_s + end_s) / 2;
    const font = { color: theme.text, size: 12 };
    if (face.failure !== null)
      labels.push({ xref: "x", yref: "paper", x, y: 0.6, text: syncqc.plain(face.failure), showarrow: false, textangle: room < 90 ? -90 : 0, font });
    else if (face.offset !== null && room > 26)
      labels.push({ xref: "x", yref: "paper", x, y: 1, yanchor: "bottom", text: syncqc.map.signed(face.offset), showarrow: false, font });
  }
  return labels;
};

syncqc.map.figure = {
  traces(theme) {
    const step_s = 1 / syncqc.data.image_rate_hz;
    const bar = { orientation: "h", y: -0.22, yanchor: "top", x: 0.5, len: 0.9, thickness: 9, outlinewidth: 0, tickfont: { size: 11 },
                  tickvals: [0, 0.25, 0.5, 0.75, 1] };
    const traces = syncqc.map.faces.filter((face) => face.map && face.map.n_windows).map((face, i) => ({
      type: "heatmap", z: face.rows, x0: face.map.first_window_s + step_s / 2, dx: step_s, y0: face.map.greatest_offset, dy: -1,
      zmin: 0, zmax: 1, zsmooth: false, colorscale: theme.scale, showscale: i === 0, colorbar: bar, hoverongaps: false,
      hovertemplate: "%{x:.2f} s, offset %{y}: %{z:.2f}<extra></extra>" }));
    /* Without a trace of its own an axis is not drawn. */
    const empty = { type: "scatter", x: [null], y: [null], hoverinfo: "skip" };
    return [...traces, empty, { ...empty, yaxis: "y2" }];
  },
  layout(theme) {
    const fixed = { fixedrange: true, automargin: false, zeroline: false };
    const of = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    return { height: syncqc.map.height, margin: syncqc.map.margin, dragmode: false, showlegend: false, plot_bgcolor: of("--map-ground"),
      xaxis: { ...fixed, range: [syncqc.data.first_s, syncqc.data.end_s], anchor: "y2", showgrid: false,
               title: { text: "time in s after the first image shown", font: { size: 12 }, standoff: 4 } },
      yaxis: { ...fixed, range: syncqc.map.range(), domain: [0.13, 1], showgrid: false,
               title: { text: "offset in images (&gt; 0: sound early)", font: { size: 12 }, standoff: 2 } },
      yaxis2: { ...fixed, range: [0, 1], domain: [0, 0.08], tickvals: [0.5], ticktext: ["speaker"], showgrid: false, tickfont: { size: 11 } },
      shapes: syncqc.map.shapes(theme), annotations: syncqc.map.labels(theme) };
  },
  csv() {
    const rows = [["part", "time_s", "offset_frames", "probability"]];
    for (const face of syncqc.map.faces.filter((one) => one.map))
      face.rows.forEach((row, r) => row.forEach((probability, j) => rows.push([face.part,
        +(face.map.first_window_s + j / syncqc.data.image_rate_hz).toFixed(2), face.map.greatest_offset - r,
        probability === null ? null : +probability.toFixed(3)])));
    return rows;
  },
};

/* Margins are fixed, so places follow from the width alone. */
syncqc.map.x_of = function (time_s) {
  const { l, r } = syncqc.map.margin, width = document.getElementById("drawing-map").clientWidth - l - r;
  return l + (width * (time_s - syncqc.data.first_s)) / (syncqc.data.end_s - syncqc.data.first_s);
};

syncqc.map.time_of = function (x) {
  const { l, r } = syncqc.map.margin, width = document.getElementById("drawing-map").clientWidth - l - r;
  const time_s = syncqc.data.first_s + ((x - l) / width) * (syncqc.data.end_s - syncqc.data.first_s);
  return Math.min(Math.max(time_s, syncqc.data.first_s), syncqc.data.end_s);
};
