"use strict";
/* The video beside its map: the cursor follows what plays, a place on the map is gone to, the sound is changed under the same picture. */
(function () {
  const of = (id) => document.getElementById(id);
  const data = syncqc.data, map = syncqc.map, video = of("video"), cursor = of("cursor"), stage = of("map-stage");
  const last_s = data.end_s - 1 / data.image_rate_hz;
  let now_s = data.first_s;

  /* ---- where we are ---- */

  function show(time_s) {
    now_s = Math.min(Math.max(time_s, data.first_s), data.end_s);
    cursor.style.left = map.x_of(now_s) + "px";
    const { face, probability, speaks } = map.at(now_s);
    const said = [now_s.toFixed(2) + " s"];
    if (face && face.failure !== null) said.push("not measured: " + face.failure);
    else if (face && face.offset !== null) {
      said.push("at offset " + map.signed(face.offset) + ": " + (probability === null ? "not measured" : "p " + probability.toFixed(2)));
      if (probability !== null) said.push(speaks ? "the face is the speaker" : "the face is not the speaker");
    } else said.push("no face is shown here");
    of("readout").textContent = said.join(" · ");
    cursor.setAttribute("aria-valuenow", now_s.toFixed(2));
    cursor.setAttribute("aria-valuetext", said.join(", "));
    show_box(face);
    if (face !== marked) mark(face);
  }

  /* The table's line of the face that is shown. */
  let marked = null;
  function mark(face) {
    marked = face;
    for (const button of document.querySelectorAll("button.seek"))
      button.closest("tr").classList.toggle("is-here", face !== undefined && Math.abs(face.start_s - Number(button.dataset.seek)) < 1e-3);
  }

  function show_box(face) {
    const box = of("box");
    if (!box) return;
    const boxes = face ? face.boxes : [];
    box.hidden = !boxes.length;
    if (!boxes.length) return;
    let i = boxes.findIndex((one) => one[0] > now_s);
    if (i < 0) i = boxes.length;
    const before = boxes[Math.max(i - 1, 0)], after = boxes[Math.min(i, boxes.length - 1)];
    const share = after[0] > before[0] ? (now_s - before[0]) / (after[0] - before[0]) : 0;
    const [left, top, right, bottom] = [1, 2, 3, 4].map((k) => before[k] + share * (after[k] - before[k]));
    const percent = (value) => (100 * value).toFixed(2) + "%";
    Object.assign(box.style, { left: percent(left), top: percent(top), width: percent(right - left), height: percent(bottom - top) });
  }

  /* To the middle of an image: its edges may be rounded into the one before. */
  function seek(time_s) {
    const image = Math.floor((Math.min(Math.max(time_s, data.first_s), last_s) - data.first_s) * data.image_rate_hz + 1e-6);
    const within_s = (image + 0.5) / data.image_rate_hz;
    if (video) video.currentTime = within_s;
    show(data.first_s + within_s);
  }

  /* ---- the video and its two sounds ---- */

  const addresses = {};
  function address_of(sound) {
    if (!addresses[sound]) addresses[sound] = URL.createObjectURL(new Blob([syncqc.bytes(data.recording[sound])], { type: data.recording.type }));
    return addresses[sound];
  }

  /* Where to go on once the other file is there; kept where one changes again before that. */
  let before = null;
  function hear(sound) {
    before = before || { time_s: video.currentTime, plays: !video.paused && !video.ended, rate: video.playbackRate };
    video.src = address_of(sound);
  }

  function go_on() {
    if (!before) return;
    const { time_s, plays, rate } = before;
    before = null;
    video.currentTime = time_s;
    video.playbackRate = rate;
    if (plays) video.play().catch(() => {});
  }

  function follow() {
    if (video.readyState && !video.seeking) show(data.first_s + video.currentTime);
    if (!video.paused && !video.ended) requestAnimationFrame(follow);
  }

  if (video) {
    video.addEventListener("loadedmetadata", go_on);
    video.src = address_of("as_it_is");
    video.addEventListener("play", () => requestAnimationFrame(follow));
    for (const event of ["seeked", "pause", "timeupdate"])
      video.addEventListener(event, () => { if (video.readyState && !video.seeking) show(data.first_s + video.currentTime); });
    video.addEventListener("error", () => {
      of("video-trouble").textContent = "This browser cannot play " + data.recording.type + "; the map and the numbers hold all the same.";
      of("video-trouble").hidden = false;
    });
    const sounds = of("sounds");
    if (sounds) sounds.addEventListener("change", (event) => hear(event.target.value));
  }

  /* ---- the map as a control ---- */

  function go_to_pointer(event) { seek(map.time_of(event.clientX - of("drawing-map").getBoundingClientRect().left)); }

  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    go_to_pointer(event);
    const until = new AbortController();
    addEventListener("pointermove", go_to_pointer, { signal: until.signal });
    for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => until.abort(), { signal: until.signal });
  });

  /* A press would take the focus from the cursor, and select text. */
  stage.addEventListener("mousedown", (event) => {
    event.preventDefault();
    cursor.focus({ preventScroll: true });
  });

  cursor.addEventListener("keydown", (event) => {
    const image_s = 1 / data.image_rate_hz, here_s = data.first_s + Math.floor((now_s - data.first_s) * data.image_rate_hz + 1e-6) / data.image_rate_hz;
    const steps = { ArrowLeft: -image_s, ArrowDown: -image_s, ArrowRight: image_s, ArrowUp: image_s, PageDown: -1, PageUp: 1 };
    if (event.key in steps) seek(here_s + steps[event.key] * (event.shiftKey ? 5 : 1));
    else if (event.key === "Home") seek(data.first_s);
    else if (event.key === "End") seek(last_s);
    else if (event.key === " " && video) { if (video.paused) video.play().catch(() => {}); else video.pause(); }
    else return;
    event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button.seek");
    if (button) seek(Number(button.dataset.seek));
  });

  /* ---- which face ---- */

  function select(index) {
    map.select(data.choices[index]);
    for (const table of document.querySelectorAll(".choice")) table.hidden = Number(table.dataset.choice) !== index;
    const verdict = document.querySelector('.choice[data-choice="' + index + '"] .verdict');
    if (verdict) document.querySelector(".lead").textContent = verdict.textContent;
    show(now_s);
  }

  const face = of("face");
  if (face) face.addEventListener("change", () => select(Number(face.value)));
  Object.assign(cursor.style, { top: map.margin.t + "px", height: map.height - map.margin.t - map.margin.b + "px" });
  new ResizeObserver(() => { syncqc.draw("map"); show(now_s); }).observe(stage);
  syncqc.add("map", map.figure);
  select(face ? Number(face.value) : 0);
})();
