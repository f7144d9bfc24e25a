"""A whole project: what weighs, what the verdict is per target, and that nothing stops the rest."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

import glia.port.reading as reading
from glia.chips import list_chips, load_chip
from glia.core.check_records import CheckReport
from glia.core.errors import UsageError
from glia.port.project_check import check_project, check_projects
from glia.port.targets import family_of, target_named

MOVED = "import torch\nx = torch.ones(2).cuda()\n"
CHOSEN = 'import torch\ndevice = "cuda" if torch.cuda.is_available() else "cpu"\n'
GUARDED = "try:\n    import triton\nexcept ImportError:\n    triton = None\n"
KERNEL = "import triton\n"
CLEAN = "import torch\nx = torch.ones(2)\n"


def check(folder: Path, files: Mapping[str, str], targets: str = "trn2") -> CheckReport:
    for name, code in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    return check_project(folder, [target_named(t) for t in targets.split(",")])


def shown(report: CheckReport, folder: Path) -> list[tuple[str, str, bool]]:
    return [(os.path.relpath(f.file, folder), f.rule, f.weighs) for f in report.findings]


# -- targets -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("trn2", "neuron"), ("inf2", "neuron"), ("tpu-v5e", "tpu"), ("v5e", "tpu"),
        ("mi300x", "rocm"), ("h100", "cuda"), ("graviton4", "cpu"), ("cpu", "cpu"),
        ("neuron", "neuron"), ("maia-100", ""),
    ],
)  # fmt: skip
def test_families(name: str, family: str):
    assert target_named(name).family == family


def test_every_gpu_of_the_catalogue_has_a_family():
    chips = [load_chip(name) for name in list_chips()]
    assert not [c.name for c in chips if c.kind != "custom" and not family_of(c)]


@pytest.mark.parametrize(("name", "near"), [("trm2", "trn2"), ("neurn", "neuron")])
def test_an_unknown_target(name: str, near: str):
    with pytest.raises(UsageError, match=f"did you mean '{near}'"):
        target_named(name)


# -- verdicts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "verdicts"),
    [
        (CLEAN, {"trn2": "runs", "cpu": "runs", "h100": "runs", "maia-100": "unknown"}),
        (MOVED, {"trn2": "runs after fixes", "cpu": "runs after fixes", "mi300x": "runs"}),
        (CHOSEN, {"trn2": "runs after fixes", "h100": "runs"}),
        (GUARDED, {"trn2": "runs", "cpu": "runs"}),
        (KERNEL, {"trn2": "needs redesign", "tpu-v5e": "needs redesign", "h100": "runs"}),
    ],
)
def test_verdicts(code: str, verdicts: dict[str, str], tmp_path: Path):
    report = check(tmp_path, {"train.py": code}, ",".join(verdicts))
    assert {t.target: t.verdict for t in report.targets} == verdicts


MODEL = "import torch\n\n\ndef f(x):\n    return x.cuda()\n"


@pytest.mark.parametrize(
    ("files", "verdict", "words"),
    [
        # One optional kernel among many files does not redesign the project.
        ({"kernel.py": KERNEL}, "runs after fixes", "1 of 9 files of PyTorch cannot do without"),
        # What everything imports does.
        (
            {"kernel.py": KERNEL} | {f"m{i}.py": "import kernel\n" + MODEL for i in range(4)},
            "needs redesign", "5 of 9 files of PyTorch cannot do without",
        ),
        # Imported inside a function: only who calls it needs it.
        (
            {"kernel.py": KERNEL}
            | {f"m{i}.py": MODEL + "def g():\n    import kernel\n" for i in range(4)},
            "runs after fixes", "1 of 9",
        ),
        # What stands in examples, tools and settings is work, and the project runs without.
        (
            {"examples/kernel.py": KERNEL, "ds.json": '{"zero_optimization": {"stage": 2}}'},
            "runs after fixes", "C060, C066 in 2 files, without which the project's own code runs",
        ),
        ({}, "runs after fixes", "minutes or hours"),
    ],
)  # fmt: skip
def test_days_of_work_are_weighed(files: dict[str, str], verdict: str, words: str, tmp_path: Path):
    base = {f"m{i}.py": MODEL for i in range(8)}
    found = check(tmp_path, base | files).targets[0]
    assert (found.verdict, words in found.reason) == (verdict, True), found.reason


@pytest.mark.parametrize(
    ("code", "verdicts"),
    [
        # torch.cuda.is_available() is true on ROCm: what only NVIDIA has still fails behind it.
        (
            "import torch\nif torch.cuda.is_available():\n    import pynvml\n",
            {"mi300x": ("raises", 1), "cpu": ("raises", 0)},
        ),
        # A failure that is caught leaves an accelerator aside without a word.
        (
            "import torch\ntry:\n    m.cuda()\nexcept (AssertionError, RuntimeError):\n    pass\n",
            {"trn2": ("silent", 1), "tpu-v5e": ("silent", 1), "cpu": ("raises", 0)},
        ),
    ],
)
def test_a_guard_is_one_where_it_holds(
    code: str, verdicts: dict[str, tuple[str, int]], tmp_path: Path
):
    report = check(tmp_path, {"a.py": code}, ",".join(verdicts))
    assert {t.target: t.counts[verdicts[t.target][0]] for t in report.targets} == {
        target: number for target, (_, number) in verdicts.items()
    }


def test_a_project_of_examples_is_weighed_by_them(tmp_path: Path):
    found = check(tmp_path, {"examples/a.py": KERNEL}).targets[0]
    assert (found.verdict, "1 of 1 file of" in found.reason) == ("needs redesign", True)


def test_nothing_read_is_no_verdict(tmp_path: Path):
    (tmp_path / "a.txt").write_text("cuda")
    assert check(tmp_path, {}).targets[0].verdict == "unknown"
    report = check(tmp_path, {"a.py": 'import torch\nprint "cuda"\n'})
    assert report.targets[0].verdict == "unknown"
    assert [u.reason for u in report.unread] == ["Python 2 (line 2)"]


def test_most_of_it_not_read_is_no_verdict(tmp_path: Path):
    old = {f"old{i}.py": 'import torch\nprint "cuda"\n' for i in range(3)}
    (found,) = check(tmp_path, {**old, "a.py": MOVED, "b.py": MOVED}).targets
    assert (found.verdict, found.share_fixable) == ("unknown", None)
    assert "3 files or folders could not be read" in found.reason
    for name in list(old)[1:]:
        (tmp_path / name).unlink()
    (found,) = check(tmp_path, {}).targets
    assert (found.verdict, found.share_fixable) == ("runs after fixes", 1.0)
    assert "1 file or folder could not be read: what is in them is not counted" in found.reason


def test_silent_and_loud_are_counted_per_target(tmp_path: Path):
    report = check(tmp_path, {"a.py": MOVED, "b.py": CHOSEN}, "trn2,mi300x")
    neuron, rocm = report.targets
    assert (neuron.counts["silent"] >= 1, neuron.counts["raises"] >= 1) == (True, True)
    assert (rocm.counts["silent"], rocm.counts["raises"]) == (0, 0)
    assert report.rules["C005"].on["trn2"].effect == "silent"
    assert report.rules["C005"].on["mi300x"].effect == "works"


def test_effort_is_an_interval_that_grows_with_the_work(tmp_path: Path):
    one = check(tmp_path / "one", {"a.py": MOVED}).targets[0].effort
    two = check(tmp_path / "two", {"a.py": MOVED, "b.py": MOVED}).targets[0].effort
    kernel = check(tmp_path / "kernel", {"a.py": KERNEL}).targets[0].effort
    none = check(tmp_path / "none", {"a.py": GUARDED}, "cpu").targets[0].effort
    assert 0 < one.low < one.likely < one.high
    assert one.likely < two.likely < 2 * one.likely  # the second place is quicker
    assert kernel.low >= 8  # a kernel to write takes a day at least
    assert none.high == 0


def test_many_places_of_many_rules_are_no_sum_of_worst_cases(tmp_path: Path):
    """Wright's curve within a rule, errors of guesses that add like errors between rules."""
    many = check(tmp_path / "many", {f"a{i}.py": MOVED for i in range(64)}).targets[0].effort
    few = check(tmp_path / "few", {f"a{i}.py": MOVED for i in range(2)}).targets[0].effort
    one = check(tmp_path / "one", {"a.py": MOVED}).targets[0].effort
    more = (many.likely - one.likely) / (few.likely - one.likely)
    assert more == pytest.approx(63 ** (1 + math.log2(0.8)))
    kernel = check(tmp_path / "kernel", {"a.py": KERNEL}).targets[0].effort
    both = check(tmp_path / "both", {"a.py": MOVED, "b.py": KERNEL}).targets[0].effort
    assert both.likely == pytest.approx(one.likely + kernel.likely)
    assert kernel.high < both.high < one.high + kernel.high
    assert one.low + kernel.low < both.low


