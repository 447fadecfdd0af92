"use strict";
// One job on the page: facts, stages with live progress, throughput and memory, log, and at the end its report.
const JobView = (() => {
  const is_final = state => Words.states[state]?.final ?? false;
  const kinds = Words.events;
  const log_lines = 300;
  const redraw_interval = 500;

  // An element with attributes and children; strings become text, never markup.
  function make(name, attributes = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (typeof value === "function") element.addEventListener(key, value);
      else if (value !== undefined && value !== false) element.setAttribute(key, value === true ? "" : value);
    }
    element.append(...children);
    return element;
  }

  const state_badge = state => make("span", {class: `state ${state}`}, state);
  const is_number = value => typeof value === "number" && Number.isFinite(value);
  const clock_text = seconds => new Date(seconds * 1000).toLocaleTimeString();
  const date_text = seconds => new Date(seconds * 1000).toLocaleString();

  const sentence = text => /[.!?\n]$/.test(text) ? text : `${text}.`;

  // As `describe` of the server: each sentence ends once.
  function error_text(error) {
    const found = error.found ? `: found ${error.found}` : "";
    const expected = error.expected ? `${found ? ", " : ": "}expected ${error.expected}` : "";
    const what = sentence(`${error.code}${error.where ? ` at ${error.where}` : ""}${found}${expected}`);
    return error.remedy ? `${what} ${sentence(error.remedy)}` : what;
  }

  // As progress_parts of the server.
  function progress_parts(done, total, layer, metrics) {
    const parts = [];
    if (is_number(layer) && layer >= 0) parts.push(`layer ${layer}`);
    if (total > 0) parts.push(`${Math.round(100 * done / total)} %`);
    if (metrics.tokens_per_second > 0) parts.push(`${Charts.count(metrics.tokens_per_second)} tokens/s`);
    if (is_number(metrics.eta_seconds)) parts.push(`about ${Charts.duration(metrics.eta_seconds)} left`);
    if (metrics.peak_bytes > 0) parts.push(`peak ${Charts.bytes(metrics.peak_bytes)}`);
    return parts;
  }

  // As other_metrics of the server: those that progress_parts does not show.
  function other_metrics(metrics) {
    return Object.entries(metrics).filter(([name]) => !["tokens_per_second", "eta_seconds", "peak_bytes"].includes(name))
        .map(([name, value]) => {
          const unit = Words.metrics.find(metric => metric.name === name)?.unit ?? "plain";
          return `${name} ${Charts.units[unit].format(value)}`;
        });
  }

  // The lines of the log, in the words of `cce logs`.
  function event_line(event) {
    const parts = [clock_text(event.time), event.stage, event.type === kinds.progress ? "" : event.type,
                   ...progress_parts(event.done, event.total, event.layer, event.metrics), ...other_metrics(event.metrics),
                   event.message, event.error ? error_text(event.error) : ""];
    return parts.filter(part => part).join("  ");
  }

  function state_line(item) {
    const parts = [clock_text(item.time), `state ${item.state}`, item.attempt > 1 ? `attempt ${item.attempt}` : "",
                   item.error ? error_text(item.error) : ""];
    return parts.filter(part => part).join("  ");
  }

  // The stages in order, each with a bar while it runs and its time once it has ended.
  class Stages {
    constructor(names) {
      this.list = make("ol", {class: "stages"});
      this.rows = new Map();
      for (const name of names) this.row(name);
    }
    row(name) {
      if (!this.rows.has(name)) {
        const label = make("span", {class: "name waiting"}, name.replaceAll("_", " "));
        const bar = make("progress", {max: 1, value: 0, "aria-label": `progress of ${name}`});
        const note = make("span", {class: "note"});
        this.list.append(make("li", {}, label, bar, note));
        this.rows.set(name, {label, bar, note});
      }
      return this.rows.get(name);
    }
    reset() {
      for (const {label, bar, note} of this.rows.values()) {
        label.classList.add("waiting");
        bar.value = 0;
        note.textContent = "";
      }
    }
    show(event) {
      if (!event.stage) return;
      const {label, bar, note} = this.row(event.stage);
      label.classList.remove("waiting");
      if (event.type === kinds.progress) {
        bar.value = event.total > 0 ? event.done / event.total : 0;
        note.textContent = progress_parts(event.done, event.total, event.layer, event.metrics).join(" · ");
      } else if (event.type === kinds.stage_done) {
        bar.value = 1;
        const seconds = event.metrics.seconds;
        const peak = event.metrics.peak_bytes;
        note.textContent = (is_number(seconds) ? `done in ${Charts.duration(seconds)}` : "done") +
            (peak > 0 ? ` · peak ${Charts.bytes(peak)}` : "");
      } else if (event.type === kinds.stage_started) {
        note.textContent = "started";
      }
    }
  }

  // Charts over the time of the current attempt; one appears with the first value of its metric.
  class Timelines {
    constructor() {
      this.section = make("section", {hidden: true}, make("h2", {}, "Over time"));
      this.grid = make("div", {class: "pair"});
      this.section.append(this.grid);
      this.charts = new Map();
      this.dirty = new Set();
    }
    reset() {
      this.charts.clear();
      this.dirty.clear();
      this.grid.replaceChildren();
      this.section.hidden = true;
    }
    show(event) {
      if (event.type !== kinds.progress) return;
      for (const {name, caption, unit, over_time} of Words.metrics) {
        const value = event.metrics[name];
        if (!over_time || !is_number(value)) continue;
        if (!this.charts.has(name)) {
          this.section.hidden = false;
          this.charts.set(name, Charts.timeline(this.grid, caption, Charts.units[unit]));
        }
        this.charts.get(name).add(event.time, value);
        this.dirty.add(name);
      }
    }
    redraw() {
      for (const name of this.dirty) this.charts.get(name).redraw();
      this.dirty.clear();
    }
  }

  class Log {
    constructor(id) {
      this.text = make("pre", {class: "log", tabindex: 0, role: "log", "aria-label": "events", "aria-live": "off"});
      this.worker = make("pre", {class: "log", tabindex: 0});
      const details = make("details", {}, make("summary", {}, "What the workers wrote"), this.worker);
      details.addEventListener("toggle", async () => {
        if (!details.open) return;
        try {
          this.worker.textContent = await Api.log(id) || "nothing";
        } catch (problem) {
          this.worker.textContent = problem.message;
        }
      });
      this.section = make("section", {}, make("h2", {}, "Log"), this.text, details);
      this.lines = [];
      this.dirty = false;
    }
    add(line) {
      this.lines.push(line);
      if (this.lines.length > log_lines) this.lines.splice(0, this.lines.length - log_lines);
      this.dirty = true;
    }
    redraw() {
      if (!this.dirty) return;
      this.dirty = false;
      const at_end = this.text.scrollHeight - this.text.scrollTop - this.text.clientHeight < 30;
      this.text.textContent = this.lines.join("\n");
      if (at_end) this.text.scrollTop = this.text.scrollHeight;
    }
  }

  function facts(job) {
    const list = make("dl", {class: "facts"});
    const add = (name, value) => {
      if (value !== null && value !== undefined && value !== "") {
        list.append(make("dt", {}, name), make("dd", {}, String(value)));
      }
    };
    const times = job.times || {};
    add("job", job.id);
    add("attempt", job.attempt);
    add("scheduler", job.scheduler_id);
    add("waits for", job.waiting_reason);
    add("created", is_number(times.created) ? date_text(times.created) : "");
    add("started", is_number(times.started) ? date_text(times.started) : "");
    if (is_number(times.ended) && is_number(times.started)) add("took", Charts.duration(times.ended - times.started));
    (job.ranks || []).forEach((rank, i) => {
      const memory = rank.peak_bytes > 0 ? `, peak ${Charts.bytes(rank.peak_bytes)}` : "";
      add(`rank ${i}`, [rank.host, rank.device].filter(part => part).join(", ") + memory);
    });
    for (const warning of job.warnings || []) add("warning", warning);
    return list;
  }

  function ask(question, action) {
    return new Promise(resolve => {
      const dialog = make("dialog", {"aria-label": question}, make("p", {}, question), make("div", {class: "row"},
          make("button", {class: "bad", click: () => dialog.close("yes")}, action),
          make("button", {autofocus: true, click: () => dialog.close("")}, "Keep it")));
      dialog.addEventListener("close", () => {
        dialog.remove();
        resolve(dialog.returnValue === "yes");
      });
      document.body.append(dialog);
      dialog.showModal();
    });
  }

  class View {
    constructor(root, id, connection) {
      this.root = root;
      this.id = id;
      this.connection = connection;
      this.heading = make("h1", {tabindex: -1}, id);
      this.state = make("span", {role: "status"});
      this.cancel = make("button", {class: "bad", click: () => this.cancel_job(), hidden: true}, "Cancel job");
      this.resume = make("button", {class: "main", click: () => this.act(Api.resume), hidden: true}, "Resume job");
      this.said = make("p", {class: "muted", role: "status"});
      this.facts = make("div");
      this.failure = make("section", {class: "error", hidden: true}, make("h2", {}, "Why it ended"), make("p"));
      this.timelines = new Timelines();
      this.log = new Log(id);
      this.report = make("div");
      this.files = make("div");
      this.report_attempt = 0;
    }

    async start(signal, ready) {
      const job = await Api.job(this.id);
      if (signal.aborted) return;
      this.stages = new Stages(job.stages || []);
      this.root.append(this.heading, make("div", {class: "row"}, this.state, this.cancel, this.resume), this.said,
                       make("section", {}, make("h2", {}, "Stages"), this.stages.list), this.failure, this.timelines.section,
                       this.report, this.files, this.log.section, make("section", {}, make("h2", {}, "Facts"), this.facts));
      ready();
      this.show(job);
      const timer = setInterval(() => {
        this.timelines.redraw();
        this.log.redraw();
      }, redraw_interval);
      signal.addEventListener("abort", () => clearInterval(timer), {once: true});
      await Api.follow(this.id, event => this.take(event), state => this.connection(state), signal);
    }

    show(job) {
      this.job = job;
      document.title = `${job.model || job.id}: ${job.state}`;
      this.heading.textContent = job.model || job.id;
      this.state.replaceChildren(state_badge(job.state));
      this.cancel.hidden = is_final(job.state) || job.state === "cancelling";
      this.resume.hidden = !Words.states[job.state]?.resumable;
      this.failure.hidden = !job.error;
      this.failure.lastChild.textContent = job.error ? error_text(job.error) : "";
      this.facts.replaceChildren(facts(job));
      if (job.state === "completed" && this.report_attempt !== job.attempt) {
        this.report_attempt = job.attempt;
        this.show_result();
      } else if (job.state !== "completed") {
        this.report_attempt = 0;
        this.report.replaceChildren();
        this.files.replaceChildren();
      }
    }

    take(event) {
      const item = JSON.parse(event.data);
      if (event.name === "state") {
        if (item.state === "submitting" || item.state === "queued") {
          this.stages.reset();
          this.timelines.reset();
        }
        this.log.add(state_line(item));
        this.refresh_soon();
        return;
      }
      item.metrics = item.metrics || {};
      this.stages.show(item);
      this.timelines.show(item);
      this.log.add(event_line(item));
      if (item.type !== kinds.progress) this.refresh_soon();
    }

    // Many items may come at once: one request for all of them.
    refresh_soon() {
      if (this.refreshing) return;
      this.refreshing = setTimeout(async () => {
        this.refreshing = null;
        try {
          this.show(await Api.job(this.id));
        } catch (problem) {
          this.said.textContent = problem.message;
        }
      }, 200);
    }

    async act(call) {
      this.said.textContent = "";
      try {
        this.show(await call(this.id));
      } catch (problem) {
        this.said.textContent = problem.message;
      }
    }

    async cancel_job() {
      if (await ask("Stop this job at its next safe point? It can be resumed.", "Stop it")) await this.act(Api.cancel);
    }

    async show_result() {
      try {
        const [report, tables] = await Promise.all([Api.report(this.id), Api.report_tables(this.id)]);
        this.report.replaceChildren();
        Report.draw_tables(tables, this.report);
        Report.draw_charts(report, this.report);
        this.show_files((await Api.artifacts(this.id)).artifacts);
      } catch (problem) {
        this.said.textContent = problem.message;
      }
    }

    // Links cannot carry a token: where one is needed, the command line brings the files.
    show_files(artifacts) {
      const list = make("ul", {class: "files"});
      for (const {path, bytes, href} of artifacts) {
        const name = Api.has_token() ? make("span", {}, path) : make("a", {href, download: path.split("/").pop()}, path);
        list.append(make("li", {}, name, make("span", {class: "muted"}, Charts.bytes(bytes))));
      }
      this.files.replaceChildren(make("section", {}, make("h2", {}, "Result"), list,
          make("p", {class: "muted"}, "All of it, checked: ", make("code", {}, `cce fetch ${this.id} --out DIR`))));
    }
  }

  return {View, make, state_badge, is_final, is_number};
})();
