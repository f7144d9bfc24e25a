// The timeline of a kernel: drag to move, wheel to zoom, click to mark a source line.
// Data: {tracks, ops, places, code, spans: [track, op, place, start, length]} in nanoseconds.
(function () {
  "use strict";
  const data = JSON.parse(document.getElementById("timeline-data").textContent);
  const canvas = document.getElementById("timeline-canvas");
  const tip = document.getElementById("timeline-tip");
  const LEFT = 130, TOP = 24, LANE = 15, GAP = 9, MAX_LANES = 4;
  const rows = layOut(data.spans, data.tracks.length);
  const last = data.spans.reduce((end, s) => Math.max(end, s[3] + s[4]), 1);
  let from = 0, until = last, marked = -1, dragged = null;

  function layOut(spans, numTracks) {
    // Transfers of one queue overlap: each goes to the first lane that is free (times are rounded).
    const made = Array.from({ length: numTracks }, () => ({ lanes: [], ends: [] }));
    spans.forEach((span, index) => {
      const row = made[span[0]];
      let lane = row.ends.findIndex((end) => end <= span[3] + 0.2);
      if (lane < 0) lane = Math.min(row.ends.length, MAX_LANES - 1);
      if (!row.lanes[lane]) row.lanes[lane] = [];
      row.lanes[lane].push(index);
      row.ends[lane] = Math.max(row.ends[lane] || 0, span[3] + span[4]);
    });
    let top = TOP;
    for (const row of made) {
      row.top = top;
      top += Math.max(1, row.lanes.length) * LANE + GAP;
    }
    made.bottom = top;
    return made;
  }

  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const x = (t) => LEFT + (t - from) / (until - from) * (canvas.clientWidth - LEFT);
  const time = (px) => from + (px - LEFT) / (canvas.clientWidth - LEFT) * (until - from);

  function text(ns) {
    if (ns >= 1e6) return (ns / 1e6).toPrecision(4) + " ms";
    if (ns >= 1e3) return (ns / 1e3).toPrecision(4) + " \u00b5s";
    return ns.toPrecision(3) + " ns";
  }

  function draw() {
    const scale = window.devicePixelRatio || 1, width = canvas.clientWidth;
    canvas.style.height = rows.bottom + "px";
    canvas.width = width * scale;
    canvas.height = rows.bottom * scale;
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    pen.font = "11px sans-serif";
    axis(pen, width);
    data.tracks.forEach((name, i) => {
      pen.globalAlpha = 1;
      pen.fillStyle = style("--text");
      pen.fillText(name, 0, rows[i].top + 11);
      rows[i].lanes.forEach((lane, j) => drawLane(pen, lane, rows[i].top + j * LANE, width));
    });
  }

  function axis(pen, width) {
    const step = niceStep((until - from) / 6);
    pen.strokeStyle = style("--line");
    pen.fillStyle = style("--muted");
    for (let t = Math.ceil(from / step) * step; t <= until; t += step) {
      pen.beginPath();
      pen.moveTo(x(t), 16);
      pen.lineTo(x(t), rows.bottom);
      pen.stroke();
      pen.fillText(t ? text(t) : "0", x(t) + 3, 11);
    }
  }

  function niceStep(rough) {
    const power = Math.pow(10, Math.floor(Math.log10(rough)));
    return [1, 2, 5, 10].map((k) => k * power).find((s) => s >= rough);
  }

  function firstVisible(lane) {
    let low = 0, high = lane.length;
    while (low < high) {
      const middle = (low + high) >> 1, span = data.spans[lane[middle]];
      if (span[3] + span[4] < from) low = middle + 1; else high = middle;
    }
    return low;
  }

  function drawLane(pen, lane, top, width) {
    let drawn = -1;
    for (let i = firstVisible(lane); i < lane.length; i++) {
      const span = data.spans[lane[i]];
      if (span[3] > until) break;
      const left = Math.max(LEFT, x(span[3])), right = Math.max(left + 0.6, x(span[3] + span[4]));
      if (right <= drawn + 0.4) continue; // several in one pixel
      drawn = right;
      pen.globalAlpha = marked < 0 || span[2] === marked ? 0.85 : 0.18;
      pen.fillStyle = style("--c" + span[1] % 10);
      pen.fillRect(left, top, right - left, LANE - 2);
      if (right - left > 60) {
        pen.globalAlpha = 1;
        pen.fillStyle = style("--bg");
        pen.fillText(data.ops[span[1]].slice(0, (right - left) / 6.5), left + 3, top + 10);
      }
    }
  }

  function at(event) {
    const box = canvas.getBoundingClientRect();
    const px = event.clientX - box.left, py = event.clientY - box.top, t = time(px);
    if (px < LEFT) return null;
    const near = 2 * (until - from) / canvas.clientWidth;
    for (const row of rows) {
      const lane = row.lanes[Math.floor((py - row.top) / LANE)];
      if (py < row.top || !lane) continue;
      for (let i = firstVisible(lane); i < lane.length; i++) {
        const span = data.spans[lane[i]];
        if (span[3] - near > t) break;
        if (t <= span[3] + span[4] + near) return span;
      }
    }
    return null;
  }

  function show(event) {
    const span = at(event);
    tip.hidden = !span;
    if (!span) return;
    const place = data.places[span[2]];
    tip.textContent = data.ops[span[1]] + "  " + text(span[4]) + ", from " + text(span[3]) +
      "\n" + place + "\n" + (data.code[span[2]] || "");
    tip.style.left = Math.min(event.pageX + 14, document.body.clientWidth - 320) + "px";
    tip.style.top = event.pageY + 16 + "px";
  }

  function mark(place) {
    marked = place === marked ? -1 : place;
    document.querySelectorAll("tr[data-place]").forEach((row) => {
      row.classList.toggle("marked", Number(row.dataset.place) === marked);
    });
    draw();
  }

  function zoom(factor, middle) {
    const length = Math.min(last, Math.max(5, (until - from) * factor));
    from = Math.min(Math.max(0, middle - (middle - from) * length / (until - from)), last - length);
    until = from + length;
    draw();
  }

  function move(by) {
    const length = until - from;
    from = Math.min(Math.max(0, from + by), last - length);
    until = from + length;
    draw();
  }

  canvas.addEventListener("wheel", (e) => {
    e.preventDefault();
    zoom(e.deltaY > 0 ? 1.25 : 0.8, time(e.offsetX));
  }, { passive: false });
  canvas.addEventListener("mousedown", (e) => { dragged = { x: e.clientX, moved: false }; });
  window.addEventListener("mouseup", (e) => {
    if (dragged && !dragged.moved && e.target === canvas) {
      const span = at(e);
      mark(span ? span[2] : marked);
    }
    dragged = null;
  });
  canvas.addEventListener("mousemove", (e) => {
    if (!dragged) return show(e);
    const by = dragged.x - e.clientX;
    if (Math.abs(by) < 3 && !dragged.moved) return;
    dragged = { x: e.clientX, moved: true };
    move(by / (canvas.clientWidth - LEFT) * (until - from));
  });
  canvas.addEventListener("mouseleave", () => { tip.hidden = true; });
  canvas.addEventListener("dblclick", () => { from = 0; until = last; draw(); });
  canvas.addEventListener("keydown", (e) => {
    const part = (until - from) / 5;
    if (e.key === "ArrowLeft") move(-part);
    else if (e.key === "ArrowRight") move(part);
    else if (e.key === "+" || e.key === "ArrowUp") zoom(0.7, (from + until) / 2);
    else if (e.key === "-" || e.key === "ArrowDown") zoom(1.4, (from + until) / 2);
    else return;
    e.preventDefault();
  });
  document.querySelectorAll("tr[data-place]").forEach((row) => {
    row.addEventListener("click", () => mark(Number(row.dataset.place)));
  });
  window.addEventListener("resize", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  draw();
})();