def test_work_that_may_not_be_needed_starts_at_none(tmp_path: Path):
    code = "import torch\nx = torch.randn(4, device=device)\n"  # C031: unknown on Neuron
    effort = check(tmp_path, {"a.py": code}).targets[0].effort
    assert effort.low == 0 < effort.likely < 0.15 < effort.high


def test_shares_for_a_tool(tmp_path: Path):
    verdict = check(tmp_path, {"a.py": MOVED}).targets[0]
    assert (verdict.share_fixable, verdict.share_partly) == (1.0, 0.0)
    assert check(tmp_path / "clean", {"a.py": CLEAN}).targets[0].share_fixable is None
    half = check(tmp_path / "half", {"a.py": MOVED, "a.yaml": "device: cuda\n"}).targets[0]
    assert half.share_fixable == 0.5  # settings are left to people


def test_only_what_matters_to_a_target_is_reported(tmp_path: Path):
    assert not check(tmp_path, {"a.py": MOVED}, "mi300x").findings
    assert not check(tmp_path, {"a.py": MOVED}, "h100").findings


# -- weight --------------------------------------------------------------------------------------


def test_guards_tests_and_vendored_code_do_not_weigh(tmp_path: Path):
    files = {
        "guarded.py": "import torch\nx = object()\nif torch.cuda.is_available():\n    x.cuda()\n",
        "tests/test_a.py": MOVED,
        "third_party/b.py": MOVED,
        "train.py": MOVED,
    }
    found = [f for f in shown(check(tmp_path, files), tmp_path) if f[1] == "C001"]
    assert found == [
        ("guarded.py", "C001", False),
        ("tests/test_a.py", "C001", False),
        ("third_party/b.py", "C001", False),
        ("train.py", "C001", True),
    ]


