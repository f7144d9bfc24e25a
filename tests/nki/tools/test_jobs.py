"""Runs, profiles, comparisons and checks of kernels in a file."""

from __future__ import annotations

import bdb
import dataclasses
import json
import sys
import time
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from glia.core.errors import FormatError, KernelError, ModelError, UsageError
from glia.core.kernel_records import KernelProfile
from glia.core.progress import NullProgress
from glia.nki.tools.agreement import agree
from glia.nki.tools.check import check, generations
from glia.nki.tools.compare import How, compare, deltas, verdict
from glia.nki.tools.deadline import DeadlineError, deadline
from glia.nki.tools.launch import prepare
from glia.nki.tools.profile import profile_kernel
from glia.nki.tools.run import run_kernel, save_outputs, summary
from glia.nki.tools.saved import read_profile
from glia.nki.tools.script import run_script
from glia.report.files import write_json

KERNELS = Path(__file__).parent / "kernels.py"
SILENT = NullProgress()


def launch(kernel, *words, **options):
    return prepare(f"{KERNELS}:{kernel}", words, **options)


def run(kernel, *words, **options):
    return run_kernel(launch(kernel, *words, **options), SILENT)


def profile(kernel, *words, **options) -> KernelProfile:
    return profile_kernel(launch(kernel, *words, **options), SILENT)[0]


def test_a_run_gives_the_values_of_the_files_example():
    record, outputs = run("double")
    expected = 2 * np.arange(128 * 8, dtype=np.float32).reshape(128, 8)
    assert np.array_equal(outputs["out0"], expected)
    (one,) = record.outputs
    assert (one.shape, one.dtype, one.maximum) == ((128, 8), "float32", 2046.0)
    assert one.first == tuple(expected.reshape(-1)[:6])
    assert record.chip == "trn2" and record.time.low <= record.time.likely <= record.time.high
    assert record.energy.likely > 0 and record.num_instructions == 3


def test_numbers_given_by_name_reach_the_kernel():
    _, outputs = run("double", "factor=0.5")
    assert outputs["out0"].max() == 1023 * 0.5


@pytest.mark.parametrize(("chip", "known"), [("gen2", "trn1"), ("trn3", "trn3"), ("inf2", "inf2")])
def test_the_chip_may_be_named_or_its_generation(chip, known):
    assert run("double", chip=chip)[0].chip == known


def test_the_environment_of_the_public_tools_names_the_chip(monkeypatch):
    monkeypatch.setenv("NEURON_PLATFORM_TARGET_OVERRIDE", "trn1")
    assert launch("double").target.chip == "trn1"
    assert launch("double", chip="trn3").target.chip == "trn3"


def test_two_cores_share_the_work():
    record, outputs = run("halves", "x=128x16", num_cores=2)
    alone, same = run("halves", "x=128x16")
    assert np.array_equal(outputs["out0"], same["out0"])
    assert record.num_instructions == 2 * alone.num_instructions


def test_what_a_kernel_writes_in_place_is_an_output():
    _, outputs = run("in_place", "x=4x4", seed=5)
    before = launch("in_place", "x=4x4", seed=5).arguments.arrays()["x"]
    assert list(outputs) == ["x"]
    assert np.array_equal(outputs["x"], np.float32(3) * before)


def test_a_kernel_that_asks_for_data_is_profiled_with_data():
    found = profile("counted", "x=128x8", "n=1x1:int32")
    assert any("asks for data at kernels.py:" in note for note in found.notes)
    trips = int(launch("counted", "x=128x8", "n=1x1:int32").arguments.arrays()["n"][0, 0])
    assert trips > 1
    assert any(f"kernels.py:76 ran {trips} times" in note for note in found.notes)


def test_two_cores_that_meet_are_profiled_together():
    found = profile("swapped", "x=128x512", num_cores=2)
    assert found.num_cores == 2
    assert any("lines are those of core" in note for note in found.notes)
    assert "cores or ranks meet" in found.untried and found.advice == ()
    assert not any("advice" in note for note in found.notes)
    whole = 128 * 512 * 4
    assert (found.dma.hbm_read_bytes, found.dma.hbm_write_bytes) == (2 * whole, 2 * whole)
    assert sum(use.critical_s for use in found.lines) == pytest.approx(found.as_written.likely)
    # Everything went through HBM once: written by one core, read by the other.
    _, outputs = run("swapped", "x=128x512", num_cores=2)
    given = launch("swapped", "x=128x512").arguments.arrays()["x"]
    assert np.array_equal(outputs["out0"], 4 * given)


