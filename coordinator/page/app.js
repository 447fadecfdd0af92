"use strict";
// The page: which view the address asks for, the token, and the table of jobs.
(() => {
  const {make, state_badge, is_number, is_final} = JobView;
  const main = document.getElementById("main");
  const connection = document.getElementById("connection");
  const refresh_interval = 2000;
  const states = Object.keys(Words.states);

  let view = new AbortController();
  let first_view = true;

  const say_connection = state => {
    connection.textContent = state === "live" ? "live" : "connection lost, trying again";
  };

  function ask_token(again) {
    const field = make("input", {type: "password", id: "token", autocomplete: "current-password", required: true});
    const form = make("form", {submit: event => {
      event.preventDefault();
      Api.set_token(field.value.trim());
      navigate();
    }}, make("h1", {}, "Token"), make("p", {}, again ? "The server did not take this token." : "This server asks for a token."),
        make("div", {class: "row"}, make("label", {for: "token"}, "Token"), field, make("button", {class: "main"}, "Go on")));
    main.replaceChildren(make("section", {}, form));
    connection.textContent = "";
    field.focus();
  }

  function show_problem(problem) {
    if (problem instanceof Api.Problem && problem.status === 401) {
      ask_token(Api.has_token());
      return;
    }
    main.replaceChildren(make("section", {class: "error"}, make("h2", {}, "That did not work"), make("p", {}, problem.message),
                              make("a", {href: "#/"}, "All jobs")));
  }

  function age(seconds) {
    const passed = Math.max(0, Date.now() / 1000 - seconds);
    return `${Charts.duration(Math.max(1, Math.round(passed))).replace(".0 s", " s")} ago`;
  }

  function progress_cell(job) {
    if (is_final(job.state)) return "";
    const {done, total} = job.progress || {};
    const share = total > 0 ? ` ${Math.round(100 * done / total)} %` : "";
    return job.stage ? job.stage.replaceAll("_", " ") + share : job.waiting_reason || "";
  }

  function job_row(job) {
    const left = is_number(job.eta_seconds) && !is_final(job.state) ? Charts.duration(job.eta_seconds) : "";
    const created = job.times && is_number(job.times.created) ? age(job.times.created) : "";
    return make("tr", {}, make("td", {}, state_badge(job.state)),
                make("td", {}, make("a", {href: `#/jobs/${encodeURIComponent(job.id)}`}, job.model || "job"), make("div", {class: "id muted"}, job.id)),
                make("td", {}, progress_cell(job)), make("td", {class: "wide"}, left), make("td", {class: "wide"}, created));
  }

  // Redraws the table only where something changed, and keeps the keyboard's place in it.
  async function show_jobs(signal, ready) {
    document.title = "CCE jobs";
    const filter = make("select", {id: "state"}, make("option", {value: ""}, "all"),
                        ...states.map(state => make("option", {value: state}, state)));
    const body = make("tbody");
    const head = ["state", "job", "stage", "left", "created"].map((name, i) => make("th", {scope: "col", class: i > 2 ? "wide" : ""}, name));
    const empty = make("p", {class: "muted", role: "status"});
    const more = make("button", {hidden: true}, "Show older jobs");
    const table = make("table", {class: "jobs"}, make("thead", {}, make("tr", {}, ...head)), body);
    main.replaceChildren(make("h1", {tabindex: -1}, "Jobs"),
                         make("div", {class: "row"}, make("label", {for: "state"}, "State"), filter),
                         make("section", {}, make("div", {class: "scroll"}, table), empty, more));
    ready();
    let pages = 1, shown = "", timer = 0;
    const load = async () => {
      clearTimeout(timer);
      try {
        let jobs = [], after = "";
        for (let page = 0; page < pages; ++page) {
          const answer = await Api.jobs(filter.value, after);
          jobs = jobs.concat(answer.jobs);
          after = answer.next;
          if (!after) break;
        }
        if (signal.aborted) return;
        say_connection("live");
        more.hidden = !after;
        empty.textContent = jobs.length > 0 ? "" : "No jobs. cce submit hands one in.";
        table.hidden = jobs.length === 0;
        const text = JSON.stringify(jobs);
        if (text !== shown) {
          shown = text;
          const focused = document.activeElement instanceof HTMLAnchorElement ? document.activeElement.hash : "";
          body.replaceChildren(...jobs.map(job_row));
          if (focused) [...body.querySelectorAll("a")].find(link => link.hash === focused)?.focus();
        }
      } catch (problem) {
        if (signal.aborted) return;
        if (problem instanceof Api.Problem && problem.status < 500 && problem.status !== 429) {
          show_problem(problem);
          return;
        }
        say_connection("lost");
      }
      timer = setTimeout(load, document.hidden ? 5 * refresh_interval : refresh_interval);
    };
    signal.addEventListener("abort", () => clearTimeout(timer), {once: true});
    filter.addEventListener("change", () => {
      pages = 1;
      load();
    });
    more.addEventListener("click", () => {
      ++pages;
      load();
    });
    await load();
  }

  async function navigate() {
    view.abort();
    view = new AbortController();
    const {signal} = view;
    main.replaceChildren();
    const match = /^#\/jobs\/([^/]+)$/.exec(location.hash);
    // Whoever reads by ear or keyboard goes on at the new view's heading; a first view leaves the start to the browser.
    const ready = () => {
      if (!first_view) main.querySelector("h1").focus();
      first_view = false;
    };
    try {
      if (match) {
        await new JobView.View(main, decodeURIComponent(match[1]), say_connection).start(signal, ready);
      } else {
        await show_jobs(signal, ready);
      }
    } catch (problem) {
      if (!signal.aborted) show_problem(problem);
    }
  }

  document.querySelector(".skip").addEventListener("click", event => {
    event.preventDefault();  // the address names the view
    main.querySelector("h1")?.focus();
  });
  window.addEventListener("hashchange", navigate);
  navigate();
})();
