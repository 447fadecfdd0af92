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

  // A figure that draws itself again whenever its width changes.
  function figure(container, caption, draw) {
    const holder = document.createElement("figure");
    const label = document.createElement("figcaption");
    label.textContent = caption;
    holder.appendChild(label);
    const canvas = document.createElement("div");
    holder.appendChild(canvas);
    container.appendChild(holder);
    let drawn = 0;
    new ResizeObserver(() => {
      const width = Math.floor(canvas.clientWidth);
      if (width < 50 || width === drawn) return;
      drawn = width;
      const svg = document.createElementNS(space, "svg");
      const height = draw(svg, width);
      svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
      svg.setAttribute("role", "img");
      svg.setAttribute("aria-label", caption);
      canvas.replaceChildren(svg);
    }).observe(canvas);
  }

  function number(value) {
    if (value === 0) return "0";
    const size = Math.abs(value);
    if (size >= 1e4 || size < 1e-3) return value.toExponential(1);
    return String(Number(value.toPrecision(3)));
  }

  // Round steps that cut [0, top] into about four.
  function ticks(top) {
    const raw = top / 4;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map(m => m * power).find(s => s >= raw);
    const list = [];
    for (let value = 0; value <= top * 1.0001; value += step) list.push(value);
    return list;
  }

  // series: [{name, values (null: none), style}]; one group of bars per position, on a common scale from 0.
  function bars(container, caption, series, options = {}) {
    const count = Math.max(...series.map(s => s.values.length));
    const flat = series.flatMap(s => s.values).filter(v => v !== null);
    const top = Math.max(options.top || 0, ...flat) || 1;
    figure(container, caption, (svg, width) => {
      const left = 44, bottom = 22, height = 170, inner = height - bottom - 8;
      const y = value => 8 + inner * (1 - Math.max(0, value) / top);
      for (const tick of ticks(top)) {
        node(svg, "line", {class: "grid", x1: left, x2: width, y1: y(tick), y2: y(tick)});
        node(svg, "text", {x: left - 6, y: y(tick) + 4, "text-anchor": "end"}, number(tick));
      }
      const slot = (width - left) / count;
      const gap = Math.min(3, slot * 0.2);
      const breadth = (slot - gap) / series.length;
      const every = Math.ceil(count * 22 / (width - left));
      for (let i = 0; i < count; ++i) {
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
    });
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

  // A square matrix of values in [0, 1]: the stronger the colour, the larger.
  function heat(container, caption, matrix) {
    figure(container, caption, (svg, width) => {
      const count = matrix.length, left = 26;
      const cell = Math.min((width - left) / count, 22);
      const every = Math.ceil(18 / cell);
      for (let i = 0; i < count; ++i) {
        if (i % every === 0) {
          node(svg, "text", {x: left - 5, y: i * cell + cell / 2 + 4, "text-anchor": "end"}, i);
          node(svg, "text", {x: left + (i + 0.5) * cell, y: count * cell + 14, "text-anchor": "middle"}, i);
        }
        for (let j = 0; j < count; ++j) {
          const value = matrix[i][j];
          const rect = node(svg, "rect", {class: "cell", x: left + j * cell, y: i * cell, width: cell - 0.5,
                                          height: cell - 0.5, "fill-opacity": Math.max(0.03, Math.min(1, value))});
          node(rect, "title", {}, `layers ${i} and ${j}: ${number(value)}`);
        }
      }
      return count * cell + 20;
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
      for (let power = 0; power >= -decades; power -= 2) {
        node(svg, "line", {class: "grid", x1: left, x2: width, y1: y(power), y2: y(power)});
        node(svg, "text", {x: left - 6, y: y(power) + 4, "text-anchor": "end"}, power === 0 ? "1" : `1e${power}`);
      }
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

  return {bars, ranking, heat, spectra, number};
})();
