"use strict";
// The parts of a report as page sections, in report.html and in the dashboard: charts of report.json, and the tables that
// the server makes of it. Parts without data are left out.
const Report = (() => {
  const is_number = value => typeof value === "number" && Number.isFinite(value);

  function element(parent, name, text, style) {
    const result = document.createElement(name);
    if (text !== undefined) result.textContent = text;
    if (style) result.className = style;
    parent.appendChild(result);
    return result;
  }

  // A section with its heading, made when the first part of it is drawn; `pairs`: its charts stand in two columns where
  // there is room.
  function section_of(container, id, title, note, pairs) {
    let inner = null;
    return () => {
      if (!inner) {
        inner = element(container, "section");
        inner.id = id;
        element(inner, "h2", title);
        if (note) element(inner, "p", note, "muted");
        if (pairs) inner = element(inner, "div", undefined, "pair");
      }
      return inner;
    };
  }

  function layers_of(report) {
    return report.plan && Array.isArray(report.plan.layers) ? report.plan.layers : [];
  }

  function draw_widths(report, container) {
    const show = section_of(container, "widths", "What each layer keeps", "", true);
    const kinds = [["ffn", "FFN neurons"], ["kv_groups", "KV groups"], ["vo", "width of a value head"],
                   ["qk", "width of a query or key head"]];
    for (const [key, name] of kinds) {
      const values = layers_of(report).map(layer => is_number(layer[key]) ? layer[key] : null);
      if (values.some(value => value !== null)) {
        Charts.bars(show(), `${name}, kept, by layer`, [{name, values, style: "bar"}]);
      }
    }
  }

  // What a plan predicts for a layer is the cost of that layer's own removal; what encode measures is the error of the
  // stream after the layer, gathered from all layers up to it. Sums of the first can be compared with the second.
  function draw_nats(report, container) {
    const numbers = key => layers_of(report).map(layer => is_number(layer[key]) ? layer[key] : null);
    const has_any = values => values.some(value => value !== null && value !== 0);
    const predicted = numbers("predicted_nats"), measured = numbers("measured_nats");
    const show = section_of(container, "nats", "Cost of each layer",
                            "Nats per token. The prediction knows no refit; each refit takes back some of the error gathered so far.");
    if (has_any(predicted)) {
      Charts.bars(show(), "predicted cost of each layer's own removal", [{name: "predicted", values: predicted, style: "bar"}]);
    }
    if (has_any(measured)) {
      let sum = 0;
      const summed = predicted.map(value => sum += value ?? 0);
      const series = [{name: "measured error of the stream after the layer", values: measured, style: "second"}];
      if (has_any(summed)) series.unshift({name: "predicted costs summed up to the layer", values: summed, style: "bar"});
      Charts.bars(show(), "gathered up to each layer:", series);
    }
  }

  function draw_similarity(report, container) {
    const show = section_of(container, "similarity", "Similarity across layers",
                            "How alike two layers work on the residual stream: stronger colour, more alike.", true);
    for (const [kind, name] of [["ffn", "FFN blocks"], ["attention", "attention blocks"]]) {
      const one = report.similarity && report.similarity[kind];
      if (one && Array.isArray(one.matrix) && one.matrix.length > 0) Charts.heat(show(), name, one.matrix);
    }
  }

  function draw_spectra(report, container) {
    const show = section_of(container, "spectra", "Spectra",
                            "Eigenvalues relative to the largest; later layers stronger.", true);
    for (const [kind, name] of [["ffn", "FFN activations"], ["attention", "head outputs"]]) {
      const curves = Object.keys(report.spectra || {}).sort((a, b) => a - b)
          .filter(layer => Array.isArray((report.spectra[layer] || {})[kind]))
          .map(layer => ({name: `layer ${layer}`, values: report.spectra[layer][kind]}))
          .filter(curve => curve.values.length > 0);
      if (curves.length > 0) Charts.spectra(show(), name, curves);
    }
  }

  function draw_finetuning(report, container) {
    const curve = report.finetuning && Array.isArray(report.finetuning.curve) ? report.finetuning.curve : [];
    const show = section_of(container, "finetuning", "Fine-tuning", "Each term by itself, unweighted.", true);
    for (const {name: key, caption, unit} of Words.metrics.filter(metric => metric.over_time)) {
      if (unit !== "plain") continue;
      const points = curve.filter(point => is_number(point[key])).map(point => [point.step, point[key]]);
      if (points.some(([, value]) => value !== 0)) Charts.steps(show(), caption, points);
    }
  }

  function draw_stages(report, container) {
    const order = ["calibrate", "analyze", "make_plan", "encode", "finetune", "evaluate", "export"];
    const place = ([name]) => order.includes(name) ? order.indexOf(name) : order.length;
    const rows = Object.entries(report.stages || {}).filter(([, stage]) => is_number(stage.seconds))
        .sort((a, b) => place(a) - place(b))
        .map(([name, stage]) => ({name: name.replaceAll("_", " "), value: stage.seconds, peak: stage.peak_bytes}));
    if (rows.length > 0) {
      const memory = bytes => is_number(bytes) && bytes > 0 ? `, ${Charts.bytes(bytes)}` : "";
      Charts.ranking(section_of(container, "costs", "Time and memory")(), "time, and the largest rank's memory", rows,
                     row => Charts.duration(row.value) + memory(row.peak));
    }
  }

  function draw_charts(report, container) {
    draw_widths(report, container);
    draw_nats(report, container);
    draw_similarity(report, container);
    draw_spectra(report, container);
    draw_finetuning(report, container);
    draw_stages(report, container);
  }

  function table(parent, head, rows) {
    const holder = element(parent, "div", undefined, "scroll");
    holder.tabIndex = 0;
    const result = element(holder, "table");
    const line = element(element(result, "thead"), "tr");
    for (const name of head) element(line, "th", name).scope = "col";
    const body = element(result, "tbody");
    for (const row of rows) {
      const cells = element(body, "tr");
      row.forEach((cell, i) => {
        const made = element(cells, i === 0 ? "th" : "td", cell.text, cell.style);
        if (i === 0) made.scope = "row";
      });
    }
  }

  // `report`: what the server makes of a report, {tables, warnings}.
  function draw_tables(report, container) {
    for (const {id, title, head, rows} of report.tables) table(section_of(container, id, title)(), head, rows);
    if (report.warnings.length > 0) {
      const list = element(section_of(container, "warnings", "Warnings")(), "ul");
      for (const warning of report.warnings) element(list, "li", warning);
    }
  }

  return {draw_charts, draw_tables};
})();
