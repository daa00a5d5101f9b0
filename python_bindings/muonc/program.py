"""From a request to a loaded program: compile, keep on disk, load, bind.

A request is the dict of include/muon-c/Compiler.h. The cache is a directory of entries, one directory per program:
program.so and program.json (its size, checksum and origin). An entry appears by one rename, so readers see all of it
or none of it; one that does not match its own checksum is named in a warning and rebuilt.
"""

import contextlib
import hashlib
import json
import operator
import os
import pathlib
import shutil
import tempfile
import threading
import time
import warnings
import weakref

from . import _runtime

F32, BF16, F16, F64, I32, I64 = range(6)
WEIGHT, GRADIENT, STATE, INPUT, METRIC = range(5)
DTYPE_NAMES = ("f32", "bf16", "f16", "f64", "i32", "i64")

_loaded = weakref.WeakValueDictionary()
_lock = threading.Lock()
_being_made = weakref.WeakValueDictionary()  # request: a lock


def _compiler():
    """The compiler extension; loads LLVM. ImportError with one line where it or what it needs is not there."""
    try:
        from . import _compiler as extension
    except ImportError as error:
        needs = "it needs the shared libraries of LLVM 22.1, MLIR 22.1 and SQLite 3 (Debian: libmlir-22, libsqlite3-0)"
        raise ImportError(f"muonc: the compiler extension cannot be loaded: {error}; {needs}") from error
    return extension


class Program:
    """A compiled program, loaded into the process. Immutable; shared by all who ask for the same request.

    description: dict of groups, scalars, the variant in use and the number of workers.
    origin: "compiled", "compiled, not kept" or "disk cache"; seconds: what it took to get it the first time.
    """

    def __init__(self, handle, origin, seconds):
        self._handle = handle
        self.description = handle.describe()
        self.origin = origin
        self.seconds = seconds

    @property
    def parameters(self):
        """Names of the parameters in the program's order: that of gradients and statuses."""
        return [name for group in self.description["groups"] for name in group["parameters"]]

    @property
    def scalar_sets(self):
        """For every parameter of `parameters`, its row of the scalars."""
        return [row for group in self.description["groups"] for row in group["scalar_sets"]]

    @property
    def scalars(self):
        """Names of the columns of every scalar row, such as lr, wd, mu."""
        return [name for name, _ in self.description["scalars"]]

    def report(self):
        """What was chosen and why, as the compiler wrote it, with what runs here: a dict of JSON values.

        workspace_bytes is what a binding takes here, with these workers; that of "program" is for all matrices at once.
        """
        variant = self.description["variant"]
        text = variant["report"]
        return {
            "target": variant["target"],
            "features": variant["features"],
            "workers": self.description["workers"],
            "stages": variant["stages"],
            "launches": variant["launches"],
            "workspace_bytes": self.workspace_bytes,
            "origin": self.origin,
            "seconds": round(self.seconds, 6),
            "program": json.loads(text) if text else {},
        }

    @property
    def workspace_bytes(self):
        """Bytes of the program's device that a binding needs."""
        return self._handle.workspace_bytes()

    def bind(self, tensors, workspace=0, status=0):
        """Binds arrays and returns a `_runtime.Binding` with run(gradients, scalars, stream=0) and status().

        tensors: dict from parameter name to dict from argument name ("weight", "gradient", "momentum", ...) to an
        array. An array is anything that speaks DLPack (numpy, jax, torch without requires_grad), writable and in the
        processor's memory, or (address, dtype, sizes, strides) with strides in elements. A gradient's array gives its
        layout only; every run brings the data. Weights and states are written in place; the binding keeps their arrays
        alive, the caller what is given by address. A metric may be left out.

        workspace, status: addresses on a GPU program's device of `workspace_bytes` bytes, 256-byte aligned, and of two
        32-bit words per parameter (0: nobody looks); the caller keeps both as long as the binding. A program for the
        processor has its own: both 0.

        ValueError: a missing array, one that the program does not know, or one whose element type, sizes, strides or
        memory do not fit.
        """
        flat = []
        for name, address in (("workspace", workspace), ("status", status)):
            check_integer(name, address, 0, (1 << 64) - 1)
        _check_names("the program", "parameter", tensors, self.parameters)
        for group in self.description["groups"]:
            arguments = [argument["name"] for argument in group["arguments"]]
            for name in group["parameters"]:
                if name not in tensors:
                    raise ValueError(f"bind: no arrays for parameter '{name}'")
                given = tensors[name]
                _check_names(f"parameter '{name}'", "array", given, arguments)
                for argument in group["arguments"]:
                    array = given.get(argument["name"])
                    if array is None and argument["role"] != METRIC:
                        raise ValueError(f"bind: parameter '{name}' has no array '{argument['name']}'")
                    flat.append(_nowhere(argument) if array is None else array)
        return _runtime.Binding(self._handle, flat, workspace, status)


