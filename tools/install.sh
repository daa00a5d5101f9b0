# Sourced by ./check and ./demo: installs what is missing (muon_install) and builds (muon_build). Debian 12, as root or
# with sudo; asks nothing. Everything but Debian's packages stays in build/.

muon_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
muon_build_dir=$muon_root/build/release
muon_python=$muon_root/build/venv/bin/python
export PYTHONPATH=$muon_build_dir/python

muon_packages="bible-kjv ccache clang-22 clang-format-22 cmake git libclang-rt-22-dev libgmock-dev libgtest-dev libmlir-22-dev libsqlite3-dev lld-22 llvm-22-dev llvm-22-tools
  mlir-22-tools ninja-build python3-dev python3-venv"

# apt-get as root, or through sudo; only errors are shown. Nobody is asked for a password: there may be nobody.
muon_apt() {
  local as_root=()
  if [ "$(id -u)" != 0 ]; then
    as_root=(sudo -n)
    if ! "${as_root[@]}" true 2>/dev/null; then
      echo "apt-get $1 needs root, or sudo without a password (after 'sudo -v' for example)" >&2
      return 1
    fi
  fi
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" </dev/null >/dev/null
}

muon_install_packages() {
  local package missing=()
  for package in $muon_packages; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] && return
  echo "Installing ${missing[*]}"
  muon_apt update
  muon_apt install -y --no-install-recommends "${missing[@]}"
}

# The requirements are copied beside the environment once installed: the same file again means nothing to do.
muon_install_python() {
  local requirements=$muon_root/python_bindings/requirements.txt venv=$muon_root/build/venv
  cmp -s "$requirements" "$venv/requirements.txt" && return
  echo "Installing Python packages into build/venv"
  /usr/bin/python3 -m venv "$venv"
  "$muon_python" -m pip install --quiet --progress-bar off --requirement "$requirements"
  # NVIDIA's assembler (47 MB), where there is no CUDA toolkit: GPU kernels are assembled and counted, not run.
  if ! command -v ptxas >/dev/null && ! [ -x "${CUDA_HOME:-}/bin/ptxas" ]; then
    "$muon_python" -m pip install --quiet --progress-bar off --no-deps nvidia-cuda-nvcc==13.5.37
  fi
  cp "$requirements" "$venv/requirements.txt"
}

# The compiler looks for ptxas on PATH; a packaged one is named to it.
muon_name_ptxas() {
  local packaged
  packaged=$(echo "$muon_root"/build/venv/lib/python3*/site-packages/nvidia/cu13/bin/ptxas)
  if ! command -v ptxas >/dev/null && [ -x "$packaged" ]; then
    export MUON_PTXAS=$packaged
  fi
}

muon_install() {
  muon_install_packages
  muon_install_python
  muon_name_ptxas
}

# Without a terminal ninja says nothing unless something fails.
muon_build() {
  local quiet=(--quiet)
  [ -t 1 ] && quiet=()
  echo "Building in build/release"
  (cd "$muon_root" && cmake --preset release --log-level=WARNING \
    -DMUON_ENABLE_PYTHON=ON -DPython_EXECUTABLE="$muon_python" >/dev/null)
  ninja -C "$muon_build_dir" "${quiet[@]}" "$@"
}