def test_asking_for_cuda_to_choose_the_device_is_no_guard(tmp_path: Path):
    found = check(tmp_path, {"a.py": CHOSEN}).findings
    assert [f.weighs for f in found if f.rule == "C005"] == [True]


def test_repeating_a_choice_that_was_made_is_guarded(tmp_path: Path):
    repeated = 'import torch\nkind = "cuda" if "cuda" in device else "cpu"\n'
    found = check(tmp_path, {"a.py": repeated}).findings
    assert [f.weighs for f in found if f.rule == "C003"] == [False]


def test_accepted_findings_stay_in_the_report_with_their_reason(tmp_path: Path):
    accept = 'accept = [{ rule = "C001", path = "old.py", reason = "goes away" }]'
    files = {
        "glia.toml": f"[check]\n{accept}\n",
        "old.py": MOVED,
        "new.py": MOVED.rstrip() + "  # glia: ignore[C001] for CUDA\n",
    }
    report = check(tmp_path, files)
    found = {os.path.basename(f.file): (f.accepted, f.accepted_by) for f in report.findings}
    assert found == {"old.py": ("goes away", "settings"), "new.py": ("for CUDA", "comment")}
    assert report.targets[0].verdict == "runs"
    assert not report.notes


def test_settings_and_comments_that_accept_nothing_are_noted(tmp_path: Path):
    accept = 'accept = [{ rule = "C001", path = "gone.py", reason = "r" }]'
    files = {"glia.toml": f"[check]\n{accept}\n", "a.py": MOVED.rstrip() + "  # glia: ignore\n"}
    notes = check(tmp_path, files).notes
    assert any("accept C001 in gone.py accepts nothing" in note for note in notes)
    assert any("names no rule" in note for note in notes)


def test_excluded_paths_are_not_read(tmp_path: Path):
    files = {
        "glia.toml": '[check]\nexclude = ["legacy", "*_gen.py"]\n',
        "legacy/deep/a.py": MOVED,
        "src/b_gen.py": MOVED,
        "src/c.py": MOVED,
    }
    report = check(tmp_path, files)
    assert [os.path.relpath(f.file, tmp_path) for f in report.findings] == ["src/c.py"]
    inner = check_project(tmp_path / "src", [target_named("trn2")])
    assert [os.path.basename(f.file) for f in inner.findings] == ["c.py"]