def _check_names(owner, kind, given, known):
    """ValueError for what is no dict, or has a key that its owner does not know."""
    if not isinstance(given, dict):
        raise ValueError(f"bind: expected a dict with every {kind} of {owner}, got {type(given).__name__}")
    unknown = sorted(map(str, given.keys() - set(known)))
    if unknown:
        raise ValueError(f"bind: {owner} has no {kind} '{unknown[0]}', expected {', '.join(known)}")


def _nowhere(argument):
    """A metric that is not wanted: the right sizes without memory."""
    strides, dense = [], 1
    for size in reversed(argument["sizes"]):
        strides.insert(0, dense)
        dense *= size
    return 0, argument["dtype"], argument["sizes"], tuple(strides)


def cache_directory():
    """Where programs are kept: $MUON_CACHE_DIR, else muonc in $XDG_CACHE_HOME or ~/.cache. RuntimeError: there is no
    home directory.
    """
    chosen = os.environ.get("MUON_CACHE_DIR")
    if chosen:
        return pathlib.Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (pathlib.Path(base) if base else pathlib.Path.home() / ".cache") / "muonc"
    except RuntimeError:
        raise RuntimeError(
            "this user has no home directory to keep compiled programs in; set MUON_CACHE_DIR to a directory for them"
        ) from None


def compile_text(request, emit):
    """The request compiled to text: emit is asm, llvm, mlir, header or report. ValueError if it is refused."""
    return _compiler().compile_text(_canonical(request), str(emit))


def excludes(exclude, name):
    """Whether a pattern of muon-opt --exclude leaves out a name; None: its own. Loads LLVM. ValueError: malformed."""
    return _compiler().excludes(exclude, name)


def check_integer(name, value, least, most):
    """ValueError for what is no integer from `least` to `most`."""
    if not (hasattr(value, "__index__") and least <= operator.index(value) <= most):
        raise ValueError(f"{name} should be an integer from {least} to {most} but is: {value}")


def check_workers(workers, least):
    """ValueError for what is no number of threads."""
    check_integer("workers", workers, least, 2048)  # muon_runtime.h: never more


def compile_program(request, workers=0, at_most=0):
    """Returns the Program of a request: from this process, from the disk cache, or compiled now.

    workers: threads of a step; 0 takes the runtime's default, but no more than `at_most` (0: no limit).
    ValueError: the compiler refuses the request; its line says why.
    """
    check_workers(workers, 0)
    check_integer("at_most", at_most, 0, (1 << 32) - 1)
    start = time.perf_counter()
    text = _canonical(resolve_tuned(request))
    with _lock_of(text):
        known = _loaded.get((text, workers, at_most))
        if known is not None:
            return known
        build, host = _identity()
        key = hashlib.sha256("\0".join((text, build, host)).encode()).hexdigest()
        with _obtain(text, key, build, host) as (path, origin):
            handle = _runtime.Handle(str(path), request.get("name", "step"), workers, at_most)
        program = Program(handle, origin, time.perf_counter() - start)
        _loaded[(text, workers, at_most)] = program
        return program


def _lock_of(text):
    """One lock per request: threads that ask for different ones compile at the same time."""
    with _lock:
        return _being_made.setdefault(text, threading.Lock())


def resolve_tuned(request):
    """The request with what the tuning database says in place of "tuned"; without that field, the request itself.

    Done before the cache is asked, because the same question has another answer once the database does. Loads LLVM.
    ValueError: a database that cannot be read, an entry that does not hold.
    """
    groups = request.get("groups") if isinstance(request, dict) else None
    asked = [request, *groups] if isinstance(groups, (list, tuple)) else [request]
    if not any(isinstance(each, dict) and each.get("tuned") for each in asked):
        return request  # also what is none: the compiler says so
    return json.loads(_compiler().resolve_tuned(_canonical(request)))["request"]


def _canonical(request):
    """One text per request, whatever the order of its keys."""
    try:
        return json.dumps(request, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"expected a request of what JSON holds, got {request}: {error}") from error


@contextlib.contextmanager
def _obtain(text, key, build, host):
    """Path of the library of a key, to be loaded within, and where it came from."""
    entry = cache_directory() / key
    if _is_whole(entry):
        yield entry / "program.so", "disk cache"
        return
    with tempfile.TemporaryDirectory(prefix="muonc-") as made:
        library = pathlib.Path(made) / "program.so"
        _compiler().compile(text, "library", str(library))
        if _keep(library, entry, text, build, host):
            yield entry / "program.so", "compiled"
        else:
            yield library, "compiled, not kept"  # mapped once it is loaded: the file may go


