"""Kernel records on the console and as a page: complete, escaped, self-contained."""

from __future__ import annotations

import dataclasses
import io
import json
import re
from xml.etree import ElementTree

import pytest
from rich.console import Console

from glia.core.figures import Estimate, exact
from glia.core.kernel_records import (
    Advice,
    Agreement,
    Delta,
    DmaUse,
    EngineUse,
    FileCheck,
    GenerationResult,
    KernelCheck,
    KernelComparison,
    KernelProfile,
    KernelRun,
    LineUse,
    MemoryUse,
    Reload,
    Spill,
    SubsetFinding,
    TensorSummary,
)
from glia.core.records import Span
from glia.report.kernel_console import (
    check_view,
    comparison_view,
    profile_view,
    run_view,
)
from glia.report.kernel_page import MAX_SPANS, render_profile

EVIL = "y = '</script><b>[red]' & x"


def estimate(value: float, unit: str) -> Estimate:
    return Estimate(0.5 * value, value, 2 * value, unit, "made by hand", ("a <source>",))


@pytest.fixture
def spans() -> tuple[Span, ...]:
    kinds = (("tensor", "nc_matmul", 3), ("queue load", "dma_copy", 4), ("vector", "memset", 3))
    return tuple(
        Span(track, op, (10 * i + j) * 1e-9, (10 * i + j + 12) * 1e-9, f"/somewhere/k.py:{line}")
        for i in range(40)
        for j, (track, op, line) in enumerate(kinds)
    )


@pytest.fixture
def profile() -> KernelProfile:
    lines = (
        LineUse("k.py", 3, EVIL, 80, 3e-7, {"tensor": 4e-7, "vector": 1e-7}, 0, 1e6),
        LineUse("k.py", 4, "nisa.dma_copy(a, b)", 40, 1e-7, {"dma": 4e-7}, 4096, 0.0),
    )
    return KernelProfile(
        kernel="<kernel>", file="k.py", chip="trn2", generation="gen3", num_cores=1,
        arguments=("x: bfloat16[4, 4]",), num_instructions=120,
        time=estimate(4e-7, "s"), as_written=estimate(4e-7, "s"), dataflow=estimate(3e-7, "s"),
        bounds_s={"dma": 1e-7, "tensor": 3e-7}, flops=1e6,
        mfu=estimate(0.25, "fraction"), hfu=estimate(0.3, "fraction"),
        adjusted_mfu=estimate(0.25, "fraction"), mbu=estimate(0.125, "fraction"),
        engines=(EngineUse("tensor", 40, 3e-7, estimate(0.4, "fraction")),),
        dma=DmaUse(40, 4096, 16, 256.0, 4096, estimate(0.1, "fraction"), 4000, 96),
        reloads=(Reload("weights", 3072, 1024, ("k.py:4",)),),
        spills=(Spill("aside", 512, 256, ("k.py:4", "k.py:9")),),
        memory=MemoryUse(1000, 212984, 2, 8),
        energy=estimate(1e-6, "J"),
        energy_by_cause={"hbm_byte": estimate(4e-7, "J"), "static": estimate(6e-7, "J")},
        power=estimate(2.5, "W"), lines=lines,
        advice=(Advice("load once", "keep the tile", 1e-7, 0.25, "re-timed", ("k.py:4",)),),
        notes=("hot",),
    )  # fmt: skip


def text(view) -> str:
    console = Console(width=220, file=io.StringIO(), highlight=False)
    console.print(view)
    return console.file.getvalue()


def test_the_console_shows_every_part_of_a_profile(profile):
    shown = text(profile_view(profile))
    for words in (
        "<kernel> on trn2: x: bfloat16[4, 4]", "400 ns", "dataflow bound", "MFU", "25 %", "HFU",
        "MBU", "2.5 W", "static 60%", "SBUF 1,000 of 212,984", "PSUM 2 of 8 banks", "tensor",
        "no faster than 300 ns: tensor", "2 KiB of weights", "256 B of aside", "k.py:3", EVIL,
        "75.0%", "load once", "25.0%", "re-timed", "hot", "100% of the bytes in pieces below 512 B",
    ):  # fmt: skip
        assert words in shown, words


