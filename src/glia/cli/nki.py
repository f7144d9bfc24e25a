"""`glia nki`: run, profile, compare and check kernels on the virtual chip."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glia.cli.options import Json
from glia.cli.output import alone, check_folder, print_json, result_console, say
from glia.cli.progress import progress_for
from glia.core.errors import UsageError

if TYPE_CHECKING:
    from glia.core.kernel_records import KernelProfile
    from glia.core.records import Span
    from glia.nki.tools.launch import Launch

nki_app = typer.Typer(
    no_args_is_help=True,
    help="Kernels in the public NKI language, without a chip: run, profile, compare, check.",
)

RunWhat = Annotated[
    str,
    typer.Argument(
        metavar="FILE.py:KERNEL|SCRIPT.py",
        help="A kernel of a file, or a script to run as Python does.",
        show_default=False,
    ),
]
Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="[SCRIPT ARGS]...", help="Arguments of the script."),
]
Chip = Annotated[
    str,
    typer.Option(
        "--chip",
        metavar="CHIP",
        help="trn1, inf2, trn2, trn3, or gen2, gen3, gen4. Else the environment variable of the "
        "public tools, else trn2, whose timing is checked against measurements.",
        show_default=False,
    ),
]
Lnc = Annotated[int, typer.Option("--lnc", metavar="1|2", help="Cores that run it together.")]
Arg = Annotated[
    list[str] | None,
    typer.Option(
        "--arg",
        "--args",
        "-a",
        metavar="NAME=SPEC",
        help="x=128x512:bf16 (random data), x=@file.npy, n=3, eps=1e-6, flag=true, mask=none, "
        "shape=(2,3), dtype=nl.bfloat16, name=relu. Once per argument. What is not given comes "
        "from KERNEL_args() of the file.",
        show_default=False,
    ),
]
Limit = Annotated[
    float | None,
    typer.Option(
        "--time-limit",
        metavar="SECONDS",
        min=0,
        help="Stop after that long; 0: never. Without it kernels have 600 s and scripts no limit.",
        show_default=False,
    ),
]
Ranks = Annotated[
    int,
    typer.Option(
        "--ranks",
        metavar="N",
        min=1,
        help="Run it on N ranks at once, which meet in its collectives over the chip's own links. "
        "Each draws its own data; --arg group=ranks is the ReplicaGroup of all.",
    ),
]
Instance = Annotated[
    str,
    typer.Option(
        "--instance",
        metavar="NAME",
        help="The machine whose chips hold the ranks, as trn2.48xlarge: gives the chip, and no "
        "more ranks than it has cores. Else the largest with the chip.",
        show_default=False,
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of random data.")]


@nki_app.command("run", context_settings={"ignore_unknown_options": True})
def run_verb(
    what: RunWhat,
    words: Words = None,
    arg: Arg = None,
    chip: Chip = "",
    lnc: Lnc = 1,
    ranks: Ranks = 1,
    instance: Instance = "",
    seed: Seed = 0,
    time_limit: Limit = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE.npz", help="Write the outputs there."),
    ] = None,
    json: Json = False,
) -> None:
    """Run a kernel, or a script that calls kernels, on the virtual chip."""
    from glia.nki.tools.files import split_name

    path, kernel = split_name(what)
    if kernel:
        _refuse_words(what, words)
        _check_place(out)
        from glia.nki.tools.launch import prepare

        with alone(json):
            launch = prepare(
                what, arg or [], chip, lnc, seed, _limit(time_limit), ranks, instance=instance
            )
        _run_kernel(launch, out, json)
        return
    given = [("--arg", arg), ("--lnc", lnc != 1), ("--out", out), ("--json", json)]
    given += [("--ranks", ranks != 1), ("--instance", bool(instance))]
    _refuse_kernel_options(what, given)
    from glia.nki.tools.script import run_script

    code = run_script(path, words or [], chip, time_limit or 0.0)
    if code:
        raise typer.Exit(code)


def _limit(time_limit: float | None) -> float:
    """Seconds that a kernel may take."""
    from glia.nki.tools.deadline import DEFAULT_S

    return DEFAULT_S if time_limit is None else time_limit


def _refuse_words(what: str, words: list[str] | None) -> None:
    if words:
        raise UsageError(
            f"glia nki: got {' '.join(words)!r} after the kernel {what}, expected its arguments as "
            "--arg NAME=SPEC"
        )


def _refuse_kernel_options(what: str, given: Sequence[tuple[str, object]]) -> None:
    wrong = [name for name, value in given if value]
    if wrong:
        raise UsageError(
            f"glia nki: got {', '.join(wrong)} with the script {what}, expected a kernel; name it, "
            f"as {what}:KERNEL (a script's own options go after --)"
        )


def _check_place(out: Path | None) -> None:
    if out is not None:
        if out.suffix != ".npz":
            raise UsageError(f"--out: got {out}, expected a file ending in .npz")
        check_folder("--out", out.absolute().parent)


def _run_kernel(launch: Launch, out: Path | None, json: bool) -> None:
    from glia.nki.tools.run import run_kernel, save_outputs

    with alone(json):
        record, outputs = run_kernel(launch, progress_for(json))
    if out is not None:
        say(f"wrote {save_outputs(out, outputs)}")
    if json:
        print_json(record)
        return
    from glia.report.kernel_console import run_view

    result_console().print(run_view(record))


@nki_app.command("profile", context_settings={"ignore_unknown_options": True})
def profile_verb(
    what: RunWhat,
    words: Words = None,
    arg: Arg = None,
    chip: Chip = "",
    lnc: Lnc = 1,
    ranks: Ranks = 1,
    instance: Instance = "",
    time_limit: Limit = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Write profile.html (timeline), profile.json (for compare) and trace.json "
            "(for ui.perfetto.dev) there.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Where a kernel's time and energy go, and what would make it faster.

    A kernel of a file needs no values. A script is run, and each kernel that it launches profiled.
    """
    if out is not None:
        check_folder("--out", out)
    from glia.nki.tools.files import split_name

    path, kernel = split_name(what)
    if not kernel:
        given = [("--arg", arg), ("--lnc", lnc != 1), ("--ranks", ranks != 1)]
        _refuse_kernel_options(what, [*given, ("--instance", instance)])
        _profile_script(path, words or [], chip, out, json, time_limit or 0.0)
        return
    _refuse_words(what, words)
    from glia.nki.tools.launch import prepare
    from glia.nki.tools.profile import profile_kernel

    with alone(json):
        launch = prepare(
            what,
            arg or [],
            chip,
            lnc,
            time_limit_s=_limit(time_limit),
            num_ranks=ranks,
            instance=instance,
        )
        profile, spans = profile_kernel(launch, progress_for(json))
    if out is not None:
        for file in _write_profile(out, profile, spans):
            say(f"wrote {file}")
    if json:
        print_json(profile)
        return
    from glia.report.kernel_console import profile_view

    result_console().print(profile_view(profile))