def _keep(library, entry, text, build, host):
    """Makes a compiled library a cache entry; False, with a warning, where the cache cannot take it."""
    try:
        with _staging(entry.parent) as staging:
            staged = staging / "entry"
            staged.mkdir()
            shutil.copyfile(library, staged / "program.so")
            _describe_entry(staged, text, build, host)
            _publish(staged, entry)
    except OSError as error:
        warnings.warn(f"muonc: nothing is cached: {error}", RuntimeWarning, stacklevel=7)
        return False
    return True


@contextlib.contextmanager
def _staging(cache):
    """A directory in the cache to make things in before they are moved to their place.

    They have the usual modes then; those of tempfile would hide them from others who share the cache.
    """
    cache.mkdir(parents=True, exist_ok=True)
    for left in cache.glob(".new-*"):  # by a process that was killed: the others are done in moments
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > 3600:
                shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=cache) as path:
        yield pathlib.Path(path)


def _describe_entry(staged, text, build, host):
    library = (staged / "program.so").read_bytes()
    facts = {
        "sha256": hashlib.sha256(library).hexdigest(),
        "bytes": len(library),
        "build": build,
        "host": host,
        "request": json.loads(text),
    }
    (staged / "program.json").write_text(json.dumps(facts, indent=1) + "\n")


def _publish(staged, entry):
    """Moves a finished entry into place; where another process was first, its entry is as good."""
    try:
        os.rename(staged, entry)
        return
    except OSError:
        if _is_whole(entry, quiet=True):
            return
    # A damaged entry is in the way. Two processes may both be here: each moves aside what it finds.
    with contextlib.suppress(FileNotFoundError):
        os.rename(entry, staged.parent / "damaged")
    try:
        os.rename(staged, entry)
    except OSError:
        if not _is_whole(entry, quiet=True):
            raise


def _is_whole(entry, quiet=False):
    """Whether an entry is there and matches its checksum; a damaged one is named in a warning."""
    try:
        facts = json.loads((entry / "program.json").read_bytes())
        library = (entry / "program.so").read_bytes()
        if len(library) == facts["bytes"] and hashlib.sha256(library).hexdigest() == facts["sha256"]:
            return True
        trouble = "program.so does not match its checksum"
    except (NotADirectoryError, PermissionError):
        return False  # nothing there for us; _keep says what is in the way
    except FileNotFoundError as error:
        if not entry.exists():
            return False
        trouble = f"{pathlib.Path(error.filename).name} is missing"
    except (OSError, ValueError, KeyError, TypeError) as error:
        trouble = f"program.json cannot be read: {error}"
    if not quiet:
        warnings.warn(f"muonc: cache entry {entry} is damaged ({trouble}); rebuilding it", RuntimeWarning, stacklevel=7)
    return False


def _identity():
    """(compiler build, host) for the cache key, without loading LLVM where they are known already.

    What the compiler last said is kept in a file named after the compiler's library and this processor, so a new
    compiler or another machine asks again.
    """
    stamp = cache_directory() / f"compiler-{_fingerprint()}.json"
    try:
        known = json.loads(stamp.read_bytes())
        return str(known["build"]), str(known["host"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    build, host = _compiler().build(), _compiler().host()
    try:
        with _staging(stamp.parent) as staged:
            (staged / "stamp").write_text(json.dumps({"build": build, "host": host}))
            os.replace(staged / "stamp", stamp)
    except OSError:
        pass  # _keep warns about the directory
    return build, host


def _fingerprint():
    """Changes whenever the compiler's files or the processor do."""
    digest = hashlib.sha256()
    here = pathlib.Path(__file__).absolute().parent
    for directory in (here, here.parent.parent / "lib"):  # installed; in the build tree
        for file in sorted([*directory.glob("_compiler*.so"), *directory.glob("libmuon_compiler*.so*")]):
            facts = file.stat()
            digest.update(f"{file}:{facts.st_size}:{facts.st_mtime_ns};".encode())
    digest.update(os.environ.get("MUON_LIMIT_ISA", "").encode())  # muon-limit-isa hides nothing in /proc/cpuinfo
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith(("vendor_id", "cpu family", "model", "stepping", "flags", "Features", "CPU part")):
                digest.update(line.encode())
            elif not line.strip():
                break
    return digest.hexdigest()[:32]
