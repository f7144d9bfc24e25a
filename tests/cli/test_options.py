"""How lists, chips, devices and places are read from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glia.cli.options import read_chips, read_list, read_precision, read_target, read_targets
from glia.cli.output import check_folder
from glia.cli.run import is_bundle, read_device
from glia.core.errors import UsageError

NAMES = st.lists(st.text("abc1-", min_size=1, max_size=4), min_size=1, max_size=5, unique=True)


@settings(max_examples=50, deadline=None)
@given(names=NAMES, spaces=st.sampled_from(["", " ", "  "]))
def test_a_list_comes_back_whatever_the_spaces(names, spaces):
    assert read_list("--to", f"{spaces},{spaces}".join(names)) == names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "--to: got '', expected names separated by commas; name one"),
        (" , ", "--to: got ' , ', expected names separated by commas; name one"),
        ("a,,b", "--to: got 'a,,b', expected names separated by commas; remove the empty name"),
        ("a,", "--to: got 'a,', expected names separated by commas; remove the empty name"),
        ("a, a", "--to: got a twice, expected each once; remove one"),
    ],
)
def test_a_list_is_never_silently_shortened(text, message):
    with pytest.raises(UsageError) as caught:
        read_list("--to", text)
    assert str(caught.value) == message


def test_chips_come_by_their_catalogue_names():
    assert read_chips("--to", "trainium2 , INF2") == ["trn2", "inf2"]


def test_an_alias_and_its_name_are_the_same_chip():
    with pytest.raises(UsageError, match="got trn2 twice"):
        read_chips("--to", "trn2,trainium2")


def test_a_target_must_be_executable():
    with pytest.raises(UsageError, match="expected some of inf2, trn1, trn2, trn3"):
        read_targets("--to", "trn2,h100")
    with pytest.raises(UsageError, match="got 2 chips, expected one"):
        read_target("--to", "trn2,inf2")


def test_precision_suggests_the_nearest():
    assert read_precision("fp32") == "fp32"
    with pytest.raises(UsageError, match="did you mean 'bf16'"):
        read_precision("bf61")


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("cpu", "cpu"),
        ("reference", "reference"),
        ("virtual:trn2", "virtual:trn2"),
        ("virtual:trainium2", "virtual:trn2"),
    ],
)
def test_device(text, device):
    assert read_device(text) == device


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("virtual:trn22", "virtual:trn2"),
        ("virtaul:inf2", "virtual:inf2"),
        ("virtual", "virtual:"),
        ("referense", "reference"),
        ("virtual:h100", "virtual:"),
    ],
)
def test_an_unknown_device_suggests_the_nearest(text, near):
    with pytest.raises(UsageError, match=f"did you mean '{near}"):
        read_device(text)


def test_a_place_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "below" / "it"):
        with pytest.raises(UsageError, match="is a file; choose a folder"):
            check_folder("--out", place)
    check_folder("--out", tmp_path / "new" / "deep")
    check_folder("--out", Path("new-and-relative"))


def test_a_model_folder_is_no_bundle(tmp_path):
    assert not is_bundle(str(tmp_path))
    (tmp_path / "config.json").touch()
    assert not is_bundle(str(tmp_path))
    (tmp_path / "kernels").mkdir()
    assert is_bundle(str(tmp_path))
    assert not is_bundle("model.py:function")
