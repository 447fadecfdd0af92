#!/usr/bin/env bash
# test.sh [CTEST ARGUMENT...]: installs what is missing, builds the release preset and runs all tests; more arguments go
# to ctest (`scripts/test.sh -L common`). PRESET=asan-ubsan and the like choose another preset.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

preset=${PRESET:-release}
scripts/install_dependencies.sh test
cmake --preset "$preset" -DCCE_BUILD_TESTS=ON
cmake --build --preset "$preset" --parallel "$(scripts/build_jobs.sh)"
# Many tests start ranks of their own: two at a time keep small machines busy and no deadline in danger.
exec ctest --preset "$preset" --parallel 2 "$@"
