"""Rules about number formats, and about integers that are computed in floating point."""

from __future__ import annotations

from glia.chips import Chip
from glia.frontends.operations import Operation, TensorFact
from glia.port.graph_check.rule import GraphRule, base_name, example, is_integer, on
from glia.port.rules.rule import Advice
from glia.port.rules.sources import COMPILER, EXPORT_PROBE, XLA, error_code, neuron_sdk

_TYPES = neuron_sdk("blob/master/about-neuron/arch/neuron-features/data-types.rst")
_FLOAT_EXACT = 1 << 24  # integers are exact in float32 up to here
_INT32_MAX = (1 << 31) - 1
_CONSTANTS = ("fill_value", "value", "other")
_UINT32_MAX = (1 << 32) - 1
_FNUZ = ("float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e4m3b11fnuz")
_NO_CODE = ("float4_e2m1fn_x2", "bits8", "bits16", "bits4x2", "bits2x4", "bits1x8")
_NO_CODE_PREFIXES = (
    "int1",
    "int2",
    "int3",
    "int4",
    "int5",
    "int7",
    "uint1",
    "uint2",
    "uint3",
    "uint4",
)
_BINARY_MATMULS = (
    "matmul",
    "mm",
    "bmm",
    "addmm",
    "baddbmm",
    "dot",
    "mv",
    "linear",
    "einsum",
    "addmv",
)
_SUMMING_SCATTERS = ("scatter_add", "index_add", "embedding_dense_backward", "bincount", "histc")
_SHIFTS = ("__rshift__", "__irshift__", "bitwise_right_shift")


def _touching(operation: Operation, *dtypes: str) -> str:
    for fact in (*operation.outputs, *operation.inputs):
        if fact.dtype in dtypes:
            return f"{operation.name} with {fact}"
    return ""


def _complex(operation: Operation) -> str:
    return _touching(operation, "complex64", "complex128", "complex32")


def _double(operation: Operation) -> str:
    return _touching(operation, "float64")


def _beyond_int32(operation: Operation) -> str:
    if base_name(operation).startswith(("empty", "new_empty")):
        return ""  # whatever the memory held
    for name in _CONSTANTS:
        value = operation.arguments.get(name)
        if type(value) is int and abs(value) > _INT32_MAX and _is_wide(operation.outputs):
            return f"{operation.name} of the constant {value:,}"
    given = () if operation.name.endswith("_") else operation.inputs  # what it was before is gone
    facts = [f for f in (*given, *operation.outputs) if (f.largest or 0) > _INT32_MAX]
    wide = [f for f in facts if f.dtype == "int64"]
    return f"{operation.name}: magnitudes up to {wide[0].largest:,} were seen" if wide else ""


def _is_wide(facts: tuple[TensorFact, ...]) -> bool:
    return any(fact.dtype == "int64" for fact in facts)


def _beyond_uint32(operation: Operation) -> str:
    facts = (*operation.inputs, *operation.outputs)
    wide = [f for f in facts if f.dtype == "uint64" and (f.largest or 0) > _UINT32_MAX]
    return f"{operation.name}: values up to {wide[0].largest:,} were seen" if wide else ""


def _integer_matmul(operation: Operation) -> str:
    if base_name(operation) not in _BINARY_MATMULS or not operation.inputs:
        return ""
    first = operation.inputs[0]
    if not is_integer(first.dtype, 32, 64):
        return ""
    return f"{operation.name} of {' and '.join(map(str, operation.inputs[:2]))}{_lossy(operation)}"


def _lossy(operation: Operation) -> str:
    largest = max((f.largest or 0 for f in (*operation.inputs, *operation.outputs)), default=0)
    return f"; {largest:,} was seen, beyond 2**24: wrong there" if largest > _FLOAT_EXACT else ""


