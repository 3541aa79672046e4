/* Timelines of many spans: tracekit/report/canvas.py says what a block holds. */
(function () {
  "use strict";

  var LABELS = 76, AXIS = 20, ROW = 15, BAR = 13, GAP = 7, CHARACTER = 6.3;
  var FAILED = 1, OPEN = 2, BEFORE = 4;

  function make(tag, text, attributes) {
    var element = document.createElement(tag);
    if (text) { element.textContent = text; }
    Object.keys(attributes || {}).forEach(function (name) { element.setAttribute(name, attributes[name]); });
    return element;
  }

  function unpack(text) {
    var raw = atob(text.trim());
    var bytes = new Uint8Array(raw.length);
    for (var i = 0; i < raw.length; i += 1) { bytes[i] = raw.charCodeAt(i); }
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
  }

  /* The columns, and for each row where its spans begin and how far those before a span reach. */
  function read(buffer) {
    var size = new DataView(buffer).getUint32(0, true);
    var view = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, size)));
    var at = 4 + size;
    ["start", "length", "first", "last", "name"].forEach(function (name) {
      view[name] = new Uint32Array(buffer, at, view.count);
      at += 4 * view.count;
    });
    view.row = new Uint16Array(buffer, at, view.count);
    view.style = new Uint8Array(buffer, at + 2 * view.count, view.count);
    view.flags = new Uint8Array(buffer, at + 3 * view.count, view.count);
    view.begin = new Uint32Array(view.rows + 1);
    view.reach = new Float64Array(view.count);
    for (var i = 0; i < view.count; i += 1) {
      view.begin[view.row[i] + 1] = i + 1;
      var end = view.start[i] + view.length[i];
      view.reach[i] = i > 0 && view.row[i] === view.row[i - 1] ? Math.max(view.reach[i - 1], end) : end;
    }
    for (var row = 1; row <= view.rows; row += 1) { view.begin[row] = Math.max(view.begin[row], view.begin[row - 1]); }
    view.y = new Uint16Array(view.rows);
    var y = AXIS + 4;
    view.lanes.forEach(function (lane) {
      lane.y = y;
      for (var i = 0; i < lane.rows; i += 1) { view.y[lane.top + i] = y + i * ROW; }
      y += lane.rows * ROW + GAP;
    });
    view.height = y;
    return view;
  }

  /* First place in [low, high) at which `later` holds. */
  function first(low, high, later) {
    while (low < high) {
      var middle = (low + high) >> 1;
      if (later(middle)) { high = middle; } else { low = middle + 1; }
    }
    return low;
  }

  function said(micros) {
    if (micros < 1000) { return Math.round(micros) + " µs"; }
    if (micros < 999500) { return Math.round(micros / 1000) + " ms"; }
    if (micros < 59950000) { return (micros / 1e6).toFixed(micros < 9995000 ? 2 : 1) + " s"; }
    var whole = Math.round(micros / 1e6);
    var minutes = Math.floor(whole / 60);
    if (whole >= 3600) { return Math.floor(minutes / 60) + " h " + String(minutes % 60).padStart(2, "0") + " min"; }
    return minutes + " min " + String(whole % 60).padStart(2, "0") + " s";
  }

  function roundStep(least) {
    var seconds = [10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600].filter(function (step) { return least > 5e6 && least <= step * 1e6; });
    if (seconds.length) { return seconds[0] * 1e6; }
    var decade = Math.pow(10, Math.floor(Math.log10(Math.max(least, 1))));
    return decade * [1, 2, 5, 10].filter(function (factor) { return decade * factor >= least * (1 - 1e-9); })[0];
  }

  function tick(micros, step) {
    if (micros === 0) { return "0"; }
    if (step >= 6e7) { return "+" + micros / 6e7 + " min"; }
    if (step >= 1e4) { return "+" + Number((micros / 1e6).toFixed(2)) + " s"; }
    return "+" + Number((micros / 1e3).toFixed(3)) + " ms";
  }

  function Drawing(block, view, canvas, status) {
    this.view = view;
    this.canvas = canvas;
    this.status = status;
    this.from = 0;
    this.to = view.whole;
    this.chosen = -1;
    this.asked = false;
    this.colours();
    canvas.style.height = view.height + "px";
  }

  Drawing.prototype.colours = function () {
    var style = getComputedStyle(document.documentElement);
    function colour(name) { return style.getPropertyValue("--" + name).trim(); }
    var dark = { job: 1, work: 1, stage: 1, phase: 1 };
    this.fill = this.view.styles.map(function (name) { return colour(name === "unlogged" ? "unlogged-2" : name); });
    this.text = this.view.styles.map(function (name) { return colour(dark[name] ? "on-kind" : name === "unlogged" ? "bg" : "on-" + name); });
    this.fg = colour("fg");
    this.bad = colour("bad");
    this.muted = colour("muted");
    this.line = colour("line");
    this.stripe = colour("raised");
    this.link = colour("link");
    this.family = getComputedStyle(document.body).fontFamily;
  };

  Drawing.prototype.later = function () {
    var drawing = this;
    if (!this.asked) {
      this.asked = true;
      requestAnimationFrame(function () { drawing.asked = false; drawing.draw(); });
    }
  };

  Drawing.prototype.draw = function () {
    var view = this.view, canvas = this.canvas, ratio = window.devicePixelRatio || 1;
    var width = canvas.clientWidth;
    if (!width) { return; }
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(view.height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(view.height * ratio);
    }
    var paper = canvas.getContext("2d");
    paper.setTransform(ratio, 0, 0, ratio, 0, 0);
    paper.clearRect(0, 0, width, view.height);
    paper.font = "11px " + this.family;
    this.scale = (width - LABELS) / (this.to - this.from);
    this.grid(paper, width);
    paper.save();
    paper.beginPath();
    paper.rect(LABELS, 0, width - LABELS, view.height);
    paper.clip();
    for (var row = 0; row < view.rows; row += 1) { this.row(paper, row, width); }
    paper.restore();
  };

  Drawing.prototype.grid = function (paper, width) {
    var view = this.view, drawing = this;
    view.lanes.forEach(function (lane, i) {
      paper.fillStyle = drawing.stripe;
      if (i % 2) { paper.fillRect(0, lane.y - GAP / 2, width, lane.rows * ROW + GAP); }
      paper.fillStyle = drawing.muted;
      paper.fillText(lane.label, 0, lane.y + 10);
    });
    var step = roundStep((this.to - this.from) * view.unit / Math.max(2, (width - LABELS) / 130));
    for (var mark = Math.ceil(this.from * view.unit / step) * step; mark <= this.to * view.unit; mark += step) {
      var x = LABELS + (mark / view.unit - this.from) * this.scale;
      paper.fillStyle = this.line;
      paper.fillRect(x, 16, 1, view.height - 16);
      paper.fillStyle = this.muted;
      paper.textAlign = x > width - 40 ? "right" : x < LABELS + 20 ? "left" : "center";
      paper.fillText(tick(Math.round(mark), step), x, 11);
    }
    paper.textAlign = "left";
  };

  /* Spans of one row that can be seen; those that would cover the same pixel are drawn once. */
  Drawing.prototype.row = function (paper, row, width) {
    var view = this.view, from = this.from, to = this.to, scale = this.scale, y = view.y[row], last = -1, style = -1;
    var end = view.begin[row + 1];
    for (var i = first(view.begin[row], end, function (n) { return view.reach[n] > from; }); i < end && view.start[i] <= to; i += 1) {
      var x = LABELS + (view.start[i] - from) * scale, wide = view.length[i] * scale;
      if (x + wide < last || (wide < 1 && x + 1 <= last && i !== this.chosen && !(view.flags[i] & FAILED))) { continue; }
      if (x < LABELS) { wide -= LABELS - x; x = LABELS; }
      wide = Math.max(1, Math.min(wide, width - x));
      if (style !== view.style[i]) { style = view.style[i]; paper.fillStyle = this.fill[style]; }
      paper.fillRect(x, y, wide > 2.5 ? wide - 0.6 : wide, BAR);
      last = Math.floor(x + Math.max(wide, 1)) + (wide < 1 ? 1 : 0);
      if (view.flags[i] & FAILED) { this.frame(paper, x, y, wide, this.bad); }
      if (i === this.chosen) { this.frame(paper, x, y, wide, this.link); }
      if (wide > 24) {
        var name = (view.flags[i] & FAILED ? "✕ " : "") + view.names[view.name[i]], room = Math.floor((wide - 6) / CHARACTER);
        paper.fillStyle = this.text[style];
        paper.fillText(name.length <= room ? name : name.slice(0, room - 1) + "…", x + 3, y + 10);
        style = -1;
      }
    }
  };

  Drawing.prototype.frame = function (paper, x, y, wide, colour) {
    paper.strokeStyle = colour;
    paper.lineWidth = 2;
    paper.strokeRect(x, y, Math.max(wide, 2), BAR);
  };

  Drawing.prototype.zoom = function (factor, middle) {
    var length = Math.min(this.view.whole, Math.max((this.to - this.from) / factor, Math.min(this.view.whole, 100 / this.view.unit)));
    var share = (middle - this.from) / (this.to - this.from);
    this.move(middle - share * length, length);
  };

  Drawing.prototype.move = function (from, length) {
    this.from = Math.max(0, Math.min(from, this.view.whole - length));
    this.to = this.from + length;
    this.later();
  };

  Drawing.prototype.at = function (event) {
    var box = this.canvas.getBoundingClientRect();
    return [this.from + (event.clientX - box.left - LABELS) / this.scale, event.clientY - box.top];
  };

  /* The span under a point: of those that hold it the one that began last, else the nearest within three pixels. */
  Drawing.prototype.find = function (time, y) {
    var view = this.view, slack = 3 / this.scale;
    for (var row = 0; row < view.rows; row += 1) {
      if (y < view.y[row] || y >= view.y[row] + ROW) { continue; }
      var begin = view.begin[row], end = view.begin[row + 1];
      for (var i = first(begin, end, function (n) { return view.start[n] > time + slack; }) - 1; i >= begin && view.reach[i] >= time - slack; i -= 1) {
        if (view.start[i] + view.length[i] >= time - slack) { return i; }
      }
    }
    return -1;
  };

  Drawing.prototype.choose = function (i) {
    var view = this.view;
    this.chosen = i;
    if (i < 0) { this.status.textContent = ""; this.later(); return; }
    var flags = view.flags[i], sign = flags & BEFORE ? "≤ " : "";
    var length = flags & OPEN ? "end unknown" : sign + said(view.length[i] * view.unit);
    var lines = view.first[i] ? " · line " + view.first[i] + (view.last[i] !== view.first[i] ? "–" + view.last[i] : "") : "";
    this.status.textContent = (flags & FAILED ? "failed: " : "") + view.names[view.name[i]] + " · at +" + said(view.start[i] * view.unit) + " · " + length + lines;
    this.later();
  };

  /* The next span in a direction: along the row, or the nearest of the next row that has one. */
  Drawing.prototype.step = function (key) {
    var view = this.view, i = this.chosen;
    if (i < 0) { this.show(view.begin[0]); return; }
    var row = view.row[i];
    if (key === "ArrowRight" || key === "ArrowLeft") {
      var next = i + (key === "ArrowRight" ? 1 : -1);
      if (next >= 0 && next < view.count && view.row[next] === row) { this.show(next); }
      return;
    }
    row += key === "ArrowDown" ? 1 : -1;
    if (row < 0 || row >= view.rows) { return; }
    var begin = view.begin[row], end = view.begin[row + 1], start = view.start[i];
    if (begin < end) { this.show(Math.max(begin, Math.min(end - 1, first(begin, end, function (n) { return view.start[n] >= start; })))); }
  };

  /* Choose a span and bring it into sight. */
  Drawing.prototype.show = function (i) {
    var start = this.view.start[i], length = this.to - this.from;
    if (start < this.from || start > this.to) { this.move(start - length / 4, length); }
    this.choose(i);
  };

  function listen(drawing, tools) {
    var canvas = drawing.canvas, held = null;
    [["−", "Zoom out", 0.5], ["+", "Zoom in", 2], ["all", "Show all", 0]].forEach(function (entry) {
      var button = make("button", entry[0], { type: "button", "aria-label": entry[1] });
      button.addEventListener("click", function () {
        var chosen = drawing.chosen, start = chosen < 0 ? NaN : drawing.view.start[chosen];
        var middle = start >= drawing.from && start <= drawing.to ? start : (drawing.from + drawing.to) / 2;
        drawing.zoom(entry[2] || 1e-12, middle);
      });
      tools.appendChild(button);
    });
    tools.appendChild(make("span", "Ctrl and the wheel zoom, dragging moves, a click says what a bar is."));
    canvas.addEventListener("wheel", function (event) {
      if (!event.ctrlKey && !event.metaKey) { return; }
      event.preventDefault();
      drawing.zoom(Math.pow(2, -event.deltaY / 200), drawing.at(event)[0]);
    }, { passive: false });
    canvas.addEventListener("pointerdown", function (event) {
      held = { x: event.clientX, from: drawing.from, moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", function (event) {
      if (held && Math.abs(event.clientX - held.x) > 3) { held.moved = true; }
      if (held && held.moved) { drawing.move(held.from - (event.clientX - held.x) / drawing.scale, drawing.to - drawing.from); }
      if (!held && event.pointerType === "mouse") {
        var point = drawing.at(event), found = drawing.find(point[0], point[1]);
        if (found >= 0 && found !== drawing.chosen) { drawing.choose(found); }
      }
    });
    canvas.addEventListener("pointerup", function (event) {
      var point = drawing.at(event);
      if (held && !held.moved) { drawing.choose(drawing.find(point[0], point[1])); }
      held = null;
    });
    canvas.addEventListener("pointercancel", function () { held = null; });
    canvas.addEventListener("dblclick", function (event) { drawing.zoom(4, drawing.at(event)[0]); });
    canvas.addEventListener("keydown", function (event) {
      var middle = drawing.chosen < 0 ? (drawing.from + drawing.to) / 2 : drawing.view.start[drawing.chosen];
      if (/^Arrow/.test(event.key)) { drawing.step(event.key); }
      else if (event.key === "+" || event.key === "=") { drawing.zoom(2, middle); }
      else if (event.key === "-") { drawing.zoom(0.5, middle); }
      else if (event.key === "0") { drawing.move(0, drawing.view.whole); }
      else { return; }
      event.preventDefault();
    });
    new ResizeObserver(function () { drawing.later(); }).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", function () { drawing.colours(); drawing.later(); });
  }

  function start(block) {
    var fixed = block.parentNode.querySelector(".fixed");
    unpack(block.querySelector("script").textContent).then(function (buffer) {
      var view = read(buffer);
      var tools = make("div", "", { "class": "tools", role: "group", "aria-label": "Zoom" });
      var canvas = make("canvas", "", { tabindex: "0", role: "application", "aria-label": block.getAttribute("data-label") });
      var status = make("p", "", { "class": "note said", role: "status" });
      [tools, canvas, status].forEach(function (part) { block.appendChild(part); });
      block.hidden = false;
      fixed.hidden = true;
      var drawing = new Drawing(block, view, canvas, status);
      listen(drawing, tools);
      drawing.draw();
      block.setAttribute("data-drawn", String(view.count));
    }).catch(function () {
      block.hidden = true;
      fixed.hidden = false;
    });
  }

  if (typeof DecompressionStream === "undefined" || typeof ResizeObserver === "undefined") { return; }
  Array.prototype.forEach.call(document.querySelectorAll(".many"), start);
}());
