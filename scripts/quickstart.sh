#!/usr/bin/env bash
# quickstart.sh [KEY=VALUE...]: on a bare Debian 12, installs what is missing, builds cce, gets SmolLM2-135M-Instruct,
# removes an eighth of its blocks' weights over 2 ranks (scripts/quickstart.yaml), and ends with a before/after table, the time it
# took and what to do next. Run again, it skips what is done and continues what was stopped. KEY=VALUE changes recipe keys.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cce=build/release/bin/cce
output=out/smollm2-135m-smaller
job=$output.job
started=$SECONDS

step() { printf '\n== %s\n' "$1"; }

step "1/4 packages"
scripts/install_dependencies.sh build

step "2/4 build (log: build/quickstart-build.log)"
mkdir -p build
if ! { cmake --preset release -DCCE_BUILD_TESTS=OFF && cmake --build --preset release --parallel "$(scripts/build_jobs.sh)" --target cce cce-worker; } \
  >build/quickstart-build.log 2>&1; then
  tail -n 30 build/quickstart-build.log >&2
  echo "quickstart: the build failed; the whole log is build/quickstart-build.log" >&2
  exit 1
fi

step "3/4 model"
scripts/get_model

step "4/4 compression: one smaller FFN width, an eighth of the blocks' weights, 2 ranks"
computing=$SECONDS
if [[ -f $job/spec.json ]]; then
  # The same job, finished or stopped. To start afresh, remove the job and the output.
  [[ $# -eq 0 ]] || { echo "quickstart: $job exists; remove it to run with other settings" >&2; exit 2; }
  "$cce" resume "$job"
else
  settings=()
  for setting in "$@"; do settings+=(--set "$setting"); done
  "$cce" compress scripts/quickstart.yaml --job "$job" "${settings[@]}"
fi

printf '\nThe compressed checkpoint is %s (its README.md says how to load it).\n' "$output"
printf 'Next: open %s/report.html, or keep what your own text needs: %s compress --model models/smollm2-135m --text YOUR.txt --remove 0.1 --out out/yours\n' "$output" "$cce"
printf 'Time: %d s for the compression, %d s for everything.\n' $((SECONDS - computing)) $((SECONDS - started))
