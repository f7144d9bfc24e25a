"""SARIF 2.1.0 (OASIS), checked by the standard's own rules; numbers are its sections.

No schema is at hand: `problems` writes down what it and the prose demand of what glia writes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pytest

from glia.core.check_records import CheckReport, CodeFinding, Consequence, RuleSummary, Unread
from glia.port.project_check import check_projects
from glia.port.targets import target_named
from glia.report.sarif import sarif_log
from glia.report.sarif_places import Places, uri_of

RELATIVE = re.compile(r"(?:[A-Za-z0-9._~-]|%[0-9A-F]{2})+(?:/(?:[A-Za-z0-9._~-]|%[0-9A-F]{2})+)*")
MOVED = "import torch\nx.cuda()\n"


def problems(log: Mapping[str, Any], *secrets: str) -> list[str]:
    """What is wrong with a log; `secrets` are folders of the machine that it may not name."""
    found = []
    if log["version"] != "2.1.0" or not log["$schema"].endswith("sarif-2.1.0.json"):  # 3.13.2, 3
        found.append("version")
    found += [f"names {s}" for s in secrets if s in json.dumps(log, ensure_ascii=False)]
    for run in log["runs"]:
        found += _run(run)
    return found


def _run(run: Mapping[str, Any]) -> Iterator[str]:
    driver = run["tool"]["driver"]
    ids = [rule["id"] for rule in driver["rules"]]
    if not driver["name"] or len(set(ids)) != len(ids):  # 3.19.8, 3.49.3
        yield "driver"
    if run["columnKind"] not in ("utf16CodeUnits", "unicodeCodePoints"):  # 3.14.17
        yield "columnKind"
    bases = run["originalUriBaseIds"]
    for name, base in bases.items():  # 3.14.14: absolute, with a slash at the end, or not there
        uri = base.get("uri", "file:///x/")
        if not re.fullmatch(r"[a-z]+:.*/", uri) or ".." in uri:
            yield f"base {name}"
    for invocation in run["invocations"]:
        if not isinstance(invocation["executionSuccessful"], bool):  # 3.20.14
            yield "executionSuccessful"
        for notice in invocation["toolExecutionNotifications"]:
            yield from _said(notice, bases)
    prints = []
    for result in run["results"]:
        yield from _said(result, bases)
        if ids[result["ruleIndex"]] != result["ruleId"]:  # 3.27.6
            yield "ruleIndex"
        prints.append(json.dumps(result["partialFingerprints"]))  # 3.27.17
        for one in result.get("suppressions", ()):
            if one["kind"] not in ("inSource", "external"):  # 3.35.2
                yield "suppression"
    if len(set(prints)) != len(prints):
        yield "one fingerprint for two results"


def _said(said: Mapping[str, Any], bases: Mapping[str, Any]) -> Iterator[str]:
    if not said["message"]["text"]:  # 3.11.8
        yield "message"
    if said["level"] not in ("none", "note", "warning", "error"):  # 3.27.10
        yield "level"
    for location in said["locations"]:
        physical = location["physicalLocation"]
        artifact = physical["artifactLocation"]
        uri = artifact["uri"]
        if not RELATIVE.fullmatch(uri) or ".." in uri.split("/"):  # 3.10.1, 3.4.3: RFC 3986
            yield f"uri {uri}"
        if artifact["uriBaseId"] not in bases:  # 3.4.4
            yield f"uriBaseId of {uri}"
        region = physical.get("region", {})
        if any(number < 1 for number in region.values()):  # 3.30.5, 3.30.6
            yield f"region of {uri}"


def log_of(*roots: Path, folder: Path) -> dict[str, Any]:
    report = check_projects(roots, [target_named("trn2"), target_named("cpu")])
    return json.loads(json.dumps(sarif_log(report, "0.1.0", folder)))


def uris(log: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = (r["locations"][0]["physicalLocation"] for r in log["runs"][0]["results"])
    return [tuple(p["artifactLocation"][k] for k in ("uriBaseId", "uri")) for p in found]


NAMES = {
    "plain": ("a.py", "a.py"),
    "space": ("my code/a b.py", "my%20code/a%20b.py"),
    "unicode": ("größe/模型.py", "gr%C3%B6%C3%9Fe/%E6%A8%A1%E5%9E%8B.py"),
    "hash, question, percent": ("a#b?c%20.py", "a%23b%3Fc%2520.py"),
    "colon": ("c:a.py", "c%3Aa.py"),
    "backslash": ("a\\b.py", "a%5Cb.py"),
}


@pytest.mark.parametrize("case", NAMES)
def test_names_become_uris(case, tmp_path: Path):
    name, uri = NAMES[case]
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(MOVED)
    log = log_of(tmp_path, folder=tmp_path)
    assert problems(log, str(tmp_path)) == []
    assert uris(log) == [("%SRCROOT%", uri)]


def test_separators_of_windows():
    assert uri_of(PureWindowsPath(r"src\my code\a.py")) == "src/my%20code/a.py"
    assert uri_of(PurePosixPath("src/my code/a.py")) == "src/my%20code/a.py"


def test_every_kind_of_file_gives_a_valid_log(tmp_path: Path):
    files = {
        "a.py": MOVED * 2 + "y.cuda()  # glia: ignore[C001] here only\n",
        "a.ipynb": json.dumps({"cells": [{"cell_type": "code", "source": MOVED + "x.cuda()"}]}),
        "run.sh": "export NCCL_DEBUG=INFO\ntorchrun train.py --device cuda\n",
        "conf.yaml": "device: cuda\n",
        "Dockerfile": "FROM nvidia/cuda:12.4.0-devel-ubuntu22.04\n",
        "old.py": 'import torch\nprint "cuda"\n',
        "kernel.cu": "__global__ void f() {}\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    log = log_of(tmp_path, folder=tmp_path)
    assert problems(log, str(tmp_path)) == []
    assert {uri for _, uri in uris(log)} == set(files) - {"old.py"}


def test_fingerprints_are_told_apart_and_stay_when_lines_move(tmp_path: Path):
    def prints() -> list[str]:
        log = log_of(tmp_path, folder=tmp_path)
        assert problems(log) == []
        found = log["runs"][0]["results"]
        return [r["partialFingerprints"]["findingHash/v1"] for r in found]

    file = tmp_path / "a.py"
    file.write_text(MOVED + "x.cuda()\n")
    before = prints()
    file.write_text("import torch\n\n\nif True:\n    x.cuda()\n\n    x.cuda()\n")
    assert (prints(), len(set(before))) == (before, 2)


def test_uris_are_of_the_repository_and_not_of_where_one_stands(tmp_path: Path):
    (tmp_path / ".git").mkdir()
    inner = tmp_path / "src"
    inner.mkdir()
    (inner / "a.py").write_text(MOVED)
    assert uris(log_of(inner, folder=inner)) == [("%SRCROOT%", "src/a.py")]


def test_folders_elsewhere_have_bases_of_their_own(tmp_path: Path):
    here, cloned, loose = (tmp_path / name for name in ("here", "cloned", "loose"))
    for folder in (here, cloned / "src", loose / "src"):
        folder.mkdir(parents=True)
        (folder / "a.py").write_text(MOVED)
    (cloned / ".git").mkdir()
    log = log_of(here, cloned / "src", loose, folder=here)
    assert problems(log, str(tmp_path)) == []
    assert uris(log) == [
        ("%SRCROOT%", "a.py"),
        ("%PROJECT1%", "src/a.py"),
        ("%PROJECT2%", "src/a.py"),
    ]


def test_a_link_to_the_project_is_the_project(tmp_path: Path):
    real = tmp_path / "real"
    real.mkdir()
    (real / "a.py").write_text(MOVED)
    (tmp_path / "link").symlink_to(real, target_is_directory=True)
    assert uris(log_of(tmp_path / "link", folder=real)) == [("%SRCROOT%", "a.py")]


def test_files_of_libraries_do_not_name_the_machine(tmp_path: Path):
    library = str(tmp_path / "env/lib/python3.11/site-packages/transformers/gpt2.py")
    rule = RuleSummary(
        "G001", "t", "graph", "why", "seen", (), "no", {"trn2": Consequence("raises", "do", "h")}
    )
    finding = CodeFinding("G001", library, 3, 5, "x = y", "code", detail="add of int64")
    unread = (Unread("/proc/gone.py", "no such file"),)
    report = CheckReport("m.py:f", (), {"G001": rule}, (finding,), unread, (), (), 1, 1, 0)
    log = sarif_log(report, "0.1.0", tmp_path / "work")
    assert problems(log, str(tmp_path), "/proc") == []
    assert uris(log) == [("%LIBRARIES%", "transformers/gpt2.py")]


def test_the_checks_of_this_file_see_what_is_wrong(tmp_path: Path):
    (tmp_path / "a.py").write_text(MOVED)
    spoiled = {
        "uri /x/a.py": ("uri", "/x/a.py"),
        "uri ../a.py": ("uri", "../a.py"),
        "uri a b.py": ("uri", "a b.py"),
        "uri a\\b.py": ("uri", "a\\b.py"),
        "uriBaseId of a.py": ("uriBaseId", "ROOT"),
    }
    for said, (key, value) in spoiled.items():
        log = log_of(tmp_path, folder=tmp_path)
        result = log["runs"][0]["results"][0]
        result["locations"][0]["physicalLocation"]["artifactLocation"][key] = value
        assert problems(log) == [said]


def test_places_are_given_as_often_as_one_likes(tmp_path: Path):
    places = Places(tmp_path)
    assert places.location("a.py") == places.location(str(tmp_path / "a.py"))
