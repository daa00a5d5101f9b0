"""The runtime extension alone, on a program written by hand in C."""

import gc
import pathlib
import re
import shutil
import subprocess
import threading
import weakref

import numpy as np
import pytest
import torch

from muonc import _runtime
from muonc.program import Program

HERE = pathlib.Path(__file__).parent


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    path = tmp_path_factory.mktemp("handmade") / "handmade.so"
    include = HERE.parents[1] / "runtime" / "include"
    compiler = shutil.which("cc") or "clang-22"
    options = ["-std=c11", "-Wall", "-shared", "-fPIC", f"-I{include}"]
    subprocess.run([compiler, *options, HERE / "handmade.c", "-o", path], check=True)
    return str(path)


@pytest.fixture
def program(library):
    return Program(_runtime.Handle(library, "descend_program"), "handmade", 0.0)


def arrays():
    return {name: {"weight": np.ones((3, 4), np.float32), "gradient": np.zeros((3, 4), np.float32)} for name in "ab"}


def test_description(program):
    assert program.parameters == ["a", "b"]
    assert program.scalar_sets == [0, 1]
    assert program.scalars == ["lr", "shift"]
    group = program.description["groups"][0]
    assert group["arguments"][0] == {"name": "weight", "role": 0, "dtype": 0, "sizes": (3, 4)}
    report = program.report()
    assert report["target"] == "generic" and report["program"] == {"form": "none"} and report["workers"] >= 1


def test_numpy_arrays_over_dlpack(program):
    held = arrays()
    binding = program.bind(held)
    gradients = [np.full((3, 4), 2.0, np.float32), np.full((3, 4), 3.0, np.float32)]
    binding.run(gradients, [0.5, 1, 0.25, -1])
    np.testing.assert_array_equal(held["a"]["weight"], 1 - 0.5 * 3)
    np.testing.assert_array_equal(held["b"]["weight"], 1 - 0.25 * 2)
    assert binding.status() == [0, 0]


def test_a_missing_gradient_leaves_its_parameter(program):
    held = arrays()
    binding = program.bind(held)
    for _ in range(2):
        binding.run([None, np.ones((3, 4), np.float32)], [1.0, 0, 1.0, 0])
    np.testing.assert_array_equal(held["a"]["weight"], 1)
    np.testing.assert_array_equal(held["b"]["weight"], -1)
    assert binding.status() == [1, 0]
    binding.run([np.ones((3, 4), np.float32), None], [1.0, 0, 1.0, 0])
    np.testing.assert_array_equal(held["a"]["weight"], 0)
    assert binding.status() == [0, 1]


def test_transposed_arrays_and_torch_tensors(program):
    held = arrays()
    weight = np.ones((4, 3), np.float32).T
    tensor = torch.ones(3, 4)
    held["a"]["weight"], held["b"]["weight"] = weight, tensor
    binding = program.bind(held)
    gradient = np.arange(12, dtype=np.float32).reshape(3, 4)
    binding.run([gradient, torch.from_numpy(gradient)], [1.0, 0, 2.0, 0])
    np.testing.assert_array_equal(weight, 1 - gradient)
    np.testing.assert_array_equal(tensor.numpy(), 1 - 2 * gradient)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda h: h.pop("b"), "no arrays for parameter 'b'"),
        (lambda h: h["a"].pop("weight"), "'a' has no array 'weight'"),
        (lambda h: h["a"].update(weight=np.ones((3, 4))), "f32"),
        (lambda h: h["a"].update(weight=np.ones((3, 5), np.float32)), "3, 4"),
        (lambda h: h["a"].update(weight=np.ones((6, 8), np.float32)[::2, ::2]), "stride"),
        (lambda h: h["a"].update(weight=h["b"]["weight"]), "weight"),
        (
            lambda h: h["b"].update(weight=np.ones((3, 4), np.complex64)),
            "^tensor 2: expected elements of f32, bf16, f16, f64, i32 or i64, got complex64$",
        ),
        (
            lambda h: h["a"].update(gradient=(0, 0, (3, 4), (1,))),
            r"^tensor 1: expected as many strides as sizes, got \(1\) for \(3, 4\)$",
        ),
        (lambda h: h["a"].update(weight="text"), "DLPack"),
        (lambda h: h["a"].update(momentum=0), "parameter 'a' has no array 'momentum', expected weight, gradient"),
        (lambda h: h.update(c={}), "the program has no parameter 'c', expected a, b"),
        (lambda h: h.update(a=[]), "expected a dict with every array of parameter 'a', got list"),
    ],
)
def test_bind_refuses_in_one_line(program, change, message):
    held = arrays()
    change(held)
    with pytest.raises(ValueError, match=message) as caught:
        program.bind(held)
    assert "\n" not in str(caught.value)


