"""Rules about a host that decides by values, and about sizes that only the data know."""

from __future__ import annotations

from glia.frontends.operations import WATCHED, Operation, SyncKind, TensorFact
from glia.port.graph_check.rule import GraphRule, example, on
from glia.port.rules.rule import LEAVE, Advice
from glia.port.rules.sources import (
    EXPORT_PROBE,
    NATIVE,
    OWN_LOOK,
    RECOMPILATION,
    TROUBLESHOOT,
    error_code,
    neuron_sdk,
)

_FIXED = "keep all elements and choose with torch.where, or pad to a fixed size"


def _sized_by_data(operation: Operation) -> str:
    """An operation whose result is as long as the data say."""
    if WATCHED not in operation.tags:
        is_new = _makes_unknown(operation) and not _has_symbol(operation)
        return f"{operation.name} of {operation.first}" if is_new else ""
    if "dynamic_output_shape" not in operation.tags:
        return ""
    if operation.name == "index" and not _has_mask(operation):
        return ""
    if operation.name == "repeat_interleave" and operation.arguments.get("output_size") is not None:
        return ""
    return f"{operation.name} of {operation.first}"


def _has_mask(operation: Operation) -> bool:
    return any(index.dtype in ("bool", "uint8") for index in _indices(operation))


def _indices(operation: Operation) -> list[TensorFact]:
    given = operation.arguments.get("indices", ())
    return [index for index in given if isinstance(index, TensorFact)]


def _sized_by_value(operation: Operation) -> str:
    """A size taken from a number that was read from a tensor."""
    if not _makes_unknown(operation) or not _has_symbol(operation):
        return ""
    return f"{operation.name} gives {', '.join(map(str, operation.outputs))}"


def _makes_unknown(operation: Operation) -> bool:
    return _has_unknown(operation.outputs) and not _has_unknown(operation.inputs)


def _has_symbol(operation: Operation) -> bool:
    """True when an argument is a number that PyTorch knows as a symbol only."""
    return any(_is_symbol(value) for value in operation.arguments.values())


def _is_symbol(value: object) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_is_symbol, value))
    return (
        not isinstance(value, int | float)
        and hasattr(value, "node")
        and hasattr(value, "__index__")
    )


def _has_unknown(facts: tuple[TensorFact, ...]) -> bool:
    return any(None in fact.shape for fact in facts)


_ONCE = Advice("slower", "keep the tensor; read it after the step, or once in many steps")
_ONCE_TPU = Advice("slower", "keep the tensor; read it once in many steps")

CONTROL = GraphRule(
    id="G001",
    title="the host decides by a tensor's value",
    category="control",
    why="the branch depends on data: it cannot be captured whole, and each way is another graph",
    triggers=(),
    on=on(
        Advice("raises", "torch.where or torch.cond; a loop of fixed length", "hours"),
        Advice("slower", "torch.where, cond, scan or while_loop", "hours"),
    ),
    bad=example("if x.sum() > 0:\n    x = x * 2\nreturn x"),
    good=example("return torch.where(x.sum() > 0, x * 2, x)"),
    grade="seen",
    sources=(EXPORT_PROBE, RECOMPILATION, neuron_sdk("issues/1388")),
    see=("C079", "C080", "C087"),
)
NUMBER = GraphRule(
    id="G002",
    title="one value is read by the host",
    category="sync",
    why="the host waits for all work; what it computes with the number is not in the graph",
    triggers=(),
    on=on(_ONCE, _ONCE_TPU),
    bad=example("return x * x.sum().item()"),
    good=example("return x * x.sum()"),
    grade="seen",
    sources=(TROUBLESHOOT, EXPORT_PROBE),
    see=("C077",),
)
ARRAY = GraphRule(
    id="G003",
    title="a tensor goes to the host",
    category="sync",
    why="the host waits for all work and copies; a graph cannot be captured over .numpy()",
    triggers=(),
    on=on(_ONCE, _ONCE_TPU),
    bad=example("scale = x.detach().numpy().max()\nreturn x / float(scale)"),
    good=example("return x / x.max()"),
    grade="seen",
    sources=(TROUBLESHOOT, EXPORT_PROBE),
    see=("C078",),
)
TEXT = GraphRule(
    id="G004",
    title="a tensor is printed",
    category="sync",
    why="the host waits for all work, and torch.compile cuts the graph there",
    triggers=(),
    on=on(_ONCE, _ONCE_TPU),
    bad=example("print(x.mean())\nreturn x"),
    good=example("print(x.shape)\nreturn x"),
    grade="documented",
    sources=(NATIVE, EXPORT_PROBE),
    see=("C078",),
)
HIDDEN = GraphRule(
    id="G005",
    title="an operation reads values of its input on the host",
    category="sync",
    why="the library asks for a value, a greatest index or a length, and the host waits for it",
    triggers=(),
    on=on(
        Advice("raises", "give the number yourself: one_hot(x, n), a fixed length"),
        Advice("slower", "give the number yourself: one_hot(x, n), a fixed length"),
    ),
    bad=example("return F.one_hot(x)", "torch.arange(4)"),
    good=example("return F.one_hot(x, 4)", "torch.arange(4)"),
    grade="seen",
    sources=(EXPORT_PROBE,),
    see=("C077", "C081", "C082", "C083", "C084"),
)
SYNC_RULES: dict[SyncKind, GraphRule] = {
    "bool": CONTROL,
    "number": NUMBER,
    "list": ARRAY,
    "numpy": ARRAY,
    "copy": ARRAY,
    "text": TEXT,
    "hidden": HIDDEN,
}
UNCAPTURED = GraphRule(
    id="G008",
    title="the graph cannot be captured",
    category="capture",
    why="torch.export stops here, so nothing that needs one whole graph can take the model",
    triggers=(),
    on=on(
        Advice(
            "unknown",
            "rewrite the line with tensor operations, or keep it out of the model",
            "hours",
        ),
    ),
    bad=example("x.data = x.data * 2\nreturn x"),
    good=example("return F.nll_loss(x.log_softmax(-1), torch.arange(4))"),
    grade="seen",
    sources=(EXPORT_PROBE,),
)
CUT = GraphRule(
    id="G009",
    title="torch.compile cuts the graph",
    category="capture",
    why="each piece is compiled by itself, and again when what it was made for changes; the host "
    "runs what lies between; what wants one whole graph raises",
    triggers=(),
    on=on(
        Advice(
            "slower",
            "rewrite the line; TorchNeuron runs cut graphs, torch_neuronx.trace and fullgraph=True "
            "do not",
        ),
        Advice("slower", "rewrite the line with tensor operations; fullgraph=True raises"),
    ),
    bad=example("return F.linear(x, torch.nn.Parameter(x + 1, requires_grad=False))"),
    good=example("return F.linear(x, x + 1)"),
    grade="documented",
    sources=(NATIVE, EXPORT_PROBE),
)
HOST_RANDOM = GraphRule(
    id="G010",
    title="Python or NumPy draws a random number inside the model",
    category="control",
    why="a captured graph keeps the one number that was drawn: every later call repeats it",
    triggers=(),
    on=on(
        Advice("silent", "draw with torch, and choose with torch.where", "hours"),
        Advice("silent", "draw with torch, and choose with torch.where", "hours"),
    ),
    bad="import random\n" + example("return x * random.random()"),
    good=example("return x * torch.rand(())"),
    grade="seen",
    sources=(EXPORT_PROBE,),
    see=("C032",),
)
CHANGED = GraphRule(
    id="G011",
    title="a second call does other operations than the first",
    category="control",
    why="the model keeps state in Python: a captured graph holds one state for ever, or is made "
    "again at each call",
    triggers=(),
    on=on(
        Advice("silent", "keep the state in a tensor, or pass it as an argument", "hours"),
        Advice("silent", "keep the state in a tensor, or pass it as an argument", "hours"),
    ),
    bad=example("self.n = getattr(self, 'n', 0) + 1\nreturn x.abs() if self.n % 2 else x.exp()"),
    good=example("return x.abs()"),
    grade="general",
    sources=(RECOMPILATION,),
)

