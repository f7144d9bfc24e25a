"""`--ranks N`: a kernel on several ranks at once from the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from glia.cli.app import app
from glia.core.errors import GliaError, UsageError
from glia.core.progress import NullProgress
from glia.nki.tools.launch import prepare
from glia.nki.tools.profile import profile_kernel
from glia.nki.tools.run import run_kernel

KERNEL = """
import nki
import nki.collectives as ncc
import nki.isa as nisa
import nki.language as nl


@nki.jit
def summed(x, group):
    mine = nl.ndarray(x.shape, x.dtype, buffer=nl.private_hbm)
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(mine, x)
    ncc.all_reduce([mine], [out], group, nl.add)
    return out


@nki.jit
def plain(x):
    nisa.dma_copy(x, nl.load(x))


def plain_args(rank):
    import numpy as np

    return {"x": np.full((2, 2), rank, np.float32)}
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "ranks.py"
    path.write_text(KERNEL)
    return path


def ran(file, *words, ranks=4, kernel="summed"):
    return run_kernel(prepare(f"{file}:{kernel}", words, num_ranks=ranks), NullProgress())


def test_each_rank_draws_its_own_data(file):
    launch = prepare(f"{file}:summed", ["x=8x16:f32", "group=ranks"], num_ranks=4)
    given = [one.arrays()["x"] for one in (launch.arguments, *launch.others)]
    assert len({a.tobytes() for a in given}) == 4
    record, outputs = ran(file, "x=8x16:f32", "group=ranks")
    assert list(outputs) == [f"rank{r}.out0" for r in range(4)]
    for found in outputs.values():
        np.testing.assert_allclose(
            found, sum(a.astype(np.float64) for a in given), rtol=1e-5, atol=1e-6
        )
    assert "4 ranks" in record.arguments and record.num_instructions == 8
    assert 0 < record.time.low <= record.time.likely <= record.time.high


def test_files_by_rank_and_groups_of_two(file, tmp_path):
    for rank in range(4):
        np.save(tmp_path / f"x{rank}.npy", np.full((4, 4), 10.0**rank, np.float32))
    _, outputs = ran(file, f"x=@{tmp_path}/x{{rank}}.npy", "group=ranks[[0,3],[1,2]]")
    assert [found[0, 0] for found in outputs.values()] == [1001, 110, 110, 1001]


def test_an_example_that_takes_the_rank(file):
    _, outputs = ran(file, kernel="plain", ranks=3)
    assert [found[0, 0] for found in outputs.values()] == [0, 1, 2]


def test_the_profile_has_the_time_of_the_links(file):
    def time(ranks):
        launch = prepare(f"{file}:summed", ["x=128x4096:f32", "group=ranks"], num_ranks=ranks)
        return profile_kernel(launch, NullProgress())[0]

    assert time(4).time.likely > time(1).time.likely
    assert "4 ranks" in time(4).arguments


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"num_ranks": 100_000}, r"at most 512 on trn2-ultraserver, the largest machine with trn2"),
        ({"num_ranks": 129, "instance": "trn2.48xlarge"}, r"at most 128 on trn2.48xlarge: 16"),
        ({"num_ranks": 5, "num_cores": 2, "instance": "trn2.3xlarge"}, r"at most 4 .*2 to a rank"),
        ({"instance": "trn2.48xlarge", "chip": "trn1"}, r"which has trn2, with --chip trn1"),
        ({"instance": "p5.48xlarge"}, r"chip h100 glia does not execute, expected one of inf2"),
        ({"instance": "trn2.49xlarge"}, r"trn2.48xlarge"),
        ({"num_ranks": 3, "chip": "inf2", "instance": "inf2.xlarge"}, r"at most 2 on inf2.xlarge"),
    ],
)  # fmt: skip
def test_machines_without_room(file, options, text):
    with pytest.raises(UsageError, match=text):
        prepare(f"{file}:summed", ["x=4x4:f32", "group=ranks"], **options)


def test_a_machine_gives_the_chip(file):
    launch = prepare(
        f"{file}:summed", ["x=4x4:f32", "group=ranks"], num_ranks=2, instance="inf2.48xlarge"
    )
    assert launch.target.chip == "inf2"


def test_one_rank_is_told_of_the_option(file):
    with pytest.raises(GliaError, match="give --ranks 4, and --arg group=ranks"):
        ran(file, "x=4x4:f32", "group=ranks[[0,1]]", ranks=1)


@pytest.mark.parametrize("lists", ["[[0,1],[1]]", "[0]", "[[0,", "[[-1]]"])
def test_groups_that_are_none(file, lists):
    with pytest.raises(UsageError, match="expected lists of ranks"):
        ran(file, "x=4x4:f32", f"group=ranks{lists}")


def test_the_command(file):
    words = ["nki", "run", f"{file}:summed", "-a", "x=4x4:f32", "-a", "group=ranks", "--ranks", "2"]
    found = CliRunner().invoke(app, [*words, "--json"])
    assert found.exit_code == 0
    assert [o["name"] for o in json.loads(found.stdout)["outputs"]] == ["rank0.out0", "rank1.out0"]
    refused = CliRunner().invoke(app, ["nki", "run", str(file), "--ranks", "2"])
    assert refused.exit_code != 0
