"""How lit runs test/: one ShTest per .mlir (and .test) file, with the tools of this build and of LLVM."""

import os

import lit.formats

config.name = "muon"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.muon_build_dir, "test")

# The tools of this build come first; FileCheck and not are LLVM's.
config.environment["PATH"] = os.pathsep.join(
    [config.muon_tools_dir, config.llvm_tools_dir, os.environ.get("PATH", "")]
)
config.environment["HOME"] = os.path.join(config.test_exec_root, "home")  # no test reads a user's files
config.substitutions += [
    ("%python", config.python_executable),
    ("%source_dir", config.muon_source_dir),
    ("%build_dir", config.muon_build_dir),
    ("%mlir_include", config.mlir_include_dir),
]