def test_bind_takes_a_dict(program):
    with pytest.raises(ValueError, match=r"^bind: expected a dict with every parameter of the program, got NoneType$"):
        program.bind(None)


@pytest.mark.parametrize(
    "words, line",
    [
        ({"status": 12345}, "bind: status is 12345, expected 0 where workspace is 0"),
        ({"workspace": -1}, "workspace should be an integer from 0 to 18446744073709551615 but is: -1"),
        ({"status": "x"}, "status should be an integer from 0 to 18446744073709551615 but is: x"),
    ],
)
def test_what_is_no_address(program, words, line):
    with pytest.raises(ValueError, match=f"^{line}$"):
        program.bind(arrays(), **words)


def test_a_read_only_weight_is_refused(program):
    held = arrays()
    held["a"]["weight"].setflags(write=False)
    with pytest.raises(ValueError, match="writable"):
        program.bind(held)


def test_run_refuses_other_gradients_than_bound(program):
    binding = program.bind(arrays())
    good, row = np.zeros((3, 4), np.float32), [0.0, 0, 0.0, 0]
    for bad, got in (
        (np.zeros((3, 4)), "f64 of sizes (3, 4), strides (4, 1)"),
        (np.zeros((4, 3), np.float32).T, "f32 of sizes (3, 4), strides (1, 3)"),
        (np.zeros((2, 4), np.float32), "f32 of sizes (2, 4), strides (4, 1)"),
    ):
        line = f"gradient 1: expected f32 of sizes (3, 4), strides (4, 1), as it was bound, got {got}"
        with pytest.raises(ValueError, match=f"^{re.escape(line)}$"):
            binding.run([good, bad], row)
    with pytest.raises(ValueError, match=r"^gradient 0: expected elements of f32, .*, got uint8$"):
        binding.run([np.zeros((3, 4), np.uint8), good], row)
    with pytest.raises(ValueError, match="2 gradients and 4 scalars, got 1 and 4"):
        binding.run([good], row)
    with pytest.raises(TypeError, match=r"^scalar 'shift': expected an integer, got 1\.5$"):
        binding.run([good, good], [0.0, 1.5, 0.0, 0])
    with pytest.raises(TypeError, match=r"^scalar 'lr': expected a number, got 'fast'$"):
        binding.run([good, good], [0.0, 0, "fast", 0])


def test_a_binding_keeps_its_arrays_alive(program):
    held = arrays()
    alive = [weakref.ref(held[name]["weight"]) for name in "ab"]
    gradients = [weakref.ref(held[name]["gradient"]) for name in "ab"]
    binding = program.bind(held)
    del held
    gc.collect()
    assert all(array() is not None for array in alive) and not any(array() is not None for array in gradients)
    binding.run([np.ones((3, 4), np.float32)] * 2, [0.5, 0, 0.5, 0])
    np.testing.assert_array_equal(alive[0](), 0.5)
    del binding
    gc.collect()
    assert not any(array() is not None for array in alive)


class Made:
    """Speaks DLPack with an array that is made when it is asked for and held by nobody else."""

    def __init__(self, make):
        self.make = make

    def __dlpack__(self, **settings):
        return self.make().__dlpack__(**settings)

    def __dlpack_device__(self):
        return 1, 0


def test_gradients_live_until_the_step_has_read_them(program):
    alive = []

    def first():
        array = np.full((3, 4), 2.0, np.float32)
        alive.append(weakref.ref(array))
        return array

    def second():
        alive.append(alive[0]() is not None)
        return np.ones((3, 4), np.float32)

    binding = program.bind(arrays())
    binding.run([Made(first), Made(second)], [0.5, 0, 0.5, 0])
    assert alive[1] and alive[0]() is None


def test_one_run_at_a_time(program):
    binding = program.bind(arrays())
    row = [0.5, 0, 0.5, 0]

    def make():
        with pytest.raises(RuntimeError, match=r"^the binding is already running$"):
            binding.run([None, None], row)
        return np.ones((3, 4), np.float32)

    binding.run([None, Made(make)], row)
    assert binding.status() == [1, 0]
    with pytest.raises(ValueError):
        binding.run([None, "zeros"], row)
    binding.run([None, None], row)