def test_outputs_are_saved_whole(tmp_path):
    _, outputs = run("double", "x=128x8:bf16")
    path = save_outputs(tmp_path / "out.npz", outputs)
    saved = np.load(path)["out0"]
    assert saved.dtype == np.float32 and np.array_equal(saved, outputs["out0"].astype(np.float32))


def test_summaries_leave_out_what_is_not_finite():
    found = summary("y", np.array([1.0, np.nan, 3.0, np.inf], np.float32))
    assert (found.minimum, found.maximum, found.mean, found.num_not_finite) == (1, 3, 2, 2)
    empty = summary("y", np.array([np.nan], np.float32))
    assert empty.minimum is None and empty.num_not_finite == 1


@pytest.mark.parametrize("cores", [0, 3, -1])
def test_numbers_of_cores_that_no_chip_has(cores):
    with pytest.raises(UsageError, match=f"--lnc: got {cores}, expected 1 or 2 on trn2"):
        launch("double", num_cores=cores)


def test_a_chip_without_logical_cores():
    with pytest.raises(UsageError, match="--lnc: got 2, expected 1 on trn1"):
        launch("double", chip="trn1", num_cores=2)


def test_what_the_chip_refuses_names_the_kernels_line():
    with pytest.raises(KernelError, match=r"kernels.py:\d+: .*256"):
        run("too_tall", "x=4x4")


def test_a_loop_that_issues_nothing_is_stopped_at_its_line():
    with pytest.raises(KernelError, match=r"kernels.py:\d+: .*no end within 0.2 s.*--time-limit"):
        run("endless", "x=4x4", time_limit_s=0.2)


@pytest.mark.parametrize("job", [run, profile])
def test_a_kernel_of_several_ranks_says_how_it_is_started(job):
    with pytest.raises(KernelError, match=r"kernels.py:\d+: .*give --ranks 4"):
        job("summed", "x=128x8", "group=((0,1,2,3),)")


def test_the_script_that_the_message_asks_for_works(tmp_path, capsys):
    text = KERNELS.read_text() + (
        "\nx = np.ones((128, 8), np.float32)\n"
        "out = nki.simulate_ranks(summed, 4)([(x,), (x,), (x,), (x,)], "
        "group=nki.collectives.ReplicaGroup([[0, 1, 2, 3]]))\nprint(out[3].max())\n"
    )
    assert script(tmp_path, text) == 0
    assert capsys.readouterr().out == "4.0\n"


def test_a_kernel_cannot_exit():
    with pytest.raises(KernelError, match=r"kernels.py:\d+: .*a kernel cannot exit"):
        run("leaving", "x=4x4")


def test_a_kernel_that_does_nothing_takes_no_time():
    record, outputs = run("idle", "x=4x4")
    assert outputs == {} and record.time.high == 0 and record.num_instructions == 0
    found = profile("idle", "x=4x4")
    assert found.lines == () and found.advice == () and found.mfu.high == 0


def test_unsupported_dtypes_are_refused_with_the_list():
    with pytest.raises(UsageError, match=r"float64.*float32"):
        run("double", "x=4x4:float64")


# -- comparing -----------------------------------------------------------------------------------


def both(first, second, *words):
    return compare(f"{KERNELS}:{first}", f"{KERNELS}:{second}", How(words), SILENT)


def test_two_kernels_that_compute_the_same_agree_bit_for_bit():
    found = both("double", "halves", "x=128x16")
    assert found.same_arguments and [a.identical for a in found.agreement] == [True]
    times = {d.name: d for d in found.deltas}
    assert times["time"].ratio == pytest.approx(1.0)
    assert "take the same time" in found.verdict


def test_kernels_with_other_parameters_need_saved_profiles():
    with pytest.raises(UsageError, match=r"parameter of halves: got 'factor'.*save a profile"):
        both("double", "halves", "x=128x16", "factor=3.0")


def test_kernels_that_differ_say_by_how_much():
    found = both("double", "in_place", "x=128x16")
    (one,) = found.agreement
    assert not one.identical and one.relative == pytest.approx(0.5)
    assert found.apart == ("out0",)


