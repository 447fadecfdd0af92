#!/usr/bin/env bash
# test.sh [CTEST ARGUMENT...]: installs what is missing, builds the release preset and runs all tests; more arguments go to
# ctest. `scripts/test.sh -L quick` builds only what its tests run, and takes under two minutes after that; so do the labels
# common, numeric, text and stages. PRESET=asan-ubsan and the like choose another preset. Without arguments, and where nvcc is,
# the GPU twins are compiled and linked too; their tests say why they skip where there is no GPU.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

preset=${PRESET:-release}
scripts/install_dependencies.sh test
cmake --preset "$preset" -DCCE_BUILD_TESTS=ON
targets=()
if [[ $# -ge 2 && $1 == -L ]] && grep -qx "$2" "build/$preset/labels_built_alone.txt"; then
  targets=(--target "tests_$2")
fi
cmake --build --preset "$preset" --parallel "$(scripts/build_jobs.sh)" "${targets[@]}"
if [[ $# -eq 0 && $preset == release ]] && command -v nvcc >/dev/null; then
  cmake --preset cuda -DCCE_CUDA=AUTO -DCCE_BUILD_TESTS=ON
  grep -q '^CCE_CUDA_MISSING:INTERNAL=$' build/cuda/CMakeCache.txt ||
    echo "test.sh: the GPU twins are NOT compiled: $(grep '^CCE_CUDA_MISSING' build/cuda/CMakeCache.txt)" >&2
  cmake --build --preset cuda --parallel "$(scripts/build_jobs.sh)" --target gpu_programs
  ctest --preset cuda --parallel 2 -R '^(device_tests|cuda_backend_tests|nccl_communicator_test)\.' --no-tests=ignore
fi
# Many tests start ranks of their own: two at a time keep small machines busy and no deadline in danger.
exec ctest --preset "$preset" --parallel 2 "$@"
