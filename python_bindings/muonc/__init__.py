"""Muon optimizers compiled for the shapes they step.

`muonc.torch.Muon` is a drop-in for `torch.optim.Muon`; `muonc.split_parameters` decides which parameters it is for;
`muonc.compile_program` and `Program.bind` serve arrays of any library. Importing this package loads neither torch nor
LLVM: torch comes with `muonc.torch`, the compiler with the first program that is not in the cache, or with
`split_parameters`, which asks it.
"""

from .program import Program, compile_program, compile_text
from .split import split_parameters

__all__ = ["Program", "compile_program", "compile_text", "split_parameters"]
__version__ = "0.1.0"