class Growing:
    """A gradient or a scalar that lengthens the list it is in as soon as it is asked for its value."""

    def __init__(self, within, more):
        self.within, self.more = within, more
        within.append(self)

    def grow(self):
        self.within.extend([self.more] * 200_000)

    def __dlpack__(self, **settings):
        self.grow()
        return np.ones((3, 4), np.float32).__dlpack__(**settings)

    def __dlpack_device__(self):
        return 1, 0

    def __float__(self):
        self.grow()
        return 0.5


def test_lists_that_grow_while_they_are_read(program):
    held = arrays()
    binding = program.bind(held)
    gradients, scalars = [None], [0.25, 0]
    Growing(gradients, held["a"]["weight"].ctypes.data)
    binding.run(gradients, [0.5, 0, 0.5, 0])
    np.testing.assert_array_equal(held["b"]["weight"], 0.5)
    Growing(scalars, 1.0)
    scalars.append(0)
    binding.run([None, np.ones((3, 4), np.float32)], scalars)
    np.testing.assert_array_equal(held["b"]["weight"], 0)
    assert len(gradients) > 200_000 and len(scalars) > 200_000


@pytest.mark.parametrize(
    "gradients, scalars, line",
    [
        (None, None, "run: expected a sequence of gradients, got NoneType"),
        ([None, None], 0.5, "run: expected a sequence of scalars, got float"),
    ],
)
def test_what_is_no_sequence(program, gradients, scalars, line):
    with pytest.raises(TypeError, match=f"^{line}$"):
        program.bind(arrays()).run(gradients, scalars)


@pytest.mark.parametrize("gradient, got", [(-1, "-1"), ("zeros", "str"), (1 << 70, str(1 << 70)), (True, "True")])
def test_what_is_no_gradient(program, gradient, got):
    binding = program.bind(arrays())
    with pytest.raises(ValueError) as refused:
        binding.run([None, gradient], [0.5, 0, 0.5, 0])
    assert str(refused.value) == f"gradient 1: expected an address, None or an array that speaks DLPack, got {got}"


@pytest.mark.parametrize(
    "path, symbol, message",
    [
        ("no-such-file.so", "descend_program", "no-such-file.so"),
        (None, "no_such_program", "no_such_program"),
        (None, "from_the_future", "ABI version 4"),
    ],
)
def test_load_refuses_in_one_line(library, path, symbol, message):
    with pytest.raises((OSError, RuntimeError), match=message) as caught:
        _runtime.Handle(path or library, symbol)
    assert "\n" not in str(caught.value)


def test_workers_are_limited_but_never_raised(library):
    default = _runtime.Handle(library, "descend_program").describe()["workers"]
    assert _runtime.Handle(library, "descend_program", 0, 1).describe()["workers"] == 1
    assert _runtime.Handle(library, "descend_program", 0, default + 5).describe()["workers"] == default
    assert _runtime.Handle(library, "descend_program", 3).describe()["workers"] == 3


def test_bindings_run_from_several_threads(program):
    """Each thread its own binding of one shared program; the interpreter lock is free meanwhile."""
    results = {}

    def train(name):
        held = arrays()
        binding = program.bind(held)
        for _ in range(200):
            binding.run([np.ones((3, 4), np.float32)] * 2, [0.01, 0, 0.02, 0])
        results[name] = float(held["a"]["weight"].sum())

    threads = [threading.Thread(target=train, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(results.values())) == 1 and len(results) == 4


def test_a_binding_keeps_its_program_alive(library):
    held = arrays()
    binding = Program(_runtime.Handle(library, "descend_program"), "handmade", 0.0).bind(held)
    binding.run([np.ones((3, 4), np.float32)] * 2, [1.0, 0, 1.0, 0])
    np.testing.assert_array_equal(held["a"]["weight"], 0)


@pytest.mark.parametrize("given", [(0, "f32", (3, 4), (4, 1)), (1, 2), (0, 0, 12, 1), (-1, 0, (3, 4), (4, 1))], ids=str)
def test_what_is_no_description_of_a_tensor(program, given):
    held = arrays()
    held["b"]["weight"] = given
    with pytest.raises(ValueError) as caught:
        program.bind(held)
    expected = "tensor 2: expected (address, dtype, sizes, strides) in integers, got "
    assert str(caught.value) == expected + repr(given)
