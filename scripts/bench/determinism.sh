#!/usr/bin/env bash
# determinism.sh [--smoke] [--cce FILE] [--data DIR] [--model DIR] [--work DIR] [--recipe NAME] [--steps "twice ranks kill"]
#   twice   the same recipe on the same ranks, two times: identical bytes of config.json, plan.json and every shard
#   ranks   on 1, 2 and 4 ranks: perplexities within 0.1 % of those of 1 rank, by cce's own evaluation
#   kill    every process ended by SIGKILL in the middle of encode, then `cce resume`: the same bytes as without
# Ends with 0 if all hold. Folders of an earlier call are replaced.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cce=$root/build/release/bin/cce
work=$root/build/bench
recipe=uniform30
steps="twice ranks kill"
protocol_arguments=()
while (($# > 0)); do
  case $1 in
    --smoke) protocol_arguments+=(--smoke); shift ;;
    --data | --model) protocol_arguments+=("$1" "$2"); shift 2 ;;
    --cce) cce=$2; shift 2 ;;
    --work) work=$2; shift 2 ;;
    --recipe) recipe=$2; shift 2 ;;
    --steps) steps=$2; shift 2 ;;
    -h | --help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "determinism.sh: unknown argument $1 (--help lists them)" >&2; exit 2 ;;
  esac
done
mkdir -p "$work/determinism"
work=$(cd "$work" && pwd)
folder=$work/determinism
"$here/protocol.py" --work "$work" ${protocol_arguments[@]+"${protocol_arguments[@]}"} >"$folder/recipes.txt"
recipe_file=$work/recipes/$recipe.yaml
failures=0

report() {  # report OK|FAIL sentence
  echo "$1  $2"
  [ "$1" = ok ] || failures=$((failures + 1))
}

compress() {  # compress NAME RANKS [argument ...]
  local name=$1 ranks=$2
  shift 2
  rm -rf "$folder/$name" "$folder/$name.job"
  "$cce" compress "$recipe_file" --ranks "$ranks" --threads 1 --out "$folder/$name" --job "$folder/$name.job" --quiet "$@" \
    >"$folder/$name.log" 2>&1
}

digests() {  # of what users load, and of the plan
  (cd "$folder/$1" && sha256sum config.json plan.json ./*.safetensors)
}

need_reference() {  # 2 ranks, undisturbed
  [ -f "$folder/.reference" ] && return
  compress first 2
  touch "$folder/.reference"
}

same_bytes() {  # same_bytes A B sentence
  if diff <(digests "$1") <(digests "$2") >"$folder/$1-$2.diff"; then
    report ok "$3: identical bytes"
  else
    report FAIL "$3: $(grep -c '^>' "$folder/$1-$2.diff") files differ"
  fi
}

check_twice() {
  need_reference
  compress second 2
  same_bytes first second "the same recipe twice on 2 ranks"
}

check_ranks() {
  need_reference
  compress ranks1 1
  compress ranks4 4
  local verdict
  verdict=$(python3 - "$folder"/{ranks1,first,ranks4}/report.json <<'PYTHON'
import json, sys
reports = [json.load(open(path)) for path in sys.argv[1:]]
values = [{name: pair["after"] for name, pair in report["evaluation"]["perplexity"].items()} for report in reports]
for name, one in values[0].items():
    others = [value[name] for value in values[1:]]
    worst = max(abs(other / one - 1) for other in others)
    print("ok" if worst <= 1e-3 else "FAIL", f"{name}: {one:.5f} on 1 rank, {others[0]:.5f} on 2, {others[1]:.5f} on 4: "
          f"{100 * worst:.4f} % apart at most (bound 0.1 %)")
PYTHON
  )
  while read -r state sentence; do report "$state" "$sentence"; done <<<"$verdict"
}

descendants() {  # of a process, itself last
  local child
  for child in $(pgrep -P "$1" || true); do descendants "$child"; done
  echo "$1"
}

layers_encoded() {  # progress that encode has reported so far
  { grep -s '"stage":"encode"' "$1" || true; } | { grep -c '"type":"progress"' || true; }
}

check_kill() {
  need_reference
  local job=$folder/killed.job
  rm -rf "$folder/killed" "$job"
  "$cce" compress "$recipe_file" --ranks 2 --threads 1 --out "$folder/killed" --job "$job" --quiet \
    >"$folder/killed.log" 2>&1 &
  local started=$! deadline=$((SECONDS + 3600))
  until [ "$(layers_encoded "$job/events.jsonl")" -ge 3 ]; do
    if ! kill -0 "$started" 2>/dev/null || ((SECONDS > deadline)); then
      report FAIL "ended before encode could be met"
      return
    fi
    sleep 0.02
  done
  # shellcheck disable=SC2046  # one word a process
  kill -KILL $(descendants "$started") 2>/dev/null || true
  wait "$started" 2>/dev/null || true
  if [ -d "$job/result" ]; then
    report FAIL "killed in encode, and yet there is a result"
  fi
  "$cce" resume "$job" --quiet >"$folder/resumed.log" 2>&1
  report ok "killed after $(layers_encoded "$job/events.jsonl") steps of progress in encode (both attempts), resumed"
  same_bytes first killed "killed in encode and resumed"
}

rm -f "$folder/.reference"
for step in $steps; do "check_$step"; done
((failures == 0))