def page_parts(page: str) -> tuple[dict, str]:
    found = re.search(r'<script id="timeline-data" type="application/json">(.*?)</script>', page)
    assert found is not None
    return json.loads(found[1]), page


def test_the_page_holds_every_span_and_nothing_from_outside(profile, spans):
    data, page = page_parts(render_profile(profile, spans))
    assert len(data["spans"]) == len(spans)
    assert data["tracks"] == ["tensor", "queue load", "vector"]
    track, op, place, start, length = data["spans"][0]
    assert (data["tracks"][track], data["ops"][op]) == ("tensor", "nc_matmul")
    assert (data["places"][place], start, length) == ("k.py:3", 0.0, 12.0)
    assert data["code"][str(place)] == EVIL
    outside = re.findall(r'(?:src|href)="(?!#)[^"]*"|@import|url\(|fetch\(', page)
    assert outside == []


def test_text_of_the_user_never_becomes_markup(profile, spans):
    _, page = page_parts(render_profile(profile, spans))
    assert "<kernel>" not in page and "&lt;kernel&gt;" in page
    assert page.count("</script>") == 2
    body = re.sub(r"<script.*?</script>|<style>.*?</style>", "", page, flags=re.S)
    ElementTree.fromstring(body.removeprefix("<!doctype html>"))


def test_the_page_says_what_the_console_says(profile, spans):
    page = render_profile(profile, spans)
    for words in (
        "400 ns", "load once", "keep the tile", "re-timed", "weights", "aside", "75.0%",
        "made by hand", "a &lt;source&gt;", "hot", "nisa.dma_copy(a, b)",
        "Nothing here was measured",
    ):  # fmt: skip
        assert words in page, words


def test_a_long_timeline_is_cut_and_says_so(profile):
    many = tuple(
        Span("tensor", "nc_matmul", i * 1e-9, (i + 1) * 1e-9, "k.py:3")
        for i in range(MAX_SPANS + 5)
    )
    page = render_profile(profile, many)
    assert f"The first {MAX_SPANS:,} of {MAX_SPANS + 5:,} instructions" in page
    assert len(page_parts(page)[0]["spans"]) == MAX_SPANS


def test_a_profile_of_nothing_has_a_page(profile):
    empty = dataclasses.replace(
        profile, lines=(), advice=(), reloads=(), spills=(), engines=(), bounds_s={}
    )
    assert "Nothing that glia can re-time" in render_profile(empty, ())
    assert "Nothing that glia can re-time" in text(profile_view(empty))


def test_where_no_advice_was_looked_for_the_reason_stands_in_its_place(profile):
    untried = dataclasses.replace(profile, advice=(), untried="ranks meet")
    for shown in (text(profile_view(untried)), render_profile(untried, ())):
        assert "No change was tried: ranks meet" in shown
        assert "Nothing that glia can re-time" not in shown


def test_what_several_cores_add_up_to_is_said(profile):
    both = dataclasses.replace(profile, num_cores=2)
    words = "instructions of all 2 cores; times and shares are the mean of a core"
    assert words in text(profile_view(both)) and words in render_profile(both, ())
    assert words not in text(profile_view(profile)) + render_profile(profile, ())


def test_a_run_shows_outputs_and_what_they_took():
    out = TensorSummary("out0", (2, 3), "float32", (1.5, 2.5), 1.5, 2.5, 2.0, 1, "00")
    run = KernelRun("k", "k.py", "trn2", 2, (), (out,), 7, estimate(1e-6, "s"), estimate(1e-3, "J"))
    shown = text(run_view(run))
    for words in ("k on trn2, 2 cores: no arguments", "float32[2, 3]", "1 not finite", "1.5, 2.5",
                  "1 \u00b5s", "500 ns to 2 \u00b5s", "1 mJ"):  # fmt: skip
        assert words in shown, words


