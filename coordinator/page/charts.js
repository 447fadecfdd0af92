"use strict";
// Charts shared by report.html and the dashboard. Each draws into a container at its present width, in pixels, so that
// text keeps its size on narrow screens. Text enters the page through textContent only.
const Charts = (() => {
  const space = "http://www.w3.org/2000/svg";

  function node(parent, name, attributes, text) {
    const element = document.createElementNS(space, name);
    for (const key in attributes) element.setAttribute(key, attributes[key]);
    if (text !== undefined) element.textContent = text;
    parent.appendChild(element);
    return element;
  }

  // A figure that draws itself again whenever its width changes, or when the returned function is called.
  function figure(container, caption, draw, keys = []) {
    const holder = document.createElement("figure");
    const label = document.createElement("figcaption");
    label.textContent = caption;
    for (const {name, style} of keys) {
      const entry = document.createElement("span");
      const key = document.createElement("span");
      entry.className = "entry";
      key.className = `key ${style}`;
      entry.append(key, name);
      label.append(" ", entry);
    }
    holder.appendChild(label);
    const canvas = document.createElement("div");
    holder.appendChild(canvas);
    container.appendChild(holder);
    let drawn = 0;
    const redraw = () => {
      const width = Math.floor(canvas.clientWidth);
      if (width < 50) return;
      drawn = width;
      const svg = document.createElementNS(space, "svg");
      const height = draw(svg, width);
      svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
      svg.setAttribute("role", "img");
      svg.setAttribute("aria-label", caption);
      canvas.replaceChildren(svg);
    };
    new ResizeObserver(() => {
      if (Math.floor(canvas.clientWidth) !== drawn) redraw();
    }).observe(canvas);
    return redraw;
  }

  function number(value) {
    if (value === 0) return "0";
    const size = Math.abs(value);
    if (size >= 1e4 || size < 1e-3) return value.toExponential(1);
    return String(Number(value.toPrecision(3)));
  }

  // The largest unit with a value of at least 1, and a decimal where that is below 10.
  function scaled(value, units, step) {
    let unit = 0;
    while (Math.abs(value) >= step * 0.9995 && unit + 1 < units.length) {
      value /= step;
      ++unit;
    }
    return `${value.toFixed(unit === 0 ? 0 : Math.abs(value) < 9.995 ? 2 : 1)}${units[unit]}`;
  }
  const count = value => scaled(value, ["", " k", " M", " G", " T", " P"], 1000);  // as short_count of the server
  // As format_bytes of the server: one decimal above bytes.
  function bytes(value) {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = 0;
    while (value >= 1024 && unit + 1 < units.length) {
      value /= 1024;
      ++unit;
    }
    return `${value.toFixed(unit === 0 ? 0 : 1)} ${units[unit]}`;
  }

  function duration(seconds) {
    if (seconds < 60) return `${seconds.toFixed(1)} s`;
    const whole = Math.round(seconds);
    const two = value => String(value).padStart(2, "0");
    if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
    return `${Math.floor(whole / 3600)} h ${two(Math.floor(whole % 3600 / 60))} min`;
  }

  // Round steps that cut [0, top] into about four; `base` is 1024 for bytes.
  function ticks(top, base = 10) {
    const raw = top / 4;
    let steps;
    if (base === 10) {
      const power = 10 ** Math.floor(Math.log10(raw));
      steps = [1, 2, 5, 10].map(m => m * power);
    } else {
      const power = 2 ** Math.floor(Math.log2(raw));
      steps = [power, 2 * power];
    }
    const step = steps.find(s => s >= raw * 0.9999);
    const list = [];
    for (let value = 0; value <= top * 1.0001; value += step) list.push(value);
    return list;
  }

  function vertical_axis(svg, list, y, left, width, format) {
    for (const tick of list) {
      node(svg, "line", {class: "grid", x1: left, x2: width, y1: y(tick), y2: y(tick)});
      node(svg, "text", {x: left - 6, y: y(tick) + 4, "text-anchor": "end"}, format(tick));
    }
  }

  // series: [{name, values (null: none), style}]; one group of bars per position, on a common scale from 0.
  function bars(container, caption, series) {
    const length = Math.max(...series.map(s => s.values.length));
    const top = Math.max(...series.flatMap(s => s.values).filter(v => v !== null)) || 1;
    figure(container, caption, (svg, width) => {
      const left = 44, bottom = 22, height = 170, inner = height - bottom - 8;
      const y = value => 8 + inner * (1 - Math.max(0, value) / top);
      vertical_axis(svg, ticks(top), y, left, width, number);
      const slot = (width - left) / length;
      const gap = Math.min(3, slot * 0.2);
      const breadth = (slot - gap) / series.length;
      const every = Math.ceil(length * 22 / (width - left));
      for (let i = 0; i < length; ++i) {
        series.forEach((one, s) => {
          const value = one.values[i];
          if (value === null || value === undefined) return;
          const bar = node(svg, "rect", {class: one.style, x: left + i * slot + gap / 2 + s * breadth, y: y(value),
                                         width: Math.max(breadth - 0.5, 0.5), height: Math.max(y(0) - y(value), 0.5),
                                         rx: Math.min(2, breadth / 4)});
          node(bar, "title", {}, `layer ${i}, ${one.name}: ${number(value)}`);
        });
        if (i % every === 0) {
          node(svg, "text", {x: left + (i + 0.5) * slot, y: height - 6, "text-anchor": "middle"}, i);
        }
      }
      return height;
    }, series.length > 1 ? series : []);
  }

  // rows: [{name, value, note}]; horizontal bars with their values at the end.
  function ranking(container, caption, rows, format) {
    const top = Math.max(...rows.map(r => r.value)) || 1;
    figure(container, caption, (svg, width) => {
      const left = 78, right = Math.min(150, width * 0.4), step = 24;
      rows.forEach((row, i) => {
        const y = i * step;
        node(svg, "text", {x: left - 8, y: y + 15, "text-anchor": "end"}, row.name);
        const length = Math.max((width - left - right) * row.value / top, 1);
        node(svg, "rect", {class: "bar", x: left, y: y + 4, width: length, height: step - 9, rx: 2});
        node(svg, "text", {class: "value", x: left + length + 6, y: y + 15}, format(row));
      });
      return rows.length * step + 4;
    });
  }

  // A square matrix of values in [0, 1]: the stronger the colour, the larger. A scale stands below.
  function heat(container, caption, matrix) {
    figure(container, caption, (svg, width) => {
      const length = matrix.length, left = 26;
      const cell = Math.min((width - left) / length, 22);
      const every = Math.ceil(18 / cell);
      const strength = value => Math.max(0.03, Math.min(1, value));
      for (let i = 0; i < length; ++i) {
        if (i % every === 0) {
          node(svg, "text", {x: left - 5, y: i * cell + cell / 2 + 4, "text-anchor": "end"}, i);
          node(svg, "text", {x: left + (i + 0.5) * cell, y: length * cell + 14, "text-anchor": "middle"}, i);
        }
        for (let j = 0; j < length; ++j) {
          const value = matrix[i][j];
          const rect = node(svg, "rect", {class: "cell", x: left + j * cell, y: i * cell, width: cell - 0.5,
                                          height: cell - 0.5, "fill-opacity": strength(value)});
          node(rect, "title", {}, `layers ${i} and ${j}: ${number(value)}`);
        }
      }
      const steps = 11, scale = length * cell + 26, step = 14;
      for (let i = 0; i < steps; ++i) {
        node(svg, "rect", {class: "cell", x: left + i * step, y: scale, width: step, height: 9,
                           "fill-opacity": strength(i / (steps - 1))});
      }
      node(svg, "text", {x: left - 5, y: scale + 9, "text-anchor": "end"}, "0");
      node(svg, "text", {x: left + steps * step + 5, y: scale + 9}, "1");
      return scale + 14;
    });
  }

  // curves: [{name, values}], each relative to its first value, on a logarithmic scale; later curves are stronger.
  function spectra(container, caption, curves) {
    const decades = 6;
    const longest = Math.max(2, ...curves.map(c => c.values.length));
    figure(container, caption, (svg, width) => {
      const left = 44, bottom = 22, height = 220, inner = height - bottom - 8;
      const y = power => 8 + inner * Math.min(-power, decades) / decades;
      const x = index => left + (width - left - 4) * index / (longest - 1);
      vertical_axis(svg, [0, -2, -4, -6], y, left, width, power => power === 0 ? "1" : `1e${power}`);
      curves.forEach((curve, i) => {
        const largest = curve.values[0];
        if (!(largest > 0)) return;
        const points = curve.values.map((value, index) =>
            `${x(index).toFixed(1)},${y(Math.log10(Math.max(value / largest, 1e-12))).toFixed(1)}`);
        const opacity = 0.25 + 0.75 * (curves.length === 1 ? 1 : i / (curves.length - 1));
        const line = node(svg, "polyline", {class: "curve", points: points.join(" "), "stroke-opacity": opacity});
        node(line, "title", {}, curve.name);
      });
      node(svg, "text", {x: left, y: height - 4}, "1");
      node(svg, "text", {x: width - 2, y: height - 4, "text-anchor": "end"}, longest);
      return height;
    });
  }

  // points: [[step, value]]; a line over the steps of a run, on a scale from 0.
  function steps(container, caption, points) {
    const last = points[points.length - 1][0];
    const top = Math.max(...points.map(p => p[1])) || 1;
    figure(container, caption, (svg, width) => {
      const left = 52, bottom = 22, height = 130, inner = height - bottom - 8;
      const y = value => 8 + inner * (1 - Math.max(0, value) / top);
      const x = step => left + (width - left - 4) * step / Math.max(last, 1);
      vertical_axis(svg, ticks(top), y, left, width, number);
      const line = points.map(([step, value]) => `${x(step).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
      node(svg, "polyline", {class: "curve", points: line});
      node(svg, "text", {x: left, y: height - 4}, "step 0");
      node(svg, "text", {x: width - 2, y: height - 4, "text-anchor": "end"}, last);
      return height;
    });
  }

  // A line over time that grows: `add(seconds, value)` and then `redraw()`. options: {format, base, from_zero}.
  function timeline(container, caption, options) {
    const most = 2000;
    let points = [];
    const redraw = figure(container, caption, (svg, width) => {
      const left = 64, bottom = 22, height = 130, inner = height - bottom - 8;
      const start = points.length > 0 ? points[0][0] : 0;
      const span = points.length > 1 ? Math.max(points[points.length - 1][0] - start, 1e-3) : 1;
      const top = Math.max(...points.map(p => p[1]), 0) || 1;
      const y = value => 8 + inner * (1 - Math.max(0, value) / top);
      const x = seconds => left + (width - left - 4) * (seconds - start) / span;
      vertical_axis(svg, ticks(top, options.base), y, left, width, options.format);
      const line = points.map(([seconds, value]) => `${x(seconds).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
      node(svg, "polyline", {class: "curve", points: line});
      node(svg, "text", {x: left, y: height - 4}, "0 s");
      node(svg, "text", {x: width - 2, y: height - 4, "text-anchor": "end"}, duration(points.length > 1 ? span : 0));
      return height;
    });
    return {
      redraw,
      add: (seconds, value) => {
        points.push([seconds, value]);
        if (points.length > most) points = points.filter((_, i) => i % 2 === 1 || i === points.length - 1);
      },
    };
  }

  // How the units of Words.metrics are written, and the base of their axes.
  const units = {plain: {format: number}, count: {format: count}, bytes: {format: bytes, base: 2}, seconds: {format: duration}};

  return {bars, ranking, heat, spectra, steps, timeline, number, count, bytes, duration, units};
})();