def _integer_scatter(operation: Operation) -> str:
    """A scatter that adds integers; how it reduces is told by its name or an argument."""
    name = base_name(operation)
    target = operation.first
    adds = name in _SUMMING_SCATTERS or (
        name == "index_put" and operation.arguments.get("accumulate")
    )
    if target is None or not adds or not is_integer(target.dtype, 32, 64):
        return ""
    return f"{operation.name} into {target}{_lossy(operation)}"


def _reducing_scatter(operation: Operation) -> str:
    name, target = base_name(operation), operation.first
    reduces = name in ("scatter_reduce", "index_reduce") or (
        name == "scatter" and operation.arguments.get("reduce") is not None
    )
    if target is None or not reduces:
        return ""
    plain = target.dtype == "bool" or is_integer(target.dtype)
    return f"{operation.name} into {target}" if plain else ""


def _wide_power(operation: Operation) -> str:
    is_power = base_name(operation) in ("pow", "float_power")
    wide = [f for f in operation.inputs if f.dtype == "int64"]
    result = [f for f in operation.outputs if f.dtype == "int64"]
    return f"{operation.name} of {wide[0]}" if is_power and wide and result else ""


def _integer_top(operation: Operation) -> str:
    first = operation.first
    if base_name(operation) != "topk" or first is None or not is_integer(first.dtype, 32, 64):
        return ""
    return f"topk of {first}"


def _narrow_shift(operation: Operation) -> str:
    first = operation.first
    if operation.name not in _SHIFTS or first is None or is_integer(first.dtype, 32):
        return ""
    return f"{operation.name} of {first}"


def _fnuz(operation: Operation) -> str:
    return _touching(operation, *_FNUZ)


def _ocp_e4m3(operation: Operation) -> str:
    return _touching(operation, "float8_e4m3fn")


def _no_code(operation: Operation) -> str:
    for fact in (*operation.outputs, *operation.inputs):
        if fact.dtype in _NO_CODE or _is_narrow(fact):
            return f"{operation.name} with {fact}"
    return ""


def _is_narrow(fact: TensorFact) -> bool:
    return fact.dtype in _NO_CODE_PREFIXES or fact.dtype in ("int6", "uint5", "uint6", "uint7")


def _fp8_on(chip: Chip) -> Advice | None:
    if chip.silicon is None or not chip.silicon.capabilities.ocp_fp8:
        return None
    return Advice("works", "leave it: this generation has the format", "none")


_FLOAT = "cast to float32 in so many words; keep sums below 2**24"
_LEAVE_TPU = Advice("works", "leave it", "none")

