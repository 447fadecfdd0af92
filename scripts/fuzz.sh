#!/usr/bin/env bash
# fuzz.sh [SECONDS] [TARGET...] [-- LIBFUZZER ARGUMENT...]: runs fuzzers (default 600 s each) with the address and undefined
# behaviour sanitizers. A target is a folder of tests/fuzz/corpus, where it starts from (default: all of them): http_request
# is the server's request path, every other one a reader of tests/fuzz/document.cpp. Needs clang and libclang-rt (Debian:
# clang, libclang-rt-14-dev). What they find new goes to build/fuzz/corpus; a crash is written to build/fuzz/TARGET- and ends
# the run with exit 77.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

stop() {
  echo "fuzz.sh: $1" >&2
  exit 2
}

seconds=${1:-600}
shift || true
[[ $seconds =~ ^[0-9]+$ ]] || stop "'$seconds' is no number of seconds"
targets=()
while (($#)) && [[ $1 != -- ]]; do
  [[ -d tests/fuzz/corpus/$1 ]] || stop "no target '$1'; there are $(ls -x -w 0 tests/fuzz/corpus)"
  targets+=("$1")
  shift
done
(($#)) && shift
((${#targets[@]})) || mapfile -t targets < <(ls tests/fuzz/corpus)
command -v clang++ >/dev/null || stop "clang++ is missing: apt-get install clang libclang-rt-14-dev"
folder=build/fuzz
mkdir -p "$folder/objects"

# The pages and the script that CMake puts into the program.
cmake -S . -B "$folder/configured" -G Ninja -DCMAKE_BUILD_TYPE=Release >/dev/null
generated=("$folder"/configured/coordinator/{dashboard_files,openapi_template}.cpp
  "$folder/configured/worker/text/tokenize_script.cpp")

# Everything below the commands, the processes and the sockets: clang 14 knows no coroutines of the standard.
not_needed='http_server|http_server_(events|response|session)|local_.*|process.*|run_.*|probe|scheduler_choice|slurm_sc.*'
mapfile -t sources < <(ls common/*/*.cpp common/*/*/*.cpp coordinator/*/*.cpp worker/text/*.cpp worker/text/models/*.cpp |
  grep -vE "^coordinator/(client|command|terminal)/|^coordinator/.*/($not_needed)\.cpp$")
sources+=(coordinator/client/client_sse.cpp "${generated[@]}")
own=(tests/fuzz/{http_request,http_request_fuzzer,document,document_fuzzer}.cpp)
flags=(-std=c++20 -O1 -g1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined
  -fno-sanitize-recover=undefined -I. "-DCCE_VERSION=\"fuzz\"" "-DCCE_TESTS_DIR=\"$PWD/tests\"")
# What nearly every file includes is parsed once.
header=$folder/common_headers.h
if [[ ! $header.pch -nt scripts/fuzz.sh ]]; then
  printf '#include <%s>\n' algorithm filesystem functional map memory optional set sstream string vector nlohmann/json.hpp \
    >"$header"
  clang++ "${flags[@]}" -x c++-header "$header" -o "$header.pch"
fi
flags+=(-include-pch "$header.pch")
newest=$(find common coordinator worker/text tests "$header.pch" \( -name '*.h' -o -name '*.pch' \) -printf '%T@ %p\n' |
  sort -n | tail -n 1 | cut -d ' ' -f 2-)

object() { echo "$folder/objects/$(tr / - <<<"$1").o"; }
for source in "${sources[@]}" "${own[@]}"; do
  target=$(object "$source")
  [[ $target -nt $source && $target -nt $newest ]] || printf '%s\0' clang++ "${flags[@]}" -c "$source" -o "$target"
done | xargs -0 -r -n $((${#flags[@]} + 5)) -P "$(nproc)" env
rm -f "$folder/libcce.a"
for source in "${sources[@]}"; do object "$source"; done | xargs ar rcs "$folder/libcce.a"

link() { # link TARGET: the program of tests/fuzz/TARGET.cpp
  clang++ -fsanitize=fuzzer,address,undefined "$(object "tests/fuzz/$1.cpp")" "$(object "tests/fuzz/$1_fuzzer.cpp")" \
    "$folder/libcce.a" -o "$folder/$1_fuzzer" -lyaml-cpp -lsqlite3 -lcrypto -lssl -lpcre2-8 -licuuc -lsentencepiece -lz -lzstd -lpthread
}
link http_request
link document

for target in "${targets[@]}"; do
  program=document
  [[ $target == http_request ]] && program=http_request
  mkdir -p "$folder/corpus/$target"
  echo "$target: $seconds s, log in $folder/$target.log"
  status=0
  CCE_FUZZ_FORMAT=$target "$folder/${program}_fuzzer" -max_total_time="$seconds" -max_len=8192 -timeout=10 -rss_limit_mb=2048 \
    -dict="tests/fuzz/$program.dict" -artifact_prefix="$folder/$target-" -print_final_stats=1 "$@" \
    "$folder/corpus/$target" "tests/fuzz/corpus/$target" >"$folder/$target.log" 2>&1 || status=$?
  if ((status != 0)); then
    tail -n 40 "$folder/$target.log"
    exit "$status"
  fi
  printf '%s: %s executions, no finding\n' "$target" \
    "$(sed -n 's/^stat::number_of_executed_units: *//p' "$folder/$target.log")"
done
