#!/usr/bin/env bash
# check_format.sh [--fix]: whether every C++ file is formatted as .clang-format says. Exit 0 yes, 1 no, 77 where no
# clang-format 14 (Debian 12's) is installed: other versions break lines elsewhere.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

formatter=$(command -v clang-format-14 || command -v clang-format || true)
if [[ -z $formatter ]] || ! "$formatter" --version | grep -q 'version 14\.'; then
  echo "skipped: no clang-format 14 here (apt-get install clang-format)"
  exit 77
fi
mapfile -t files < <(find common coordinator worker tests scripts -name '*.cpp' -o -name '*.h' -o -name '*.cu' -o -name '*.cuh' | sort)
if [[ ${1:-} == --fix ]]; then
  exec "$formatter" -i "${files[@]}"
fi
printf '%s\0' "${files[@]}" | xargs -0 -n 40 -P "$(nproc)" "$formatter" --dry-run --Werror || { echo "scripts/check_format.sh --fix formats them" >&2; exit 1; }