RULES: tuple[GraphRule, ...] = (
    GraphRule(
        id="G020",
        title="complex numbers are in the graph",
        category="precision",
        why="the Neuron compiler refuses them (NCC_EVRF004)",
        triggers=(),
        on=on(
            Advice("raises", "keep real and imaginary parts as two tensors", "hours"),
            Advice("unknown", "keep real and imaginary parts as two tensors", "hours"),
        ),
        bad=example("return torch.fft.rfft(x).abs()"),
        good=example("return torch.cos(x) + torch.sin(x)"),
        grade="documented",
        sources=(error_code("EVRF004"), EXPORT_PROBE),
        see=("C046", "C047"),
        look=_complex,
        codes=("EVRF004",),
    ),
    GraphRule(
        id="G021",
        title="float64 is in the graph",
        category="precision",
        why="the formats that Neuron lists for its cores have no float64 (NCC_ESPP004 is the code "
        "of a format without code generation)",
        triggers=(),
        on=on(
            Advice("raises", "compute the table on the CPU, convert it, then move it"),
            Advice("slower", "float32: 64 bits are emulated"),
        ),
        bad=example("return (x.double() * 2).float()"),
        good=example("return (x.float() * 2).float()"),
        grade="documented",
        sources=(_TYPES, error_code("ESPP004"), XLA, EXPORT_PROBE),
        see=("C044",),
        look=_double,
        codes=("ESPP004",),
    ),
    GraphRule(
        id="G022",
        title="integers do not fit 32 bits",
        category="precision",
        why="the Neuron compiler makes int64 into int32 unless --native-int64=enabled is given",
        triggers=(),
        on=on(
            Advice(
                "silent", "renumber the values below 2**31, or --native-int64=enabled on trn2 on"
            ),
            Advice("slower", "64 bits are emulated: renumber the values below 2**31"),
        ),
        bad=example("return x * 5_000_000_000", "torch.arange(4)"),
        good=example("return x * 5_000", "torch.arange(4)"),
        grade="documented",
        sources=(COMPILER,),
        look=_beyond_int32,
        reads_values=True,
    ),
    GraphRule(
        id="G023",
        title="integers are multiplied as matrices",
        category="precision",
        why="there is no integer datapath: by default it is computed in float32, exact to 2**24 "
        "only; with --implicit-integer-downcast=none it is refused (NCC_EVRF035)",
        triggers=(),
        on=on(
            Advice("silent", _FLOAT),
            Advice("slower", "int8 is fast there, int64 slow"),
        ),
        bad=example("return x @ x", "torch.ones(4, 4, dtype=torch.int64)"),
        good=example("return x.float() @ x.float()", "torch.ones(4, 4, dtype=torch.int64)"),
        grade="documented",
        sources=(error_code("EVRF035"), COMPILER),
        see=("C091",),
        look=_integer_matmul,
        reads_values=True,
        codes=("EVRF035",),
    ),
    GraphRule(
        id="G024",
        title="integers are added by index",
        category="precision",
        why="a scatter that adds is computed in float32, exact to 2**24 only, by default; with "
        "--implicit-integer-downcast=none it is refused (NCC_EVRF060)",
        triggers=(),
        on=on(Advice("silent", _FLOAT), Advice("slower", "sort first", "hours")),
        bad=example(
            "return torch.zeros(4, dtype=torch.int64).scatter_add(0, x, x)", "torch.arange(4)"
        ),
        good=example("return torch.zeros(4).scatter_add(0, x, x.float())", "torch.arange(4)"),
        grade="documented",
        sources=(error_code("EVRF060"), COMPILER),
        look=_integer_scatter,
        reads_values=True,
        codes=("EVRF060",),
    ),
    GraphRule(
        id="G025",
        title="a scatter reduces integers or booleans",
        category="precision",
        why="the Neuron compiler refuses a reducing scatter of integers (NCC_EVRF016)",
        triggers=(),
        on=on(
            Advice("raises", "cast the target and the source to float32"),
            Advice("slower", "sort first", "hours"),
        ),
        bad=example(
            'return torch.zeros(4, dtype=torch.int32).scatter_reduce(0, x, x.int(), "sum")',
            "torch.arange(4)",
        ),
        good=example(
            'return torch.zeros(4).scatter_reduce(0, x, x.float(), "sum")', "torch.arange(4)"
        ),
        grade="documented",
        sources=(error_code("EVRF016"),),
        look=_reducing_scatter,
        codes=("EVRF016",),
    ),
    GraphRule(
        id="G026",
        title="a 64-bit integer is raised to a power",
        category="precision",
        why="it is computed in int32 by default: wrong beyond 2**31; with "
        "--implicit-integer-downcast=none it is refused (NCC_EVRF062)",
        triggers=(),
        on=on(Advice("silent", "cast to int32 or float32 in so many words"), _LEAVE_TPU),
        bad=example("return x ** 2", "torch.arange(4)"),
        good=example("return x.float() ** 2", "torch.arange(4)"),
        grade="documented",
        sources=(error_code("EVRF062"), COMPILER),
        look=_wide_power,
        codes=("EVRF062",),
    ),
    GraphRule(
        id="G027",
        title="the largest of integers are taken",
        category="ops",
        why="the Neuron compiler refuses top-k of 32- and 64-bit integers (NCC_EVRF013)",
        triggers=(),
        on=on(Advice("raises", "cast to float32 while values stay below 2**24"), _LEAVE_TPU),
        bad=example("return x.topk(2).values", "torch.arange(4)"),
        good=example("return x.float().topk(2).values", "torch.arange(4)"),
        grade="documented",
        sources=(error_code("EVRF013"), EXPORT_PROBE),
        see=("C092",),
        look=_integer_top,
        codes=("EVRF013",),
    ),
    GraphRule(
        id="G028",
        title="integers that are not of 32 bits are shifted right",
        category="ops",
        why="the Neuron compiler shifts 32-bit numbers only (NCC_EVRF022)",
        triggers=(),
        on=on(Advice("raises", "cast to torch.int32 first"), _LEAVE_TPU),
        bad=example("return x >> 1", "torch.arange(4, dtype=torch.int8)"),
        good=example("return x >> 1", "torch.arange(4, dtype=torch.int32)"),
        grade="documented",
        sources=(error_code("EVRF022"), EXPORT_PROBE),
        see=("C093",),
        look=_narrow_shift,
        codes=("EVRF022",),
    ),
    GraphRule(
        id="G029",
        title="unsigned integers do not fit 32 bits",
        category="precision",
        why="a constant of 64 bits that does not fit 32 is refused (NCC_ESFH002)",
        triggers=(),
        on=on(Advice("raises", "numbers below 2**32, as torch.int64 or smaller")),
        bad=example(
            "return x.view(torch.int64)", "torch.tensor([5_000_000_000], dtype=torch.uint64)"
        ),
        good=example("return x.view(torch.int64)", "torch.tensor([5_000], dtype=torch.uint64)"),
        grade="documented",
        sources=(error_code("ESFH002"),),
        look=_beyond_uint32,
        reads_values=True,
        codes=("ESFH002",),
    ),
    GraphRule(
        id="G030",
        title="8-bit floats of the fnuz kind are used",
        category="precision",
        why="the Neuron compiler refuses them (NCC_EVRF005, NCC_ESPP047)",
        triggers=(),
        on=on(Advice("raises", "quantise again, in an encoding of the chip", "days")),
        bad=example("return x.to(torch.float8_e4m3fnuz).float()"),
        good=example("return x.to(torch.bfloat16).float()"),
        grade="documented",
        sources=(error_code("EVRF005"), error_code("ESPP047")),
        look=_fnuz,
        codes=("EVRF005", "ESPP047"),
    ),
    GraphRule(
        id="G031",
        title="8-bit floats of the e4m3fn kind are used",
        category="precision",
        why="only Trainium3 has the format; before it the compiler refuses it (NCC_EVRF051)",
        triggers=(),
        on=on(
            Advice("raises", "requantise, or --experimental-unsafe-fp8e4m3fn-as-fp8e4m3", "days"),
            rocm=Advice("silent", "MI300 has the fnuz encodings: quantise again", "hours"),
        ),
        bad=example("return x.to(torch.float8_e4m3fn).float()"),
        good=example("return x.to(torch.bfloat16).float()"),
        grade="documented",
        sources=(error_code("EVRF051"), error_code("ESPP047")),
        see=("C048",),
        look=_ocp_e4m3,
        on_chip=_fp8_on,
        codes=("EVRF051", "ESPP047"),
    ),
    GraphRule(
        id="G032",
        title="a format without code generation is used",
        category="precision",
        why="4-bit floats, and integers of less than 8 bits, are refused (NCC_ESPP004)",
        triggers=(),
        on=on(Advice("raises", "unpack to int8 or bfloat16 before the model", "hours")),
        bad=example(
            "return x.view(torch.uint8).int()",
            "torch.zeros(4, dtype=torch.uint8).view(torch.bits8)",
        ),
        good=example("return x.int()", "torch.zeros(4, dtype=torch.uint8)"),
        grade="documented",
        sources=(error_code("ESPP004"), _TYPES),
        look=_no_code,
        codes=("ESPP004",),
    ),
)