def test_how_far_values_may_differ_follows_from_the_formats():
    x = np.random.default_rng(0).standard_normal((128, 64)).astype(np.float32)
    f8, bf16 = ml_dtypes.float8_e4m3fn, ml_dtypes.bfloat16

    def apart(a, b, *formats, tolerance=None):
        found = agree({"out0": a}, {"out0": b}, [np.dtype(f) for f in formats], tolerance)
        return [not one.within for one in found]

    assert apart(x, x * (1 + 1e-6)) == [False] and apart(x, x * 1.001) == [True]
    rounded = x.astype(bf16).astype(np.float32)
    assert apart(x, rounded) == [True] and apart(x, rounded, bf16) == [False]
    assert apart(x.astype(bf16), (x * 1.001).astype(bf16)) == [False]
    assert apart(x.astype(f8), (x * 1.02).astype(f8)) == [False]
    assert apart(x.astype(f8), (x * 1.5).astype(f8)) == [True]
    one_wrong = x.copy()
    one_wrong[3, 5] += 100 * 1e-4
    assert apart(x, one_wrong) == [True]
    assert apart(x, x * 1.5, tolerance=1.0) == [False]
    numbers = np.arange(8, dtype=np.int32)
    assert apart(numbers, numbers.copy()) == [False] and apart(numbers, numbers + 1) == [True]
    assert apart(numbers, numbers + 1, bf16) == [True]
    assert apart(x, np.where(x > 2, np.nan, x)) == [True] and apart(x, x[:64]) == [True]
    two = agree({"out0": x}, {"out0": x, "out1": x})
    assert [one.within for one in two] == [True, False]


def test_a_saved_profile_comes_back_as_it_was(tmp_path):
    saved = profile("double")
    path = write_json(tmp_path / "profile.json", saved)
    assert read_profile(path) == saved


def test_a_saved_profile_beside_a_kernel_has_no_values(tmp_path):
    path = write_json(tmp_path / "profile.json", profile("double"))
    found = compare(str(path), f"{KERNELS}:double", How(), SILENT)
    assert found.agreement == () and any("saved profile" in note for note in found.notes)


@pytest.mark.parametrize(
    "options",
    [{}, {"chip": "trn3"}, {"num_cores": 2}, {"words": ("x=128x64:bf16",)}],
    ids=["nothing", "chip", "cores", "arguments"],
)
def test_beside_a_saved_profile_a_kernel_is_launched_as_that_one_was(tmp_path, options):
    words = options.get("words", ("x=128x32:f32",))
    rest = {key: value for key, value in options.items() if key != "words"}
    path = write_json(tmp_path / "profile.json", profile("halves", *words, **rest))
    for sides in ((str(path), f"{KERNELS}:halves"), (f"{KERNELS}:halves", str(path))):
        found = compare(*sides, How(), SILENT)
        assert found.differences == () and found.same_arguments and found.is_judged
        assert "take the same time" in found.verdict


def test_what_is_given_wins_over_the_saved_profile(tmp_path):
    path = write_json(tmp_path / "profile.json", profile("double", "factor=4.0"))
    same = compare(str(path), f"{KERNELS}:double", How(), SILENT)
    assert same.same_arguments
    tuned = compare(str(path), f"{KERNELS}:double", How(("factor=3.0",)), SILENT)
    assert tuned.same_work and not tuned.same_arguments  # what is tuned is no other problem
    assert "factor=4.0" in tuned.differences[0] and "factor=3.0" in tuned.differences[0]
    smaller = compare(str(path), f"{KERNELS}:double", How(("x=128x4:f32",)), SILENT)
    assert not smaller.same_work and not smaller.is_judged
    assert smaller.verdict.startswith("no verdict on speed")


def test_other_chips_are_told_in_the_verdict(tmp_path):
    path = write_json(tmp_path / "profile.json", profile("double", chip="trn1"))
    found = compare(str(path), f"{KERNELS}:double", How(chip="trn2"), SILENT)
    assert found.differences == ("different chips: trn1 and trn2",)
    assert found.is_judged and "on trn1" in found.verdict and "on trn2" in found.verdict


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d | {"format": 99}, "got format 99, expected 2"),
        (lambda d: d | {"num_cores": "many"}, "got a bad num_cores"),
        (lambda d: {k: v for k, v in d.items() if k != "time"}, "got a bad time"),
    ],
)
def test_a_damaged_profile_is_refused(tmp_path, change, message):
    path = write_json(tmp_path / "profile.json", profile("double"))
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(FormatError, match=message):
        read_profile(path)


