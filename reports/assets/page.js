/* Adds interaction to a page that says everything without it. Comments are dropped when the page is made, so they
   stand in this form only. Nothing is stored, nothing is asked for. */
(function () {
  "use strict";

  function make(tag, text, attributes) {
    var element = document.createElement(tag);
    if (text) { element.textContent = text; }
    Object.keys(attributes || {}).forEach(function (name) { element.setAttribute(name, attributes[name]); });
    return element;
  }

  function each(selector, work) {
    Array.prototype.forEach.call(document.querySelectorAll(selector), work);
  }

  /* A duration as the page writes it, in seconds: 252 ms, 5.98 s, 12 min 03 s, 1 h 02 min. */
  var UNITS = { h: 3600, min: 60, s: 1, ms: 1e-3, "µs": 1e-6 };

  function seconds(text) {
    var sum = 0;
    text.replace(/,/g, "").replace(/([0-9.]+) (h|min|s|ms|µs)/g, function (whole, value, unit) { sum += value * UNITS[unit]; });
    return text.charAt(0) === "−" ? -sum : sum;
  }

  /* Tables: sort by a column, filter by words. */
  function sortable(table) {
    var body = table.tBodies[0];
    var heads = Array.prototype.slice.call(table.tHead.rows[0].cells);
    Array.prototype.forEach.call(body.rows, function (row, place) { row.place = place; });
    function key(row, column, order) {
      var text = row.cells[column].textContent.trim();
      if (text === "" || text === "unknown") { return ""; }
      return order === "given" ? row.place : order === "time" ? seconds(text) : order === "number" ? Number(text.replace(/,/g, "")) : text;
    }
    function sort(column) {
      var head = heads[column];
      var down = head.getAttribute("aria-sort") === "descending";
      var order = head.getAttribute("data-order");
      var rows = Array.prototype.map.call(body.rows, function (row) { return [key(row, column, order), row]; });
      rows.sort(function (a, b) {
        if (a[0] === "" || b[0] === "") { return (a[0] === "") - (b[0] === ""); }
        var difference = order ? a[0] - b[0] : a[0].localeCompare(b[0], "en", { numeric: true });
        return (down ? difference : -difference) || a[1].place - b[1].place;
      });
      heads.forEach(function (other) { other.removeAttribute("aria-sort"); });
      head.setAttribute("aria-sort", down ? "ascending" : "descending");
      rows.forEach(function (pair) { body.appendChild(pair[1]); });
    }
    heads.forEach(function (head, column) {
      if (head.getAttribute("data-order") === "none") { return; }
      var button = make("button", head.textContent, { type: "button" });
      button.addEventListener("click", function () { sort(column); });
      head.textContent = "";
      head.appendChild(button);
    });
  }

  function filterable(table, hint, place) {
    var tools = make("div", "", { "class": "tools" });
    var label = make("label", "Filter ");
    var input = make("input", "", { type: "search", placeholder: hint });
    var shown = make("span", "", { role: "status" });
    label.appendChild(input);
    tools.appendChild(label);
    tools.appendChild(shown);
    place.parentNode.insertBefore(tools, place);
    input.addEventListener("input", function () {
      var words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      var count = 0;
      Array.prototype.forEach.call(table.tBodies[0].rows, function (row) {
        var text = row.textContent.toLowerCase();
        var fits = words.every(function (word) { return text.indexOf(word) >= 0; });
        row.hidden = !fits;
        count += fits ? 1 : 0;
      });
      shown.textContent = words.length ? count + " of " + table.tBodies[0].rows.length : "";
    });
  }

  /* Timelines: zoom makes the drawing wider, the frame around it scrolls. */
  function zoomable(timeline) {
    var chart = timeline.querySelector(".chart");
    var frame = timeline.querySelector(".scroll");
    var tools = make("div", "", { "class": "tools zoom", role: "group", "aria-label": "Zoom" });
    var buttons = [1, 2, 5, 20].map(function (factor) {
      var button = make("button", factor + "×", { type: "button", "aria-pressed": String(factor === 1) });
      button.addEventListener("click", function () {
        var middle = (frame.scrollLeft + frame.clientWidth / 2) / frame.scrollWidth;
        chart.style.width = factor === 1 ? "" : factor * 100 + "%";
        frame.scrollLeft = middle * frame.scrollWidth - frame.clientWidth / 2;
        buttons.forEach(function (other) { other.setAttribute("aria-pressed", String(other === button)); });
      });
      tools.appendChild(button);
      return button;
    });
    timeline.parentNode.insertBefore(tools, timeline);
  }

  /* Bars by keyboard: one bar of a timeline is in the order of tabs, the arrows go on from it. What it says stands below. */
  function readable(timeline) {
    var bars = Array.prototype.slice.call(timeline.querySelectorAll(".bar")).filter(function (bar) {
      return bar.querySelector("title");
    });
    if (!bars.length) { return; }
    var said = make("p", "", { "class": "note said", role: "status" });
    timeline.parentNode.insertBefore(said, timeline.nextSibling);
    function show(bar) { said.textContent = bar.querySelector("title").textContent; }
    bars.forEach(function (bar, i) {
      bar.setAttribute("tabindex", i === 0 ? "0" : "-1");
      bar.setAttribute("role", "img");
      bar.setAttribute("aria-label", bar.querySelector("title").textContent);
      bar.addEventListener("focus", function () { show(bar); });
      bar.addEventListener("mouseenter", function () { show(bar); });
      bar.addEventListener("keydown", function (event) {
        var step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
        var next = bars[i + step];
        if (!step || !next) { return; }
        event.preventDefault();
        bar.setAttribute("tabindex", "-1");
        next.setAttribute("tabindex", "0");
        next.focus();
      });
    });
    timeline.querySelector(".chart").setAttribute("role", "group");
  }

  /* Text for a ticket. The selection is copied, which needs no permission and works in a file and in a frame. */
  function copyable(text) {
    var name = text.getAttribute("data-copy");
    var button = make("button", "Copy as " + name, { type: "button" });
    var done = make("span", "", { role: "status" });
    var tools = make("div", "", { "class": "tools" });
    tools.appendChild(button);
    tools.appendChild(done);
    text.parentNode.insertBefore(tools, text);
    button.addEventListener("click", function () {
      var range = document.createRange();
      range.selectNodeContents(text);
      var selection = getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      done.textContent = document.execCommand("copy") ? "copied" : "selected: copy it with the keyboard";
    });
  }

  /* Overview: plotly.js takes the place of the static drawing, in the page's own colours. */
  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  }

  var STATUS_COLOURS = { line: "strong", succeeded: "execution", failed: "bad", cancelled: "queue-2", unfinished: "queue-2", unknown: "unlogged-2" };

  function painted(figure) {
    var axis = { gridcolor: colour("line"), linecolor: colour("line"), tickcolor: colour("line"), color: colour("muted") };
    figure.data.forEach(function (trace) {
      var chosen = colour(STATUS_COLOURS[trace.meta]);
      if (trace.marker) { trace.marker.color = chosen; }
      if (trace.line) { trace.line.color = chosen; trace.opacity = 0.5; }
    });
    Object.assign(figure.layout.xaxis, axis);
    Object.assign(figure.layout.yaxis, axis);
    figure.layout.paper_bgcolor = colour("bg");
    figure.layout.plot_bgcolor = colour("bg");
    figure.layout.font = { color: colour("fg"), size: 12, family: getComputedStyle(document.body).fontFamily };
    figure.layout.hoverlabel = { bgcolor: colour("raised"), bordercolor: colour("strong"), font: { color: colour("fg"), size: 12 } };
    return figure;
  }

  function unpack(text) {
    var raw = atob(text.trim());
    var bytes = new Uint8Array(raw.length);
    for (var i = 0; i < raw.length; i += 1) { bytes[i] = raw.charCodeAt(i); }
    var stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  }

  function overview() {
    var source = document.getElementById("overview-figure");
    var packed = document.getElementById("plotly-packed");
    if (!source || !packed || typeof DecompressionStream === "undefined") { return; }
    Promise.all([unpack(packed.textContent), unpack(source.textContent)]).then(function (texts) {
      var code = texts[0];
      var data = texts[1];
      /* The policy names the hash of this very text, so no eval and no blob is needed. */
      document.head.appendChild(make("script", code));
      if (!window.Plotly) { return; }
      var plot = document.getElementById("overview-plot");
      var fixed = document.getElementById("overview-static");
      var options = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["toImage", "select2d", "lasso2d", "autoScale2d"] };
      function draw() {
        var figure = painted(JSON.parse(data));
        return window.Plotly.react(plot, figure.data, figure.layout, options);
      }
      plot.hidden = false;
      fixed.hidden = true;
      draw().then(function () {
        plot.on("plotly_click", function (event) {
          var href = event.points[0] && event.points[0].customdata;
          if (href) { location.hash = href; }
        });
        document.documentElement.setAttribute("data-plotly", "drawn");
      });
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    }).catch(function () {
      document.getElementById("overview-plot").hidden = true;
      document.getElementById("overview-static").hidden = false;
    });
  }

  var table = document.getElementById("ops");
  if (table) { filterable(table, "job, command, VM, account, status, error", table.parentNode); sortable(table); }
  each(".filtered", function (part) {
    var shown = part.querySelector("table");
    filterable(shown, part.getAttribute("data-hint"), shown.parentNode);
  });
  each("pre.copy", copyable);
  each(".timeline", zoomable);
  each(".timeline", readable);
  overview();
}());
