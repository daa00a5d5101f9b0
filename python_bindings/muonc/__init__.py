"""Muon optimizers compiled for the shapes they step.

`muonc.torch.Muon` is a drop-in for `torch.optim.Muon`; `muonc.split_parameters` decides which parameters it is for;
`muonc.compile_program` and `Program.bind` serve arrays of any library. Importing this package loads neither torch nor
LLVM: torch comes with `muonc.torch`, the compiler with the first program that is not in the cache.
"""

from .program import Program, compile_program, compile_text
from .split import DEFAULT_EXCLUDE, split_parameters

__all__ = ["DEFAULT_EXCLUDE", "Program", "compile_program", "compile_text", "split_parameters"]
__version__ = "0.1.0"