def test_a_profile_that_is_no_json_or_not_there(tmp_path):
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(UsageError, match="got no JSON"):
        read_profile(tmp_path / "x.json")
    for text in ("[]", "{}", "3"):
        (tmp_path / "x.json").write_text(text)
        with pytest.raises(UsageError, match="got JSON without a format, expected"):
            read_profile(tmp_path / "x.json")
    with pytest.raises(UsageError, match="No such file"):
        read_profile(tmp_path / "y.json")


def test_the_verdict_says_when_the_intervals_are_apart():
    one = profile("double")
    slow = dataclasses.replace(one, time=one.time.scaled(10.0))
    assert "a is 10.00 times as fast as b" in verdict("a", "b", one, slow)
    assert "whatever a scheduler does" in verdict("b", "a", slow, one)
    close = dataclasses.replace(one, time=one.time.scaled(1.01))
    assert "intervals overlap" in verdict("a", "b", one, close)


def test_deltas_are_second_over_first():
    one = profile("double")
    other = dataclasses.replace(one, energy=one.energy.scaled(3.0))
    by_name = {d.name: d for d in deltas(one, other)}
    assert by_name["energy"].ratio == pytest.approx(3.0)
    assert by_name["loaded again"].ratio is None


def test_agreement_of_shapes_nan_and_infinity():
    nan = np.array([1.0, np.nan, np.inf])
    (found,) = agree({"y": nan}, {"y": nan + 0.0 * np.float64(1)})
    assert found.relative == 0 and found.within
    (worse,) = agree({"y": nan}, {"y": np.array([1.0, 2.0, np.inf])})
    assert worse.worst_absolute == float("inf")
    (shapes,) = agree({"y": nan}, {"y": nan[:2]})
    assert not shapes.same_shape
    (alone,) = agree({"y": nan}, {})
    assert alone.name == "y (of one alone)" and not alone.within


# -- checking ------------------------------------------------------------------------------------


def checked(kernel, *words):
    (found,) = check(f"{KERNELS}:{kernel}", words, 1, SILENT).kernels
    return found


def test_every_generation_is_traced_for():
    assert [name for name, _ in generations()] == ["gen2", "gen3", "gen4"]
    found = checked("double")
    assert found.ok and [g.chip for g in found.generations] == ["trn1", "trn2", "trn3"]


def test_an_instruction_that_only_the_newest_chip_has():
    found = checked("new_chips_only", "x=128x64")
    assert [g.ok for g in found.generations] == [False, False, True]
    assert "kernels.py:" in found.generations[0].problem and not found.ok


def test_without_shapes_only_the_source_is_checked():
    found = checked("too_tall")
    assert found.ok and found.generations == () and "no shapes are known" in found.note
    assert not found.is_checked and checked("double").is_checked
    assert not checked("too_tall", "x=4x4").ok


def test_a_file_that_cannot_be_imported_is_still_read(tmp_path):
    path = tmp_path / "k.py"
    path.write_text("import nki\nimport nosuch\n\n\n@nki.jit\ndef k(x):\n    return x is k\n")
    (found,) = check(str(path), [], 1, SILENT).kernels
    assert [f.rule for f in found.findings] == ["identity"]
    assert not found.ok and "No module named 'nosuch'" in found.problem


def test_a_kernel_that_returns_nothing_of_what_it_stores_is_warned_about():
    (note,) = run("forgetful", "x=4x4")[0].notes
    assert "kernels.py:15: got scaled[4, 4] in HBM" in note and "return it" in note
    assert profile("forgetful", "x=4x4").notes == (note,)
    (finding,) = checked("forgetful", "x=4x4").findings
    assert (finding.rule, finding.severity, finding.line) == ("missing-return", "warning", 15)
    assert finding.code.startswith("nisa.dma_copy(dst=out")


@pytest.mark.parametrize("kernel", ["double", "in_place", "swapped"])
def test_what_is_returned_or_read_again_is_no_missing_return(kernel):
    cores = 2 if kernel == "swapped" else 1
    assert run(kernel, "x=128x512", num_cores=cores)[0].notes == ()


def test_a_kernel_that_never_ends_is_no_refusal_and_is_waited_for_once():
    before = time.monotonic()
    (found,) = check(f"{KERNELS}:endless", ["x=4x4"], 1, SILENT, 0.5).kernels
    assert time.monotonic() - before < 1.4
    assert found.generations == () and not found.ok and not found.is_checked
    assert "kernels.py:" in found.problem and "no end within 0.5 s" in found.problem


