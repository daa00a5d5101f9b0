"""How lit runs test/: one ShTest per .mlir (and .test) file, with the tools of this build and of LLVM."""

import os
import shutil
import subprocess

import lit.formats

config.name = "muon"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.muon_build_dir, "test")

# The tools of this build come first; FileCheck and not are LLVM's.
config.environment["PATH"] = os.pathsep.join([config.muon_tools_dir, config.llvm_tools_dir, os.environ.get("PATH", "")])
config.environment["HOME"] = os.path.join(config.test_exec_root, "home")  # no test reads a user's files
config.substitutions += [
    ("%python", config.python_executable),
    ("%source_dir", config.muon_source_dir),
    ("%build_dir", config.muon_build_dir),
    ("%mlir_include", config.mlir_include_dir),
]

# Needs Linux, x86-64 and a processor that can fault on cpuid.
limit_isa = os.path.join(config.muon_tools_dir, "muon-limit-isa")
if os.path.exists(limit_isa) and subprocess.run([limit_isa, "avx2", "true"], capture_output=True).returncode == 0:
    config.available_features.add("cpuid-fault")

# The formatters are what ./check installs; a developer's build may be without.
if shutil.which("clang-format-22"):
    config.available_features.add("clang-format")
if subprocess.run([config.python_executable, "-m", "ruff", "--version"], capture_output=True).returncode == 0:
    config.available_features.add("ruff")

# Tests that need NVIDIA's assembler or disassembler say REQUIRES: lit reports them as unsupported where there is none.
config.environment["CUDA_HOME"] = os.environ.get("CUDA_HOME", "")
ptxas = (
    os.environ.get("MUON_PTXAS")
    or shutil.which("ptxas")
    or shutil.which("ptxas", path=config.environment["CUDA_HOME"] + "/bin")
)
wheels = subprocess.run(
    [config.python_executable, "-c", "import nvidia; print(*nvidia.__path__, sep='\\n')"],
    capture_output=True,
    text=True,
)
for folder in wheels.stdout.split("\n")[:-1]:  # PyPI's packages
    folder = os.path.join(folder, "cu13", "bin")
    config.environment["PATH"] += os.pathsep + folder
    ptxas = ptxas or shutil.which("ptxas", path=folder)
if shutil.which("nvdisasm", path=config.environment["PATH"]):
    config.available_features.add("nvdisasm")
if os.path.exists(os.path.join(config.muon_tools_dir, "muon-emulate")):  # needs x86-64
    config.available_features.add("emulator")
if ptxas:
    config.environment["MUON_PTXAS"] = ptxas
    config.available_features.add("ptxas")
