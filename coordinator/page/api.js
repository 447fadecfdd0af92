"use strict";
// The dashboard's way to the server: requests with the token, and a job's events by streaming fetch, which, unlike
// EventSource, can carry the token.
const Api = (() => {
  const token_key = "cce-token";
  const first_pause = 500, longest_pause = 10000;

  class Problem extends Error {
    constructor(status, text) {
      super(text);
      this.status = status;
    }
  }

  function headers(more) {
    const token = sessionStorage.getItem(token_key);
    return token ? {...more, Authorization: `Bearer ${token}`} : more;
  }

  async function problem_of(response) {
    let text = `The server answered with status ${response.status}.`;
    try {
      const document = await response.json();
      text = document.detail || document.title || text;
    } catch {
      // Not JSON: possibly from a proxy between this page and the server. The status says enough.
    }
    return new Problem(response.status, text);
  }

  async function send(path, options = {}) {
    const response = await fetch(path, {cache: "no-store", ...options, headers: headers(options.headers || {})});
    if (!response.ok) throw await problem_of(response);
    return response;
  }

  const job_path = (id, rest = "") => `v1/jobs/${encodeURIComponent(id)}${rest}`;
  const json = async response => (await response).json();

  // Cuts an event stream into {id, name, data}; `push` takes text in parts of any size.
  function parser(sink) {
    let rest = "", id = "", name = "", data = [];
    return text => {
      rest += text;
      const lines = rest.split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop();
      for (const line of lines) {
        if (line === "") {
          if (data.length > 0) sink({id, name: name || "message", data: data.join("\n")});
          name = "";
          data = [];
          continue;
        }
        const colon = line.indexOf(":");
        const field = colon < 0 ? line : line.slice(0, colon);
        const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
        if (field === "id") id = value;
        if (field === "event") name = value;
        if (field === "data") data.push(value);
      }
    };
  }

  const pause = (milliseconds, signal) => new Promise(resolve => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, {once: true});
  });

  // Hands every event of a job to `sink` once and in order, however often the connection breaks, until `signal` is
  // aborted. `status` hears "live" and "lost". Ends by itself only where the server refuses.
  async function follow(id, sink, status, signal) {
    let last = "", wait = first_pause;
    while (!signal.aborted) {
      try {
        const response = await send(job_path(id, "/events"), {
          signal, headers: {Accept: "text/event-stream", ...(last ? {"Last-Event-ID": last} : {})}});
        status("live");
        const take = parser(event => {
          last = event.id;
          wait = first_pause;
          sink(event);
        });
        const decoder = new TextDecoder();
        const reader = response.body.getReader();
        for (;;) {
          const {value, done} = await reader.read();
          if (done) break;
          take(decoder.decode(value, {stream: true}));
        }
      } catch (problem) {
        if (signal.aborted) return;
        if (problem instanceof Problem && problem.status < 500 && problem.status !== 429) throw problem;
        status("lost");
      }
      await pause(wait * (0.75 + Math.random() / 2), signal);
      wait = Math.min(wait * 2, longest_pause);
    }
  }

  return {
    Problem, follow,
    set_token: token => sessionStorage.setItem(token_key, token),
    has_token: () => Boolean(sessionStorage.getItem(token_key)),
    jobs: (state, after) => {
      const query = new URLSearchParams({limit: "50", ...(state ? {state} : {}), ...(after ? {after} : {})});
      return json(send(`v1/jobs?${query}`));
    },
    job: id => json(send(job_path(id))),
    cancel: id => json(send(job_path(id), {method: "DELETE"})),
    resume: id => json(send(job_path(id, "/resume"),
                            {method: "POST", headers: {"Content-Type": "application/json"}, body: "{}"})),
    report: id => json(send(job_path(id, "/report"))),
    report_tables: id => json(send(job_path(id, "/report/tables"))),
    artifacts: id => json(send(job_path(id, "/artifacts"))),
    log: async id => (await send(job_path(id, "/logs"))).text(),
  };
})();
