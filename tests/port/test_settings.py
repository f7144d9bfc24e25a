"""What a user accepts, in comments and in the settings; mistakes are refused or reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from glia.core.errors import UsageError
from glia.port.settings import settings_for
from glia.port.suppress import suppressions


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("x.cuda()  # glia: ignore[C001] only on CUDA", {(1, "C001"): "only on CUDA"}),
        ("x.cuda()  #glia:ignore[c001,C015] why", {(1, "C001"): "why", (1, "C015"): "why"}),
        ("f()\n  # glia: ignore[C001] why\nx.cuda()", {(3, "C001"): "why"}),
        ("x = '# glia: ignore[C001] why'", {}),
        ("x.cuda()  # glia ignores C001", {}),
    ],
)
def test_comments(code: str, expected: dict[tuple[int, str], str]):
    found = suppressions(code)
    assert (found.reasons, found.problems) == (expected, [])


@pytest.mark.parametrize(
    ("comment", "problem"),
    [
        ("# glia: ignore", "line 1: glia: ignore names no rule"),
        ("# glia: ignore because", "names no rule"),
        ("# glia: ignore[] why", "names no rule"),
        ("# glia: ignore[C001]", "gives no reason"),
        ("# glia: ignore[C001, D7] why", "names D7, which is no rule"),
    ],
)
def test_a_comment_that_lacks_something_accepts_nothing(comment: str, problem: str):
    found = suppressions(f"x.cuda()  {comment}\n")
    assert not found.reasons
    assert len(found.problems) == 1
    assert problem in found.problems[0]


ACCEPT = '{ rule = "C001", path = "old/*", reason = "goes away" }'


@pytest.mark.parametrize(
    ("file", "head"), [("glia.toml", "[check]"), ("pyproject.toml", "[tool.glia.check]")]
)
def test_settings_hold_below_their_file(file: str, head: str, tmp_path: Path):
    (tmp_path / file).write_text(f'{head}\nexclude = ["a/*"]\naccept = [{ACCEPT}]\n')
    inner = tmp_path / "deep" / "er"
    inner.mkdir(parents=True)
    settings = settings_for(inner)
    assert settings.exclude == ("a/*",)
    assert settings.reason("C001", str(tmp_path / "old" / "x.py")) == "goes away"
    assert settings.reason("C001", str(tmp_path / "new.py")) is None
    assert settings.reason("C002", str(tmp_path / "old" / "x.py")) is None


def test_settings_of_another_repository_do_not_hold(tmp_path: Path):
    (tmp_path / "glia.toml").write_text('[check]\nexclude = ["*"]\n')
    (tmp_path / "other" / ".git").mkdir(parents=True)
    assert settings_for(tmp_path / "other").exclude == ()


def test_other_tools_settings_are_not_read(tmp_path: Path):
    (tmp_path / "pyproject.toml").write_text("[tool.ruff]\nline-length = 100\n")
    assert settings_for(tmp_path).exclude == ()
    (tmp_path / "pyproject.toml").write_text("[tool.ruff\n")
    assert settings_for(tmp_path).exclude == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[check]\nexlude = ["a"]\n', "did you mean 'exclude'?"),
        ("[chekc]\n", "did you mean 'check'?"),
        ('[check]\nexclude = "a"\n', "expected patterns"),
        ('[check]\nexclude = [""]\n', "expected patterns"),
        ("check = 3\n", "expected a table"),
        ("[check\n", "expected TOML"),
        ("[check]\naccept = 1\n", "expected a list of tables"),
        ("[check]\naccept = [1]\n", "{ rule, path, reason }"),
        ('[check]\naccept = [{ rule = "C001", path = "*" }]\n', "expected a text for 'reason'"),
        ('[check]\naccept = [{ rule = "C001", path = "*", reason = " " }]\n', "'reason'"),
        ('[check]\naccept = [{ rule = "C9999", path = "*", reason = "r" }]\n', "got 'C9999'"),
        ('[check]\naccept = [{ rule = "C999", path = "*", reason = "r" }]\n', "did you mean C099"),
        ('[check]\naccept = [{ rul = "C001" }]\n', "did you mean 'rule'?"),
    ],
)
def test_wrong_settings_are_refused(text: str, message: str, tmp_path: Path):
    (tmp_path / "glia.toml").write_text(text)
    with pytest.raises(UsageError) as refused:
        settings_for(tmp_path)
    assert message in str(refused.value)
