"use strict";
// The parts of a report (report.json) as page sections, in report.html and in the dashboard. Parts without data are left
// out.
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

  function draw_nats(report, container) {
    const series = [["predicted_nats", "predicted", "bar"], ["measured_nats", "measured", "second"]]
        .map(([key, name, style]) => ({
          name, style, values: layers_of(report).map(layer => is_number(layer[key]) ? layer[key] : null)}))
        .filter(one => one.values.some(value => value !== null && value !== 0));
    if (series.length > 0) {
      Charts.bars(section_of(container, "nats", "Cost of each layer")(), "nats per token, by layer", series);
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
    for (const [key, name] of [["kl", "KL to the teacher, nats a token"], ["rec", "relative error of the streams"],
                               ["sim", "similarity within clusters"], ["reg", "nuclear / Frobenius norm, summed"],
                               ["task", "next-token loss, nats"], ["validation_perplexity", "validation perplexity"],
                               ["gradient_norm", "gradient norm"], ["learning_rate", "learning rate"]]) {
      const points = curve.filter(point => is_number(point[key])).map(point => [point.step, point[key]]);
      if (points.some(([, value]) => value !== 0)) Charts.steps(show(), name, points);
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
        const made = element(cells, i === 0 ? "th" : "td", cell.text === undefined ? cell : cell.text, cell.style);
        if (i === 0) made.scope = "row";
      });
    }
  }

  function before_after_rows(report) {
    const rows = [];
    const plain = value => value.toFixed(Math.abs(value) < 10 ? 3 : 2);
    const percent = (before, after) => {
      const change = 100 * (after / before - 1);
      return `${change < 0 ? "−" : "+"}${Math.abs(change).toFixed(1)} %`;
    };
    const times = (before, after) => `× ${(after / before).toFixed(3)}`;
    const add = (name, pair, format, change) => {
      const {before, after} = pair || {};
      if (!is_number(before) && !is_number(after)) return;
      const both = is_number(before) && is_number(after) && before !== 0;
      rows.push([name, is_number(before) ? format(before) : "", is_number(after) ? format(after) : "",
                 both ? change(before, after) : ""]);
    };
    const params = report.params || {};
    add("parameters of the blocks", params.blocks, Charts.count, percent);
    add("parameters, whole model", params.total, Charts.count, percent);
    add("tensor bytes", report.bytes, Charts.bytes, percent);
    add("FLOPs per token", report.flops_per_token, Charts.count, percent);
    const evaluation = report.evaluation || {};
    for (const [name, pair] of Object.entries(evaluation.perplexity || {})) add(`perplexity, ${name}`, pair, plain, times);
    for (const [name, task] of Object.entries(evaluation.tasks || {})) {
      add(`${name}, accuracy`, task.acc, plain, times);
      add(`${name}, accuracy (length-normalised)`, task.acc_norm, plain, times);
    }
    return rows;
  }

  function draw_tables(report, container) {
    const rows = before_after_rows(report);
    if (rows.length > 0) {
      table(section_of(container, "before-after", "Before and after")(), ["", "before", "after", "change"], rows);
    }
    const signatures = Object.entries(report.signatures || {});
    if (signatures.length > 0) {
      const number = value => is_number(value) ? value.toFixed(3) : "";
      table(section_of(container, "signatures", "Failure signatures")(), ["", "value", "limit", ""],
            signatures.map(([name, one]) => [name.replaceAll("_", " "), number(one.value), number(one.limit),
                                             one.ok === false ? {text: "beyond limit", style: "passed"} : {text: "ok", style: "ok"}]));
    }
    if (Array.isArray(report.warnings) && report.warnings.length > 0) {
      const list = element(section_of(container, "warnings", "Warnings")(), "ul");
      for (const warning of report.warnings) element(list, "li", String(warning));
    }
  }

  return {draw_charts, draw_tables};
})();