def test_a_comparison_shows_ratios_agreement_and_verdict():
    deltas = (
        Delta("time", "s", 2e-6, 1e-6, 0.5), Delta("DMAs", "count", 4, 1234, 308.5),
        Delta("spilled", "B", 0, 0, None),
    )  # fmt: skip
    agreement = (
        Agreement("out0", True, True, 0, 0), Agreement("out1", True, False, 0.25, 1e-3),
        Agreement("out2", False, False, 1, 1),
    )  # fmt: skip
    found = KernelComparison("a", "b", True, deltas, "b is faster", agreement, ("mind",))
    shown = text(comparison_view(found))
    for words in ("2 \u00b5s", "0.500", "1,234", "308.500", "identical, bit for bit",
                  "largest difference 0.25, relative 1.00e-03", "different shapes", "mind",
                  "b is faster"):  # fmt: skip
        assert words in shown, words


def test_a_check_shows_findings_generations_and_the_count():
    finding = SubsetFinding("try", "error", "k.py", 4, 5, "k", "got `try`", "use if", "try:")
    bad = KernelCheck("k", "(x)", (finding,), (GenerationResult("gen2", "trn1", "k.py:9: no"),))
    good = KernelCheck("m", "()", (), (GenerationResult("gen3", "trn2", "", 1),), "arguments: none")
    shown = text(check_view(FileCheck("k.py", (bad, good))))
    for words in ("k(x)", "k.py:4:5: error [try] got `try`; use if", "gen2 (trn1): refused: k.py:9",
                  "gen3 (trn2): legal, 1 instruction", "arguments: none",
                  "1 of 2 kernels would be refused"):  # fmt: skip
        assert words in shown, words
    assert "1 kernel: nothing to refuse was found" in text(check_view(FileCheck("k.py", (good,))))


def test_the_mfu_of_a_kernel_without_products_is_0_everywhere(profile):
    none = dataclasses.replace(profile, mfu=exact(0.0, "fraction", "over 78.6 TFLOP/s"))
    shown = next(row for row in text(profile_view(none)).splitlines() if "MFU" in row)
    assert re.search(r"MFU +0 % .*78.6 TFLOP/s", shown), shown
    assert "<dt>MFU" in render_profile(profile, ()) and "<dt>MFU" not in render_profile(none, ())


def test_generations_that_refuse_for_one_reason_share_a_line():
    results = (GenerationResult("gen2", "trn1", "no"), GenerationResult("gen3", "trn2", "no"),
               GenerationResult("gen4", "trn3", "", 2))  # fmt: skip
    shown = text(check_view(FileCheck("k.py", (KernelCheck("k", "()", (), results),))))
    assert "gen2 (trn1), gen3 (trn2): refused: no" in shown
    assert shown.count("refused:") == 1 and "gen4 (trn3): legal, 2" in shown


def test_what_was_not_checked_is_said_in_the_last_line():
    untried = KernelCheck("k", "(x)", (), (), "no shapes are known")
    broken = KernelCheck("m", "(x)", (), (), "", "no end")
    last = text(check_view(FileCheck("k.py", (untried,)))).splitlines()[-1]
    assert "in the source; legality of 1 of 1 kernel was NOT checked" in last
    found = FileCheck("k.py", (untried, broken))
    shown = text(check_view(found))
    assert not found.ok and found.num_unchecked == 2
    assert "not checked: no end" in shown
    assert "1 of 2 kernels could not be tried; legality of 1 of 2" in shown.splitlines()[-1]


def test_ok_follows_from_findings_and_generations():
    warning = SubsetFinding("x", "warning", "k.py", 1, 1, "k", "", "")
    assert KernelCheck("k", "()", (warning,)).ok
    assert not KernelCheck("k", "()", (), (GenerationResult("gen2", "trn1", "no"),)).ok
