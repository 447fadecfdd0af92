#!/usr/bin/env bash
# build_jobs.sh: how many compilers this machine can run at once: one a core, one per 1.5 GB of free memory.
set -euo pipefail
cores=$(nproc)
by_memory=$(awk '/^MemAvailable/ {print int($2 / 1500000)}' /proc/meminfo)
jobs=$((by_memory < cores ? by_memory : cores))
echo $((jobs > 1 ? jobs : 1))