_SEEN_FIRST = Advice(
    "unknown",
    "mend what the detail says, or write a function that makes the model without it; nothing else "
    "of the graph is known until then",
)
UNSEEN = GraphRule(
    id="G012",
    title="the graph could not be looked at",
    category="capture",
    why="the model could not be made or called on a CPU, so no operation of it was seen",
    triggers=(),
    on=on(_SEEN_FIRST, _SEEN_FIRST, _SEEN_FIRST, _SEEN_FIRST),
    bad=example("return x @ torch.ones(5, 5)"),
    good=example("return x @ torch.ones(4, 4)"),
    grade="seen",
    sources=(OWN_LOOK,),
)
_AS_IT_IS = Advice(
    "works", "mend what the source's findings say of CUDA; then no stand-in is needed", "minutes"
)
STOOD_IN = GraphRule(
    id="G013",
    title="CUDA was asked for, and the CPU stood in",
    category="capture",
    why="the model runs nowhere else as it is, so its graph was captured with the CPU in the place "
    "of the device: code that asks for kernels of CUDA by name was not seen at work",
    triggers=(),
    on=on(_AS_IT_IS, _AS_IT_IS, LEAVE, _AS_IT_IS),
    bad=example('return x.cuda() + torch.zeros(4, device="cuda")'),
    good=example("return x + torch.zeros(4, device=x.device)"),
    grade="seen",
    sources=(OWN_LOOK,),
)
SIZED_BY_VALUE = GraphRule(
    id="G007",
    title="a size is a number that was read from a tensor",
    category="shape",
    why="the Neuron compiler wants every size fixed (NCC_EMOD025); a TPU compiles again",
    triggers=(),
    on=on(
        Advice(
            "raises",
            "pass the length as a plain Python number, or mask to a fixed size",
            "hours",
        ),
        Advice("slower", "pass the length as a plain Python number", "hours"),
    ),
    bad=example("return x[: x.sum().int().item()]"),
    good=example("return x[:3]"),
    grade="documented",
    sources=(error_code("EMOD025"), EXPORT_PROBE),
    see=("C077",),
    look=_sized_by_value,
    needs_capture=True,
    codes=("EMOD025",),
)

RULES: tuple[GraphRule, ...] = (
    CONTROL,
    NUMBER,
    ARRAY,
    TEXT,
    HIDDEN,
    GraphRule(
        id="G006",
        title="the size of a result depends on the data",
        category="shape",
        why="the Neuron compiler wants every size fixed (NCC_EMOD025); a TPU compiles again",
        triggers=(),
        on=on(
            Advice("raises", _FIXED, "hours"),
            Advice("slower", _FIXED, "hours"),
        ),
        bad=example("return x[x > 0]"),
        good=example("return torch.where(x > 0, x, 0)"),
        grade="documented",
        sources=(error_code("EMOD025"), RECOMPILATION, EXPORT_PROBE),
        see=("C081", "C082", "C083", "C084"),
        look=_sized_by_data,
        codes=("EMOD025",),
    ),
    SIZED_BY_VALUE,
    UNCAPTURED,
    CUT,
    HOST_RANDOM,
    CHANGED,
    UNSEEN,
    STOOD_IN,
)
