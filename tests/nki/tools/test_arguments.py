"""Arguments from words, from a file's example, and what is wrong with them."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glia.core.errors import ModelError, UsageError
from glia.nki import Kernel
from glia.nki import language as nl
from glia.nki.tools.arguments import Random, has_arguments, read_arguments, read_spec

EMPTY = ModuleType("empty")


def kernel(function) -> Kernel:
    return Kernel(function)


@kernel
def two(x, y):
    return x


@kernel
def defaults(x, scale=2.0, name="relu"):
    return x


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.sampled_from(["bf16", "float32", "int32", "uint8", "float8_e5m2", "bool"]),
)
def test_a_shape_with_a_dtype_gives_such_an_array(shape, name):
    found = read_arguments(defaults, EMPTY, [f"x={'x'.join(map(str, shape))}:{name}"])
    (array,) = (v for v in found.arrays().values() if isinstance(v, np.ndarray))
    assert array.shape == tuple(shape)
    spec = found.specs()["x"]
    assert spec.shape == tuple(shape) and spec.dtype.numpy == array.dtype


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3), ("-3", -3), ("1e-6", 1e-6), ("true", True), ("False", False), ("none", None),
        ("(2,3)", (2, 3)), ("relu", "relu"), ("'8x8'", "8x8"), ("nl.bfloat16", nl.bfloat16),
        ("[1, 2]", [1, 2]),
    ],
)  # fmt: skip
def test_values_that_are_no_tensors(text, value):
    assert read_spec(f"x={text}", text) == value


@pytest.mark.parametrize(
    ("name", "full"),
    [("f32", "float32"), ("f16", "float16"), ("bf16", "bfloat16"), ("fp32", "float32")],
)
def test_short_names_of_dtypes(name, full):
    assert str(read_spec("x", f"4x5:{name}").dtype) == full


@pytest.mark.parametrize("name", ["float64", "int64", "complex64", "fp64"])
def test_a_dtype_that_no_chip_has_is_refused_and_not_offered(name):
    with pytest.raises(UsageError, match=f"got '{name}'.*choose one of: bfloat16, bool") as caught:
        read_spec(f"x=4x4:{name}", f"4x4:{name}")
    offered = str(caught.value).partition("choose one of")[2]
    assert "64" not in offered and "float32" in offered


@pytest.mark.parametrize("text", ["128*64:bf16", "128,64:bf16", "(128,64):bf16", "128X64:f32"])
def test_a_shape_written_otherwise_is_no_text(text):
    with pytest.raises(UsageError, match="expected SHAPE:DTYPE as 128x512:bf16"):
        read_spec(f"x={text}", text)


def test_a_shape_alone_is_float32():
    found = read_spec("x=4x5", "4x5")
    assert isinstance(found, Random) and (found.shape, str(found.dtype)) == ((4, 5), "float32")


def test_data_follow_from_seed_and_name_only():
    one = read_arguments(two, EMPTY, ["x=4x4", "y=4x4"], seed=1).arrays()
    other = read_arguments(two, EMPTY, ["x=4x4", "y=8x8"], seed=1).arrays()
    third = read_arguments(two, EMPTY, ["x=4x4", "y=4x4"], seed=2).arrays()
    assert np.array_equal(one["x"], other["x"])
    assert not np.array_equal(one["x"], one["y"]) and not np.array_equal(one["x"], third["x"])


def test_an_array_of_a_file(tmp_path):
    data = np.arange(6, dtype=np.int32).reshape(2, 3)
    np.save(tmp_path / "x.npy", data)
    np.savez(tmp_path / "many.npz", a=data, b=data + 1)
    found = read_arguments(two, EMPTY, [f"x=@{tmp_path}/x.npy", f"y=@{tmp_path}/many.npz:b"])
    assert np.array_equal(found.arrays()["x"], data)
    assert np.array_equal(found.arrays()["y"], data + 1)


def with_example(name, function):
    module = ModuleType("kernels")
    setattr(module, name, function)
    return module


@pytest.mark.parametrize("result", [{"y": 3, "x": 1}, (1, 3), [1, 3]])
def test_the_files_example_as_dict_or_in_order(result):
    module = with_example("two_args", lambda: result)
    assert dict(read_arguments(two, module, []).values) == {"x": 1, "y": 3}


def test_words_win_over_the_example():
    module = with_example("two_args", lambda: {"x": 1, "y": 3})
    assert dict(read_arguments(two, module, ["y=5"]).values) == {"x": 1, "y": 5}


def test_an_example_that_does_not_fit_is_refused():
    module = with_example("two_args", lambda: {"z": 1})
    with pytest.raises(ModelError, match=r"two_args\(\): got arguments that do not fit.*'z'"):
        read_arguments(two, module, [])


def test_an_example_that_fails_names_its_line():
    def broken():
        raise RuntimeError("no data here")

    module = with_example("two_args", broken)
    with pytest.raises(ModelError, match=r"calling two_args\(\): got RuntimeError: no data here"):
        read_arguments(two, module, [])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], r"two\(x, y\): got no value for x, y.*--arg x=128x512:bf16.*define two_args\(\)"),
        (["x=1"], r"got no value for y"),
        (["x"], "got no NAME=SPEC"),
        (["z=1", "x=1"], "parameter of two: got 'z'.*choose one of: x, y"),
        (["x=1", "x=2", "y=1"], "got x twice"),
        (["x=-4x4", "y=1"], "got a size of -4, expected sizes of at least 1"),
        (["x=0x4", "y=1"], "got a size of 0"),
        (["x=4x4:float33", "y=1"], "got 'float33'; did you mean 'float32'"),
        (["x=4xq", "y=1"], "got '4xq', expected SHAPE:DTYPE"),
        (["x=nl.flaot32", "y=1"], "did you mean 'float32'"),
        (["x=@missing.npy", "y=1"], "No such file.*missing.npy"),
        (["x=100000x100000x100:float32", "y=1"], "above 64 GiB"),
    ],
)
def test_bad_words_say_what_to_write(words, message):
    with pytest.raises(UsageError, match=message):
        read_arguments(two, EMPTY, words)


def test_a_file_that_is_no_array_is_refused(tmp_path):
    (tmp_path / "x.npy").write_text("hello")
    with pytest.raises(UsageError, match=r"expected a .npy file"):
        read_arguments(two, EMPTY, [f"x=@{tmp_path}/x.npy", "y=1"])


def test_several_arrays_need_a_name(tmp_path):
    np.savez(tmp_path / "many.npz", aa=np.zeros(1), bb=np.zeros(1))
    with pytest.raises(UsageError, match=r"got 2 arrays, expected .*many.npz:NAME"):
        read_arguments(two, EMPTY, [f"x=@{tmp_path}/many.npz", "y=1"])
    with pytest.raises(UsageError, match="got 'ab'"):
        read_arguments(two, EMPTY, [f"x=@{tmp_path}/many.npz:ab", "y=1"])


def test_arguments_are_shown_with_type_and_shape():
    found = read_arguments(defaults, EMPTY, ["x=4x5:bf16", "scale=3.0"])
    assert found.shown() == ("x: bfloat16[4, 5]", "scale=3.0")


def test_equal_arguments_are_told_from_different_ones():
    one, same = (read_arguments(two, EMPTY, ["x=4x4", "y=3"]) for _ in range(2))
    assert one.same_as(same)
    assert not one.same_as(read_arguments(two, EMPTY, ["x=4x4", "y=4"]))
    assert not one.same_as(read_arguments(two, EMPTY, ["x=4x4:bf16", "y=3"]))


def test_whether_arguments_are_known():
    assert not has_arguments(two, EMPTY, [])
    assert has_arguments(two, EMPTY, ["x=1"])
    assert has_arguments(two, with_example("two_args", dict), [])
    assert has_arguments(kernel(lambda x=1: x), EMPTY, [])


def test_packed_formats_have_data_too():
    found = read_arguments(defaults, EMPTY, ["x=4x4:float8_e5m2_x4"]).arrays()["x"]
    assert found.shape == (4, 4) and found.dtype.itemsize == 4
