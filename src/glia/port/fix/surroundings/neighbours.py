"""The Python files around those that are fixed: who imports whom, and from which folder.

Files outside of what is fixed are read as well, and never changed. Nothing is imported: an import
is followed where reading leaves one answer.
"""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from glia.core.errors import FormatError, UsageError
from glia.port.source.files.notebook import notebook_text
from glia.port.source.files.project import MAX_BYTES, Walk
from glia.port.source.files.text import read_text

_TOPS = (".git", "pyproject.toml", "setup.py", "setup.cfg", "glia.toml")
_INSTALLED = ("pyproject.toml", "setup.py", "setup.cfg")
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+([.\w]+)[ \t]+import[ \t]*(\([^)]{0,4000}\)|[^\n#;]*)"
    r"|import[ \t]+([^\n#;]*))",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Site:
    """One module that a file imports. `names` are those taken from it; `eager` imports run
    whenever the file is imported itself."""

    module: str
    level: int
    names: tuple[str, ...]
    line: int
    eager: bool


@dataclass(frozen=True, slots=True)
class Found:
    """The file that an import stands for, and the folder that Python found it from; None for a
    relative import, where `package` is the folder that the dots name."""

    file: Path
    base: Path | None
    package: Path | None = None


def project_top(folder: Path) -> Path:
    """The folder of the project around `folder`: the nearest one that git or a build tool marks."""
    around = (folder, *folder.parents)
    return next((f for f in around if any((f / name).exists() for name in _TOPS)), folder)


def is_installed(base: Path) -> bool:
    """True when the packages in this folder may be installed, and then found without it."""
    folders = (base, base.parent) if base.name == "src" else (base,)
    return any((folder / name).exists() for folder in folders for name in _INSTALLED)


def base_of(path: Path) -> Path:
    """The folder that must be searched for the file's package to be found: above `__init__.py`."""
    folder = path.parent
    while (folder / "__init__.py").is_file() and folder.name.isidentifier():
        folder = folder.parent
    return folder


class Neighbours:
    """All Python files below one folder. Paths are absolute; a link is another place of the file
    that it leads to."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.texts: dict[Path, str] = {}  # by the file itself
        self._places: dict[Path, Path] = {}  # where a module stands -> the file itself
        self._folders: dict[str, set[Path]] = defaultdict(set)  # where a first name is found
        self._sites: dict[Path, tuple[Site, ...]] = {}
        self._mentions: dict[str, set[Path]] | None = None
        self._brings: dict[Path, bool] = {}
        for place, file in _python_files(top):
            self.add(place, file)

    def add(self, place: Path, file: Path) -> None:
        """One more file; what cannot be read imports nothing."""
        if file not in self.texts:
            self.texts[file] = _text(file)
        if place.suffix != ".py":
            return
        self._places[place] = file
        inner = place.parent if place.name == "__init__.py" else place.with_suffix("")
        while inner != self.top and self.top in inner.parents:
            self._folders[inner.name].add(inner.parent)
            inner = inner.parent

    def knows(self, name: str) -> bool:
        """True when a module or package of this name is there, or one is imported."""
        places = self._folders.get(name)
        used = re.compile(rf"^[ \t]*(?:from|import)[ \t]+{name}\b", re.MULTILINE)
        return bool(places) or any(used.search(text) for text in self.texts.values())

    def sites(self, file: Path) -> tuple[Site, ...]:
        """What a file imports."""
        if file not in self._sites:
            self._sites[file] = tuple(_sites_of(self.texts.get(file, "")))
        return self._sites[file]

    def resolve(self, file: Path, site: Site) -> list[Found]:
        """The files of the project that an import stands for; none where that is not certain."""
        if site.level:
            package = file.parent
            for _ in range(site.level - 1):
                package = package.parent
            parts = tuple(p for p in site.module.split(".") if p)
            return [Found(f, None, package) for f in self._files(package, parts, site.names)]
        parts = tuple(site.module.split("."))
        if parts[0] in sys.stdlib_module_names:
            return []
        matches = {
            base: files
            for base in self._bases(file, parts[0])
            if (files := self._files(base, parts, site.names))
        }
        own = base_of(file)
        chosen = own if own in matches else next(iter(matches)) if len(matches) == 1 else None
        return [Found(f, chosen) for f in matches[chosen]] if chosen is not None else []

    def _bases(self, file: Path, name: str) -> Iterator[Path]:
        """Folders that may be searched: those above the file and their `src`; any, where the file
        says what is searched."""
        anywhere = "sys.path" in self.texts.get(file, "")
        for folder in self._folders.get(name, ()):
            above = folder.parent if folder.name == "src" else folder
            if anywhere or folder in file.parents or above in file.parents:
                yield folder

    def _files(self, base: Path, parts: tuple[str, ...], names: tuple[str, ...]) -> list[Path]:
        """Modules `names` of the package, else the module itself."""
        folder = base.joinpath(*parts)
        found = [self._places[p] for n in names for p in _forms(folder / n) if p in self._places]
        itself = [self._places[p] for p in _forms(folder) if p in self._places]
        return found + [f for f in itself if f not in found and (not found or "*" in names)]

    def importers(self, file: Path) -> list[tuple[Path, Found]]:
        """The files that import this one, and how."""
        places = [place for place, real in self._places.items() if real == file]
        words = {p.parent.name if p.name == "__init__.py" else p.stem for p in places}
        if self._mentions is None:
            self._mentions = _mentions(self.texts)
        others = {other for word in words for other in self._mentions.get(word, ())}
        return [
            (other, found)
            for other in sorted(others - {file})
            for site in self.sites(other)
            for found in self.resolve(other, site)
            if found.file == file
        ]

    def brings_torch(self, file: Path, site: Site) -> bool:
        """True when PyTorch is imported once this import is done."""
        if not site.level and _is_torch_package(site):
            return True
        return any(self._loads_torch(found.file) for found in self.resolve(file, site))

    def _loads_torch(self, file: Path) -> bool:
        if file not in self._brings:
            self._brings[file] = False  # while it is asked for: modules may import each other
            eager = [site for site in self.sites(file) if site.eager]
            self._brings[file] = any(self.brings_torch(file, site) for site in eager)
        return self._brings[file]


# Packages whose import imports PyTorch.
_WITH_TORCH = {
    "torch", "torchvision", "torchaudio", "torchtext", "torchmetrics", "torchdata", "torch_xla",
    "lightning", "pytorch_lightning", "timm", "kornia", "monai", "deepspeed", "apex", "xformers",
    "flash_attn", "fastai", "fairscale", "torch_geometric", "sentence_transformers", "open_clip",
}  # fmt: skip
# These import it with their models only.
_MODELS = re.compile(r"\w*(?:Model|Pipeline|pipeline|Trainer|For[A-Z]|Accelerator)\w*")
_WITH_MODELS = {"transformers", "diffusers", "accelerate", "peft"}


def _is_torch_package(site: Site) -> bool:
    root = site.module.split(".")[0]
    with_models = root in _WITH_MODELS and any(_MODELS.fullmatch(name) for name in site.names)
    return root in _WITH_TORCH or with_models


def imports_torch(node: ast.AST) -> bool:
    """True for a statement that imports PyTorch itself."""
    if isinstance(node, ast.Import):
        return any(alias.name.split(".")[0] == "torch" for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        return not node.level and (node.module or "").split(".")[0] == "torch"
    return False


def sites_in(node: ast.AST, eager: bool) -> Iterator[Site]:
    """The modules that one statement imports."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Site(alias.name, 0, (), node.lineno, eager)
    elif isinstance(node, ast.ImportFrom):
        names = tuple(alias.name for alias in node.names)
        yield Site(node.module or "", node.level, names, node.lineno, eager)


def always_run(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run whenever the file does, those in `with` blocks among them, and in a
    `try` whose handlers end the program."""
    for statement in body:
        yield statement
        is_sure = isinstance(statement, ast.Try) and all(map(_ends_all, statement.handlers))
        if isinstance(statement, ast.With) or is_sure:
            yield from always_run(getattr(statement, "body", []))


def _ends_all(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    call = getattr(last, "value", None)
    name = ast.unparse(call.func) if isinstance(call, ast.Call) else ""
    return isinstance(last, ast.Raise) or name in ("sys.exit", "exit", "quit")


def _sites_of(text: str) -> Iterator[Site]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    eager = set(always_run(tree.body))
    for node in ast.walk(tree):
        yield from sites_in(node, node in eager)


def _python_files(top: Path) -> Iterator[tuple[Path, Path]]:
    try:
        for source in Walk(top):
            if source.kind in ("python", "notebook"):
                yield source.path, source.path.resolve()
    except UsageError:
        return


def _text(file: Path) -> str:
    try:
        text = read_text(file, MAX_BYTES)
        return notebook_text(text, file.name).text if file.suffix == ".ipynb" else text
    except (OSError, ValueError, FormatError):
        return ""


def _forms(module: Path) -> tuple[Path, Path]:
    return module.with_name(f"{module.name}.py"), module / "__init__.py"


def _mentions(texts: dict[Path, str]) -> dict[str, set[Path]]:
    """Each word that stands in an import, with the files that have it there."""
    found: dict[str, set[Path]] = defaultdict(set)
    for file, text in texts.items():
        for match in _IMPORT.finditer(text):
            for word in re.findall(r"\w+", " ".join(part or "" for part in match.groups())):
                found[word].add(file)
        if re.search(r"^[ \t]*from[ \t]+\.+[ \t]+import", text, re.MULTILINE):
            found[file.parent.name].add(file)
    return found
