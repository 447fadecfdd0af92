#!/usr/bin/env bash
# fuzz.sh [SECONDS] [LIBFUZZER ARGUMENT...]: runs the request path's fuzzer (default 600 s) with the address and undefined
# behaviour sanitizers, starting from tests/fuzz/corpus/http_request. Needs clang and libclang-rt (Debian: clang,
# libclang-rt-14-dev). What it finds new goes to build/fuzz/corpus; a crash is written there and ends with exit 77.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${1:-600}
shift || true
command -v clang++ >/dev/null || { echo "fuzz.sh needs clang++: apt-get install clang libclang-rt-14-dev" >&2; exit 2; }
folder=build/fuzz
mkdir -p "$folder/objects" "$folder/corpus"

# The pages and the script that CMake puts into the program.
cmake -S . -B "$folder/configured" -G Ninja -DCMAKE_BUILD_TYPE=Release >/dev/null
generated=("$folder"/configured/coordinator/{dashboard_files,openapi,slurm_template}.cpp)

# Everything below the commands and the sockets: clang 14 knows no coroutines of the standard.
mapfile -t sources < <(ls common/*.cpp coordinator/*.cpp |
  grep -vE 'coordinator/(main|commands|client_.*|.*_command|http_client|http_server(_events|_response|_session)?)\.cpp$')
flags=(-std=c++20 -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined
  -fno-sanitize-recover=undefined -I. "-DCCE_VERSION=\"fuzz\"" "-DCCE_TESTS_DIR=\"$PWD/tests\"")

compile() {
  object="$folder/objects/$(tr / - <<<"$1").o"
  [[ $object -nt $1 ]] || clang++ "${flags[@]}" -c "$1" -o "$object"
}
export folder
running=0
for source in "${sources[@]}" "${generated[@]}" tests/fuzz/http_request.cpp tests/fuzz/http_request_fuzzer.cpp; do
  compile "$source" &
  running=$((running + 1))
  if ((running >= $(nproc))); then
    wait -n
    running=$((running - 1))
  fi
done
wait
objects=()
for source in "${sources[@]}" "${generated[@]}" tests/fuzz/http_request.cpp tests/fuzz/http_request_fuzzer.cpp; do
  objects+=("$folder/objects/$(tr / - <<<"$source").o")
done
clang++ -fsanitize=fuzzer,address,undefined "${objects[@]}" -o "$folder/http_request_fuzzer" \
  -lyaml-cpp -lsqlite3 -lcrypto -lssl -lpthread

exec "$folder/http_request_fuzzer" -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 \
  -dict=tests/fuzz/http_request.dict -artifact_prefix="$folder/" -print_final_stats=1 "$@" \
  "$folder/corpus" tests/fuzz/corpus/http_request
