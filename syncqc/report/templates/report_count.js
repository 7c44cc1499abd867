"use strict";
/* What any setting of the thresholds keeps, from the rows that no setting tells apart: the same numbers as `syncqc filter`. */
syncqc.count = (function () {
  const cells = syncqc.data.cells, nCells = cells.dataset.length, nDatasets = syncqc.data.datasets.length;

  /* Per cell 1 where it is kept. `setting` has `places`, per slider a place in its limits or -1 for off, and `bits`, one per artefact and switch that is asked for. */
  function kept(setting, leftOut = -1) {
    const flags = new Uint8Array(nCells);
    for (let c = 0; c < nCells; c++) flags[c] = (cells.artefact_bits[c] & setting.bits) === 0 ? 1 : 0;
    setting.places.forEach((place, s) => {
      if (place < 0 || s === leftOut) return;
      const levels = cells.levels[s];
      for (let c = 0; c < nCells; c++) if (levels[c] <= place) flags[c] = 0;
    });
    return flags;
  }

  const nothing = () => ({ rows: 0, clips: 0, length_s: 0 });

  /* Adds the weight of each set of cells of which some stays: once to each dataset that has a staying one, once to all. */
  function addSets(sets, weights, flags, add) {
    sets.forEach((set, i) => {
      let staying = 0;
      for (const c of set) if (flags[c]) staying |= 1 << cells.dataset[c];
      if (!staying) return;
      for (let d = 0; d < nDatasets; d++) if (staying & (1 << d)) add(d, weights[i]);
      add(nDatasets, weights[i]);
    });
  }

  /* Per dataset, and last for all together, the rows, clips and time that the setting keeps. */
  function perDataset(setting) {
    const flags = kept(setting), sums = Array.from({ length: nDatasets + 1 }, nothing), all = sums[nDatasets];
    for (let c = 0; c < nCells; c++) {
      if (!flags[c]) continue;
      const sum = sums[cells.dataset[c]];
      for (const one of [sum, all]) { one.rows += cells.n_rows[c]; one.length_s += cells.length_s[c]; }
    }
    addSets(cells.clips, cells.n_clips, flags, (place, n) => { sums[place].clips += n * cells.clip_sample; });
    addSets(cells.shared, cells.shared_s, flags, (place, length_s) => { sums[place].length_s += length_s; });
    return sums;
  }

  /* Per dataset, per limit of the slider, the time that is kept there with the others as in the setting. */
  function curve(setting, slider) {
    const flags = kept(setting, slider), levels = cells.levels[slider], n = cells.sliders[slider].limits.length;
    const lengths = Array.from({ length: nDatasets }, () => new Float64Array(n + 1));
    for (let c = 0; c < nCells; c++) if (flags[c]) lengths[cells.dataset[c]][levels[c]] += cells.length_s[c];
    /* What several cells cover together stays as long as the best of them. */
    cells.shared.forEach((set, i) => {
      const best = new Map();
      for (const c of set) if (flags[c]) best.set(cells.dataset[c], Math.max(levels[c], best.get(cells.dataset[c]) || 0));
      for (const [d, level] of best) lengths[d][level] += cells.shared_s[i];
    });
    return lengths.map((at) => {
      const left = [];
      let sum = 0;
      for (let k = n; k > 0; k--) { sum += at[k]; left[k - 1] = sum; }
      return left;
    });
  }

  return { perDataset, curve };
})();

/* Fixed decimals; a tie goes to the even digit, as where the command line rounds. */
syncqc.fixed = function (value, nDecimals) {
  const exact = value.toFixed(60), cut = exact.length - 60 + nDecimals;
  if (!/^50*$/.test(exact.slice(cut))) return value.toFixed(nDecimals);
  const below = exact.slice(0, cut).replace(/\.$/, "");
  return Number(below[below.length - 1]) % 2 ? value.toFixed(nDecimals) : below;
};

/* A length as people say it: 12 s, 3.5 min, 2.25 h, 1,234 h. */
syncqc.length = function (seconds) {
  if (seconds < 90) return syncqc.fixed(seconds, 0) + " s";
  if (seconds < 5400) return syncqc.fixed(seconds / 60, 1) + " min";
  return seconds < 360000 ? syncqc.fixed(seconds / 3600, 2) + " h" : syncqc.number(Number(syncqc.fixed(seconds / 3600, 0))) + " h";
};

syncqc.number = (value) => value.toLocaleString("en-US");

syncqc.percent = (share) => (share > 0 && share < 0.01 ? "<\u00a01\u00a0%" : share < 1 && share > 0.99 ? ">\u00a099\u00a0%" : syncqc.fixed(100 * share, 0) + "\u00a0%");
