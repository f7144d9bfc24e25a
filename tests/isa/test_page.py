"""docs/isa.md is what its command makes, and leaves out no public instruction."""

from __future__ import annotations

import json

import pytest

from isa.make_page import API, PAGE, RECORD, record, render


def test_the_page_is_that_of_the_record():
    tested = json.loads(RECORD.read_text(encoding="utf-8"))
    assert PAGE.read_text(encoding="utf-8") == render(tested), "run python tests/isa/make_page.py"


def test_every_public_instruction_is_in_it():
    page = PAGE.read_text(encoding="utf-8")
    public = json.loads(API.read_text(encoding="utf-8"))["modules"]["nki.isa"]
    functions = [n for n, facts in public.items() if facts["kind"] == "function"]
    missing = [n for n in functions if not n.startswith("get_nc_") and f"| `{n}` |" not in page]
    assert not missing


@pytest.mark.slow
def test_the_record_is_what_the_tests_execute():
    kept, found = json.loads(RECORD.read_text(encoding="utf-8")), record()
    status = {op: {g: f["status"] for g, f in known.items()} for op, known in kept.items()}
    assert status == {op: {g: f["status"] for g, f in known.items()} for op, known in found.items()}