def test_what_is_not_the_projects_own_is_not_entered(tmp_path: Path):
    own = ["env/robot.py", "pkg/build/__init__.py", "pkg/build/a.py"]
    others = [
        "my_env/lib/a.py", "build/lib/a.py", "a/site-packages/b.py", ".git/hooks/x.py",
        ".venv/src/a.py", "venv/share/a.py", "win/Lib/site-packages/a.py", "win/share/a.py",
        "web/node_modules/n/a.py", ".tox/py/a.py", "dist/a.py", "usr/lib/dist-packages/a.py",
    ]  # fmt: skip
    marks = {"my_env/pyvenv.cfg": "", "venv/bin/activate": ""}
    files = dict.fromkeys([*own, *others], MOVED) | marks
    found = shown(check(tmp_path, files), tmp_path)
    assert [name for name, _, _ in found] == sorted(own)


# -- nothing stops the rest ----------------------------------------------------------------------


def test_broken_files_links_and_folders_do_not_stop_the_rest(tmp_path: Path):
    (tmp_path / "loop.py").symlink_to("loop.py")
    (tmp_path / "dangling.py").symlink_to("nowhere.py")
    (tmp_path / "circle").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "shut").mkdir(mode=0)
    os.mkfifo(tmp_path / "pipe.py")
    files = {"a_broken.py": "import torch\nx = (", "z.py": MOVED}
    report = check(tmp_path, files)
    assert shown(report, tmp_path) == [("z.py", "C001", True)]
    unread = {os.path.basename(u.file) for u in report.unread}
    assert {"a_broken.py", "loop.py"} <= unread
    assert ("shut" in unread) != os.access(tmp_path / "shut", os.R_OK)
    (tmp_path / "shut").chmod(0o700)


def test_a_name_that_is_no_text_is_shown(tmp_path: Path):
    try:
        (tmp_path / os.fsdecode(b"a\xff.py")).write_text(MOVED)
    except OSError:
        pytest.skip("this system has no such names")
    (found,) = check(tmp_path, {}).findings
    assert found.file.endswith("a\\xff.py")


def test_a_file_that_is_named_must_be_python(tmp_path: Path):
    targets = [target_named("trn2")]
    (tmp_path / "notes.md").write_text("torch")
    with pytest.raises(UsageError, match="unknown kind"):
        check_project(tmp_path / "notes.md", targets)
    (tmp_path / "script").write_text("#!/usr/bin/env python\n" + MOVED)
    assert len(check_project(tmp_path / "script", targets).findings) == 1
    (tmp_path / "a.py").write_text("no (Python")
    report = check_project(tmp_path / "a.py", targets)
    assert (len(report.unread), report.targets[0].verdict) == (1, "unknown")


@pytest.mark.parametrize("name", ["gone", "gone.py", "loop"])
def test_no_such_path(name: str, tmp_path: Path):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UsageError, match="no such file or folder"):
        check_project(tmp_path / name, [target_named("trn2")])


def test_a_model_is_its_file_and_what_it_imports(tmp_path: Path):
    files = {"m.py": "import near\n\n\ndef build(): ...\n", "near.py": MOVED, "far.py": MOVED}
    check(tmp_path, files)
    report = check_project(tmp_path / "m.py:build", [target_named("trn2")])
    assert [os.path.basename(f.file) for f in report.findings] == ["near.py"]
    with pytest.raises(UsageError):
        check_project(tmp_path / "gone.py:build", [target_named("trn2")])


def test_several_processes_find_the_same_in_the_same_order(tmp_path: Path, monkeypatch):
    codes = [MOVED, CHOSEN, "import torch\nx = (", CLEAN, KERNEL]
    files = {f"f{i:03}.py": codes[i % len(codes)] for i in range(60)}
    alone = check(tmp_path, files)
    monkeypatch.setattr(reading, "_FEW", 1)
    monkeypatch.setattr(reading, "num_processors", lambda: 2)
    shared = check(tmp_path, files)
    assert replace(shared, wall_s=0.0) == replace(alone, wall_s=0.0)