def _profile_script(
    path: Path, words: list[str], chip: str, out: Path | None, json: bool, time_limit_s: float
) -> None:
    from glia.nki.tools.script import profile_script

    with alone(json):
        found, spans = profile_script(path, words, chip, progress_for(json), time_limit_s)
    if out is not None:
        for number, (launch, own) in enumerate(zip(found.launches, spans, strict=True)):
            folder = out / f"{number}-{launch.profile.kernel}"
            say(f"wrote {_write_profile(folder, launch.profile, own)[0]}")
    if json:
        print_json(found)
    else:
        from glia.report.kernel_console import script_view

        result_console().print(script_view(found))
    if found.exit_code:
        raise typer.Exit(found.exit_code)


def _write_profile(out: Path, profile: KernelProfile, spans: tuple[Span, ...]) -> list[Path]:
    from glia.report.files import write_json, write_text_atomic
    from glia.report.kernel_page import render_profile
    from glia.report.trace import trace_json

    title = f"{profile.kernel} on {profile.chip}"
    return [
        write_text_atomic(out / "profile.html", render_profile(profile, spans)),
        write_json(out / "profile.json", profile),
        write_text_atomic(out / "trace.json", trace_json(spans, title)),
    ]


@nki_app.command("compare")
def compare_verb(
    first: Annotated[
        str,
        typer.Argument(
            metavar="A", help="FILE.py:KERNEL or a saved profile.json.", show_default=False
        ),
    ],
    second: Annotated[
        str,
        typer.Argument(
            metavar="B", help="FILE.py:KERNEL or a saved profile.json.", show_default=False
        ),
    ],
    arg: Arg = None,
    chip: Chip = "",
    lnc: Annotated[
        int | None,
        typer.Option("--lnc", metavar="1|2", help="Cores that run it together.", min=1),
    ] = None,
    ranks: Annotated[
        int | None, typer.Option("--ranks", metavar="N", help="Ranks that run it at once.", min=1)
    ] = None,
    instance: Instance = "",
    different: Annotated[
        bool,
        typer.Option(
            "--different", help="Say which is faster although their tensors or ranks differ."
        ),
    ] = False,
    tolerance: Annotated[
        float | None,
        typer.Option(
            "--tolerance",
            metavar="RELATIVE",
            min=0,
            help="How far values may differ, as root mean square over that of A. Else by the "
            "formats: 1e-4 for float32, 0.012 for bfloat16; integers must be equal.",
            show_default=False,
        ),
    ] = None,
    seed: Seed = 0,
    time_limit: Limit = None,
    json: Json = False,
) -> None:
    """Two kernels side by side; their values too, when both run here on the same arguments.

    Beside a saved profile a kernel takes that one's arguments, chip and cores, as far as none are
    given. Exits with 1 when their values differ by more than rounding explains, and when the two do
    different work, so that nothing can be said of their speed.
    """
    from glia.nki.tools.compare import How, compare

    limit_s = _limit(time_limit)
    how = How(tuple(arg or ()), chip, lnc, ranks, seed, limit_s, instance, tolerance)
    with alone(json):
        found = compare(first, second, how, progress_for(json), different)
    if json:
        print_json(found)
    else:
        from glia.report.kernel_console import comparison_view

        result_console().print(comparison_view(found))
    if found.apart or not found.is_judged:
        raise typer.Exit(1)


@nki_app.command("check")
def check_verb(
    what: Annotated[
        str,
        typer.Argument(
            metavar="FILE.py[:KERNEL]",
            help="Every kernel of a file, or one of them.",
            show_default=False,
        ),
    ],
    arg: Arg = None,
    lnc: Lnc = 1,
    time_limit: Limit = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings fail as well.")] = False,
    source: Annotated[
        bool, typer.Option("--source", help="Read the source only; no arguments are needed.")
    ] = False,
    json: Json = False,
) -> None:
    """What the real compiler would refuse, and legality on every generation. Runs no values.

    Legality needs shapes: those of --arg, or of KERNEL_args() of the file. Exits with 1 when
    something would be refused, or when the legality of a kernel could not be checked.
    """
    if source and (arg or lnc != 1):
        raise UsageError("glia nki check: got --arg or --lnc with --source, which traces nothing")
    from glia.nki.tools.check import check

    with alone(json):
        found = check(what, arg or [], lnc, progress_for(json), _limit(time_limit), source)
    if json:
        print_json(found)
    else:
        from glia.report.kernel_console import check_view

        result_console().print(check_view(found))
    if not found.ok or (strict and found.num_findings):
        raise typer.Exit(1)
