#!/usr/bin/env bash
# install_dependencies.sh [build|test]: the Debian 12 packages that a build needs (default), or those and what the tests
# need. Asks apt only for what is missing; does nothing, and needs no root, when all is there.
set -euo pipefail

build_packages=(
  g++ cmake ninja-build pkg-config ccache mold                  # the build
  libopenmpi-dev openmpi-bin                                    # ranks
  libdnnl-dev libopenblas-openmp-dev liblapacke-dev             # products and factorisations, one OpenMP pool
  nlohmann-json3-dev libyaml-cpp-dev libcli11-dev               # JSON, recipes, command line
  libssl-dev libpcre2-dev libicu-dev libsentencepiece-dev       # digests, TLS, tokenizers
  zlib1g-dev libzstd-dev                                        # compressed texts
  libsqlite3-dev libboost1.81-dev                               # the service's jobs, HTTP
  python3 python3-pip ca-certificates                           # scripts/get_model
)
test_packages=(
  libgtest-dev libgmock-dev clang-format
  python3-numpy                                                 # what makes random checkpoints
  chromium openssl                                              # the dashboard; a certificate for the client
  # slurm/lab; Slurm's PMIx plugin loads libpmix2, and no package says so
  munge slurmctld slurmd slurm-client slurm-wlm-basic-plugins libpmix2
)

stop() {
  printf 'install_dependencies: %s\n' "$@" >&2
  exit 1
}

case "${1:-build}" in
  build) wanted=("${build_packages[@]}") ;;
  test) wanted=("${build_packages[@]}" "${test_packages[@]}") ;;
  *) stop "unknown set of packages '$1'; expected build or test" ;;
esac

command -v dpkg-query >/dev/null || stop "this is not a Debian system." \
  "Install the counterparts of these packages by hand, then build: ${wanted[*]}"

missing=()
for package in "${wanted[@]}"; do
  # python3 may come from elsewhere (a container's own build); its pip then comes with it.
  if [[ $package == python3 || $package == python3-pip ]] && python3 -m pip --version >/dev/null 2>&1; then
    continue
  fi
  [[ $(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null) == ii* ]] || missing+=("$package")
done
[[ ${#missing[@]} -eq 0 ]] && exit 0

as_root=()
if [[ $(id -u) -ne 0 ]]; then
  command -v sudo >/dev/null || stop "missing packages: ${missing[*]}" \
    "Install them as root: apt-get install --no-install-recommends ${missing[*]}"
  as_root=(sudo)
fi
echo "installing by apt: ${missing[*]}"
"${as_root[@]}" apt-get update -qq || stop "apt-get update failed; check the network and /etc/apt/sources.list"
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" ||
  stop "apt-get could not install: ${missing[*]}" "Debian 12 (bookworm) has all of them; is this an older release?"
