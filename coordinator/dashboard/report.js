"use strict";
// Draws the charts of report.html from the report embedded in the page; sections without data stay hidden.
(() => {
  const report = JSON.parse(document.getElementById("report").textContent);
  const show = id => {
    const section = document.getElementById(id);
    section.hidden = false;
    return section;
  };
  const is_number = value => typeof value === "number" && Number.isFinite(value);
  const layers = report.plan && Array.isArray(report.plan.layers) ? report.plan.layers : [];

  const kinds = [["ffn", "FFN neurons"], ["kv_groups", "KV groups"], ["vo", "width of a value head"],
                 ["qk", "width of a query or key head"]];
  for (const [key, name] of kinds) {
    const values = layers.map(layer => is_number(layer[key]) ? layer[key] : null);
    if (values.some(value => value !== null)) {
      Charts.bars(show("widths"), `${name}, kept, by layer`, [{name, values, style: "bar"}]);
    }
  }

  const nats = ["predicted_nats", "measured_nats"].map(key => layers.map(l => is_number(l[key]) ? l[key] : null));
  if (nats.some(values => values.some(value => value !== null && value !== 0))) {
    Charts.bars(show("nats"), "nats per token, by layer",
                [{name: "predicted", values: nats[0], style: "bar"}, {name: "measured", values: nats[1], style: "second"}]);
  }

  for (const [kind, name] of [["ffn", "FFN blocks"], ["attention", "attention blocks"]]) {
    const one = report.similarity && report.similarity[kind];
    if (one && Array.isArray(one.matrix) && one.matrix.length > 0) {
      Charts.heat(show("similarity"), name, one.matrix);
    }
  }

  for (const [kind, name] of [["ffn", "FFN activations"], ["attention", "head outputs"]]) {
    const curves = Object.keys(report.spectra || {}).sort((a, b) => a - b)
        .filter(layer => Array.isArray((report.spectra[layer] || {})[kind]))
        .map(layer => ({name: `layer ${layer}`, values: report.spectra[layer][kind]}))
        .filter(curve => curve.values.length > 0);
    if (curves.length > 0) {
      Charts.spectra(show("spectra"), `${name}: eigenvalues relative to the largest (later layers darker)`, curves);
    }
  }

  const rows = Object.entries(report.stages || {}).filter(([, stage]) => is_number(stage.seconds))
      .map(([name, stage]) => ({name, value: stage.seconds, peak: stage.peak_bytes}));
  if (rows.length > 0) {
    const mebibytes = bytes => is_number(bytes) ? `, ${Charts.number(bytes / 2 ** 20)} MiB` : "";
    Charts.ranking(show("stages"), "seconds, and the largest rank's memory", rows,
                   row => `${Charts.number(row.value)} s${mebibytes(row.peak)}`);
  }
})();
