"""Reading many files: several processes share them, progress is shown, no file stops the rest."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from pathlib import Path

from glia.core.progress import Progress, Step
from glia.port.configs.scan import scan_cells, scan_other, scan_setup
from glia.port.scan import NO_ANSWERS, FileScan, parse, scan_file
from glia.port.source.conditions.answers import ProjectAnswers
from glia.port.source.files.project import MAX_BYTES, PYTHON_KINDS, SourceFile
from glia.port.source.files.text import read_text
from glia.port.source.module import Answer, Answers, Module

_FEW = 100  # files that one process reads sooner than others would start
_CHUNK = 20  # files that a worker takes at a time
_MAX_WORKERS = 8
_PATIENCE_S = 2.0  # progress is shown from then on


# A file, and what other files of the project answer to its questions.
Work = tuple[SourceFile, Mapping[str, Answer]]


def scan_files(files: Sequence[SourceFile], root: Path, progress: Progress) -> list[FileScan]:
    """The scan of every file, in their order; several processes share many files.

    Those whose conditions ask names of other files are read once more with the answers.
    """
    scans = _scan_all([(file, NO_ANSWERS) for file in files], progress)
    known = known_answers(files, scans, root)
    again = _scan_all([(files[place], answers) for place, answers in known.items()], progress)
    for place, scan in zip(known, again, strict=True):
        scans[place] = scan
    return scans


def known_answers(
    files: Sequence[SourceFile], scans: Sequence[FileScan], root: Path
) -> dict[int, Mapping[str, Answer]]:
    """By the place of a file in `files`: what others answer to its questions, where they do."""
    project = ProjectAnswers(root, _module)
    found: dict[int, Mapping[str, Answer]] = {}
    for place, (file, scan) in enumerate(zip(files, scans, strict=True)):
        answers = {question: project.to(file.path, question) for question in scan.questions}
        known = {question: answer for question, answer in answers.items() if any(answer)}
        if known:
            found[place] = known
    return found


def _module(path: Path, answers: Answers) -> Module | None:
    try:
        return parse(str(path), read_text(path, MAX_BYTES), answers)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _scan_all(work: Sequence[Work], progress: Progress) -> list[FileScan]:
    workers = min(num_processors(), _MAX_WORKERS)
    with ExitStack() as stack:
        shown = Shown(stack, progress, len(work))
        if workers < 2 or len(work) < _FEW:
            return [_shown_scan(one, shown) for one in work]
        return _shared(work, workers, shown)


def scan_one(
    file: SourceFile, skips: bool = True, known: Mapping[str, Answer] = NO_ANSWERS
) -> FileScan:
    """The scan of one file of whatever kind; it `skips` Python that cannot matter."""
    if file.kind in PYTHON_KINDS:
        scan = scan_file(file.path, file.kind, skips, known)
        if file.kind == "notebook":
            return scan_cells(file.path, scan)
        return scan_setup(file.path, scan) if file.path.name == "setup.py" else scan
    return scan_other(file.path, file.kind)


def num_processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _shown_scan(work: Work, shown: Shown) -> FileScan:
    scan = scan_one(work[0], known=work[1])
    shown.done(1)
    return scan


def _shared(work: Sequence[Work], workers: int, shown: Shown) -> list[FileScan]:
    results: dict[int, FileScan] = {}
    with ProcessPoolExecutor(workers, initializer=_start_worker) as pool:
        waiting: dict[Future[list[FileScan]], int] = {}
        for first in range(0, len(work), _CHUNK):
            waiting[pool.submit(_scan_chunk, work[first : first + _CHUNK])] = first
        try:
            for future in as_completed(waiting):
                scans = future.result()
                results.update(zip(_from(waiting[future]), scans, strict=False))
                shown.done(len(scans))
        except BrokenExecutor:
            pass  # a worker was killed: what it leaves is read here
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [results.get(i) or _shown_scan(one, shown) for i, one in enumerate(work)]


def _from(first: int) -> Iterator[int]:
    return iter(range(first, first + _CHUNK))


def _start_worker() -> None:
    """A syntax tree is many objects without cycles: to look for some costs much time."""
    gc.freeze()
    gc.disable()


def _scan_chunk(work: Sequence[Work]) -> list[FileScan]:
    scans = [scan_one(file, known=known) for file, known in work]
    gc.collect()
    return scans


class Shown:
    """A step of the progress that appears when reading takes long."""

    def __init__(self, stack: ExitStack, progress: Progress, total: int) -> None:
        self._stack = stack
        self._progress = progress
        self._total = total
        self._count = 0
        self._start = time.perf_counter()
        self._step: Step | None = None

    def done(self, number: int) -> None:
        """So many more files are read."""
        self._count += number
        if self._step is None and time.perf_counter() - self._start > _PATIENCE_S:
            self._step = self._stack.enter_context(self._progress.step("read"))
        if self._step is not None:
            self._step.note(f"{self._count:,} of {self._total:,} files")
            self._step.advance(self._count / self._total)
