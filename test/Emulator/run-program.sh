#!/bin/sh
# muon-emulate on whole programs: two steps of a GPU variant agree with the CPU's, and nothing is reported.
#
#   run-program.sh MUON_OPT MUON_EMULATE DIRECTORY
set -e
opt=$1 emulate=$2 directory=$3
if ! command -v "${MUON_PTXAS:-ptxas}" >/dev/null && [ ! -x "${CUDA_HOME:-/nowhere}/bin/ptxas" ]; then
  echo "skipped: no ptxas, which muon-opt needs for a GPU program"
  exit 77
fi
mkdir -p "$directory"
cd "$directory"
set -- --shape "72x100*2" --shape 40x33 --dtype f32 --preset adamuon --emit library
"$opt" "$@" --target sm_80 --embed-bitcode -o gpu.so
"$opt" "$@" -o cpu.so
"$emulate" gpu.so --symbol step --steps 2 --reference cpu.so --counters
