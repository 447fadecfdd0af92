#!/usr/bin/env bash
# schemathesis.sh [SCHEMATHESIS ARGUMENT...]: starts `cce serve` over a scratch folder with a finished and a failed job and
# runs schemathesis (PyPI, in a virtual environment under build/) against its openapi.json: all phases, all checks.
# CCE names the program, OUT a file for the figures (docs/bench/schemathesis.json), SCHEMATHESIS an installed program.
# Exit 0 where it finds nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

cce=$(realpath "${CCE:-build/release/bin/cce}")
schemathesis=${SCHEMATHESIS:-build/schemathesis/bin/schemathesis}
if [[ ! -x $schemathesis ]]; then
  python3 -m venv build/schemathesis
  build/schemathesis/bin/pip install --quiet 'schemathesis==4.32.*'
fi
schemathesis=$(realpath "$schemathesis")

scratch=$(mktemp -d)
server=
stop() {
  if [[ -n $server ]]; then
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  rm -rf "$scratch"
}
trap stop EXIT
mkdir "$scratch/root"
cp -r tests/data/models/stories260K "$scratch/root/model"
(umask 077; od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$scratch/token")
token=$(<"$scratch/token")

"$cce" serve --listen 127.0.0.1:0 --data "$scratch/data" --root "$scratch/root" --token-file "$scratch/token" \
  --max-queued 100000 >"$scratch/serve.log" 2>&1 &
server=$!
for _ in $(seq 100); do
  port=$(grep -oP 'listening on http://127.0.0.1:\K\d+' "$scratch/serve.log" || true)
  [[ -n $port ]] && break
  sleep 0.1
done
url=http://127.0.0.1:$port
post() {
  curl --silent --fail --max-time 30 -H "Authorization: Bearer $token" -H 'Content-Type: application/json' \
    --data "$1" "$url/v1/jobs" | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])'
}
state() {
  curl --silent --fail --max-time 30 -H "Authorization: Bearer $token" "$url/v1/jobs/$1" |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["state"])'
}
text='"calibration": {"text": [{"path": "model/tinystories.tokens.u16", "windows": "0:16"}], "length": 128, "sequences": 8}'
evaluate='"evaluate": {"text": [{"path": "model/tinystories.tokens.u16", "windows": "-4:"}], "samples": 0}'
resources='"resources": {"ranks": 1, "threads": 1}, "export": {"round_to": 4, "dtype": "f32"}'
done_job=$(post "{\"model\": \"model\", $text, $evaluate, $resources}")
for _ in $(seq 600); do
  [[ $(state "$done_job") == completed ]] && break
  sleep 0.2
done
[[ $(state "$done_job") == completed ]] || { tail "$scratch/serve.log" >&2; exit 1; }

# What the generator should also meet: ids and files that exist. A recipe that fits the schema names, nearly always, a
# model that is not there: 422 is the right answer to that, and 429 to the one that finds the queue full.
cat >"$scratch/schemathesis.toml" <<END
[[operations]]
include-path-regex = "^/v1/jobs/\\\\{id\\\\}"
parameters = { "path.id" = "$done_job" }
[[operations]]
include-path = "/v1/jobs/{id}/artifacts/{path}"
parameters = { "path.id" = "$done_job", "path.path" = "report.json" }
# An id such as 0.0 is sent as the number 0, which is no id.
[[operations]]
include-path = "/v1/jobs/{id}/events"
parameters = { "path.id" = "$done_job" }
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "404"]
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "304", "401", "403", "404", "409", "416", "422", "429"]
END
cat "$scratch/schemathesis.toml"
status=0
"$schemathesis" --config-file "$scratch/schemathesis.toml" run "$url/openapi.json" \
  --header "Authorization: Bearer $token" --checks all --request-timeout 20 --seed "${SEED:-1}" \
  --max-examples "${EXAMPLES:-100}" --continue-on-failure "$@" 2>&1 | tee "$scratch/output" || status=$?
if [[ -n ${OUT:-} ]]; then
  python3 - "$scratch/output" "$status" "$OUT" <<'END'
import json, re, sys
text = re.sub(r"\x1b\[[0-9;]*m", "", open(sys.argv[1]).read())
lines = [line.strip() for line in text.splitlines() if line.strip()]
start = next((i for i, line in enumerate(lines) if "SUMMARY" in line), len(lines))
json.dump({"exit": int(sys.argv[2]), "version": lines[0] if lines else "", "summary": lines[start + 1:]},
          open(sys.argv[3], "w"), indent=2, ensure_ascii=False)
END
fi
exit "$status"
