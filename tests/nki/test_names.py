"""Names that are not there: what the error says; modules by their public paths; annotations."""

from __future__ import annotations

import importlib

import ml_dtypes
import numpy as np
import pytest

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.errors import KernelError
from glia.nki import names, typing

OLD = [
    *((nl, name) for name in names.LANGUAGE),
    *((nisa, name) for name in names.ISA),
    *((nki, name) for name in names.NKI),
]


@pytest.mark.parametrize(("module", "name"), OLD, ids=lambda v: getattr(v, "__name__", v))
def test_an_old_name_says_what_came_after_it(module: object, name: str):
    with pytest.raises(
        AttributeError, match=rf"no name '{name}'; it belonged to an older NKI; use"
    ):
        getattr(module, name)


@pytest.mark.parametrize(
    ("module", "name", "near"),
    [(nl, "ndarrray", "ndarray"), (nl, "bfloat_16", "bfloat16"), (nl, "softplu", "softplus"),
     (nisa, "nc_matmull", "nc_matmul"), (nisa, "tensor_scaler", "tensor_scalar"),
     (nki, "simulates", "simulate")],
    ids=lambda v: getattr(v, "__name__", v),
)  # fmt: skip
def test_a_misspelt_name_gets_the_nearest(module: object, name: str, near: str):
    with pytest.raises(AttributeError, match=rf"no name '{name}'; did you mean .*\.{near}\?"):
        getattr(module, name)


def test_a_name_like_no_other():
    with pytest.raises(AttributeError, match=r"no name 'zzzz'; see dir\(nki\.language\)"):
        nl.zzzz  # noqa: B018


def test_the_compiler_says_that_there_is_none():
    from glia.nki import compiler

    with pytest.raises(AttributeError, match=r"makes no device binary; use nki\.simulate"):
        compiler.compile_kernel  # noqa: B018


@pytest.mark.parametrize(
    ("module", "name"),
    [("isa.constants", "oob_mode"), ("isa.constants", "dge_mode"), ("dtype", "float8_e4m3"),
     ("language.dtypes", "bfloat16"), ("tensor", "NkiTensor"), ("typing", "tensor"),
     ("typing", "mutable_tensor"), ("experimental", "while_loop"), ("builtin", "__doc__"),
     ("compiler", "__doc__"), ("compiler.frontend", "ParserFrontend")],
)  # fmt: skip
def test_modules_that_kernels_import(module: str, name: str):
    assert hasattr(importlib.import_module(f"glia.nki.{module}"), name)


def test_options_of_instructions_are_one_object_wherever_they_are_imported_from():
    from glia.nki.isa import constants

    assert constants.engine is nisa.engine
    assert nisa.vector_engine is nisa.engine.vector
    assert nki.cpu_simulate is nki.simulate


@pytest.mark.parametrize("name", nl.dtypes.PUBLIC)
def test_a_dtype_is_a_string_its_name(name: str):
    kind = getattr(nl, name)
    assert isinstance(kind, str)
    assert kind == name.removesuffix("_")
    assert str(kind) == f"{kind}" == kind.name
    assert {kind: 1}[name.removesuffix("_")] == 1


def test_numpy_takes_dtypes_and_compares_with_them():
    assert np.dtype(nl.bfloat16) == ml_dtypes.bfloat16
    assert np.zeros(2, nl.float8_e4m3).dtype == nl.float8_e4m3
    assert np.dtype(np.float32) != nl.float8_e4m3fn_x4


def test_annotations():
    assert typing.tensor[128, 512].shape == (128, 512)
    assert typing.tensor[128].shape == (128,)
    assert (typing.tensor.mutable, typing.mutable_tensor.mutable) == (False, True)
    assert repr(typing.mutable_tensor[4, 5]) == "mutable_tensor[4, 5]"
    with pytest.raises(KernelError, match=r"expected an annotation.*nl\.ndarray"):
        typing.tensor((4, 5))


def test_objects_of_kernels_take_their_attributes_by_keyword():
    class Config(nl.NKIObject):
        pass

    config = Config(rows=3, kind=nl.float32)
    assert (config.rows, config.kind) == (3, nl.float32)
    assert issubclass(nl.NkiTensor, nl.NKIObject)