def test_the_line_of_a_loop_is_never_one_of_code_without_a_file():
    scope: dict[str, object] = {}
    exec(compile("def spin():\n    while True:\n        pass\n", "<string>", "exec"), scope)

    def kernel() -> None:
        scope["spin"]()  # type: ignore[operator]

    with pytest.raises(DeadlineError, match=r"^test_jobs.py:\d+: .*no end"), deadline(0.05):
        kernel()


class Prompting(bdb.Bdb):
    """A debugger whose user thinks for a while at each prompt."""

    def user_line(self, frame):
        time.sleep(0.3)
        self.set_continue()


def test_time_at_a_debuggers_prompt_does_not_count():
    prompt = Prompting()
    before = sys.gettrace()
    try:
        with deadline(0.2):
            prompt.set_trace()
            assert True  # the prompt is here
    finally:
        sys.settrace(before)
    with pytest.raises(DeadlineError), deadline(0.2):
        time.sleep(0.5)


def test_a_misspelt_kernel_and_a_file_without_kernels(tmp_path):
    with pytest.raises(UsageError, match="did you mean 'double'"):
        check(f"{KERNELS}:dubble", [], 1, SILENT)
    (tmp_path / "k.py").write_text("x = 1\n")
    with pytest.raises(UsageError, match="a file without kernels"):
        check(str(tmp_path / "k.py"), [], 1, SILENT)


# -- scripts -------------------------------------------------------------------------------------


def script(tmp_path, text, *words, chip=""):
    path = tmp_path / "script.py"
    path.write_text(text)
    return run_script(path, words, chip)


def test_a_script_runs_as_main_with_its_arguments_and_neighbours(tmp_path, capsys):
    (tmp_path / "beside.py").write_text("VALUE = 7\n")
    text = "import sys\nimport nki\nfrom beside import VALUE\nprint(__name__, sys.argv[1:], VALUE)"
    assert script(tmp_path, text, "--n", "3") == 0
    assert capsys.readouterr().out == "__main__ ['--n', '3'] 7\n"


def test_a_script_runs_kernels_on_the_chosen_chip(tmp_path, capsys):
    text = KERNELS.read_text() + (
        "\nprint(nki.simulate(double)(np.ones((4, 4), np.float32)).sum())\n"
        "import os\nprint(os.environ['NEURON_PLATFORM_TARGET_OVERRIDE'])\n"
    )
    assert script(tmp_path, text, chip="trn1") == 0
    assert capsys.readouterr().out == "32.0\ntrn1\n"


def test_exit_codes_of_scripts_are_handed_on(tmp_path, capsys):
    assert script(tmp_path, "raise SystemExit(5)") == 5
    assert script(tmp_path, "raise SystemExit") == 0
    assert script(tmp_path, "raise SystemExit('no luck')") == 1
    assert "no luck" in capsys.readouterr().err


def test_an_exception_of_a_script_is_one_line_with_its_place(tmp_path):
    with pytest.raises(ModelError, match=r"ValueError: bad, at .*script.py:2"):
        script(tmp_path, "def f():\n    raise ValueError('bad')\nf()")
    with pytest.raises(ModelError, match=r"No module named 'nosuch'.*install the package"):
        script(tmp_path, "import nosuch")


def test_the_frames_of_a_script_that_fails_are_shown_and_glias_are_not(tmp_path, capsys):
    text = KERNELS.read_text() + (
        "\ndef caller():\n    return nki.simulate(too_tall)(np.ones((4, 4), np.float32))\n"
        "\ncaller()\n"
    )
    with pytest.raises(KernelError, match=r"script.py:\d+: .*256"):
        script(tmp_path, text)
    shown = capsys.readouterr().err
    assert shown.startswith("Traceback (most recent call last):\n")
    code = [line.strip() for line in shown.splitlines() if line.strip(" ^~")]
    code = [line for line in code if not line.startswith("File ")]
    assert code[1] == "caller()" and code[2].startswith("return nki.simulate(too_tall)")
    assert code[3].startswith("tile = nl.ndarray((256, 4)") and len(code) == 4
    assert "/glia/" not in shown and "runpy" not in shown


def test_a_script_that_does_not_parse_has_no_frames(tmp_path, capsys):
    with pytest.raises(ModelError, match=r"SyntaxError"):
        script(tmp_path, "def f(:\n")
    assert capsys.readouterr().err == ""