def test_a_killed_worker_does_not_stop_the_rest(tmp_path: Path, monkeypatch):
    parent = os.getpid()
    whole = reading._scan_chunk

    def killed(files):
        if os.getpid() != parent:
            os._exit(9)
        return whole(files)

    killed.__module__, killed.__qualname__ = whole.__module__, whole.__qualname__  # for pickle
    monkeypatch.setattr(reading, "_scan_chunk", killed)
    monkeypatch.setattr(reading, "_FEW", 1)
    monkeypatch.setattr(reading, "num_processors", lambda: 2)
    report = check(tmp_path, {f"f{i}.py": MOVED for i in range(30)})
    assert len(report.findings) == 30


def test_sources_of_cuda_are_files_that_count_and_other_cpp_is_not(tmp_path: Path):
    files = {f"m{i}.py": MODEL for i in range(2)} | {"k.cu": "__global__ void f() {}\n"}
    plain = {f"h{i}.h": "int f();\n" for i in range(20)}
    found = check(tmp_path, files | plain).targets[0]
    assert (found.verdict, "1 of 3 files" in found.reason) == ("needs redesign", True), found.reason


def test_what_is_excluded_is_said(tmp_path: Path):
    report = check(tmp_path, {"glia.toml": '[check]\nexclude = ["*.py"]\n', "a.py": MOVED})
    assert report.num_files == 0
    assert [note for note in report.notes if "exclude leaves out" in note and "a.py" in note]


@pytest.mark.parametrize(
    "code",
    [
        "x = torch.zeros(\n    2\n).cuda()  # glia: ignore[C001] shown to CUDA only\n",
        "x = f().cuda()  # noqa  # glia: ignore[C001] shown to CUDA only\n",
    ],
)
def test_a_comment_accepts_where_people_write_it(code: str, tmp_path: Path):
    (finding,) = check(tmp_path, {"a.py": f"import torch\n{code}"}).findings
    assert (finding.rule, finding.accepted) == ("C001", "shown to CUDA only")


def test_a_verdict_says_which_places_it_rests_on(tmp_path: Path):
    code = "import torch\ndevice = 'cuda'\nx = x.cuda()\ny = y.cuda()\ntorch.cuda.manual_seed(1)\n"
    report = check(tmp_path, {"a.py": code}, "cpu")
    assert report.targets[0].reason == (
        "where they are reached, 3 places stop the program and 1 place goes unnoticed "
        "(C001 2, C003 1, C028 1); each has a known remedy of minutes or hours; an option may "
        "replace a default device (C003)"
    )


def test_a_branch_for_cuda_is_no_fault_on_the_cpu(tmp_path: Path):
    code = (
        "import torch\ndef f(x):\n    if x.is_cuda:\n        return g(x)\n    return h(x.relu())\n"
    )
    report = check(tmp_path, {"a.py": code}, "cpu,trn2")
    assert [t.verdict for t in report.targets] == ["runs", "runs after fixes"]


# -- several roots -------------------------------------------------------------------------------


def test_several_roots_are_one_project_and_count_a_file_once(tmp_path: Path):
    files = {
        "glia.toml": '[check]\naccept = [{ rule = "C001", path = "b/*", reason = "r" }]\n',
        "a/x.py": MOVED,
        "b/y.py": MOVED,
        "b/z.yaml": "device: cuda\n",
    }
    whole = check(tmp_path, files)
    roots = [tmp_path / "b", tmp_path / "a", tmp_path / "b" / "y.py", tmp_path / "a" / ".." / "b"]
    report = check_projects(roots, [target_named("trn2")])
    assert sorted(shown(report, tmp_path)) == sorted(shown(whole, tmp_path))
    assert (report.num_files, report.num_other, report.num_parsed) == (2, 1, 2)
    assert report.targets[0].counts == whole.targets[0].counts
    assert report.notes == ()  # the entry has its use in one of the roots
    assert report.roots == tuple(map(str, roots))


def test_what_a_part_does_not_need_stays_in_the_settings(tmp_path: Path):
    files = {
        "glia.toml": '[check]\naccept = [{ rule = "C001", path = "b/*", reason = "r" }]\n',
        "a/x.py": MOVED,
    }
    assert any("accepts nothing" in note for note in check(tmp_path, files).notes)
    assert check_project(tmp_path / "a", [target_named("trn2")]).notes == ()


def test_one_root_that_is_not_there_stops_all(tmp_path: Path):
    (tmp_path / "a.py").write_text(MOVED)
    with pytest.raises(UsageError, match="gone"):
        check_projects([tmp_path / "a.py", tmp_path / "gone"], [target_named("trn2")])
