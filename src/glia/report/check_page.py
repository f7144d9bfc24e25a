"""A check of source code as one self-contained HTML page: verdicts, then findings, worst first.

Every rule that spoke has its advice, examples and sources on the page: nothing is fetched.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files

from glia.core.check_records import CheckReport, CodeFinding, RuleSummary, TargetVerdict
from glia.report.check_console import effort_text
from glia.report.check_order import (
    HEADS,
    WEIGHTLESS,
    by_consequence,
    by_file,
    by_rule,
    counted,
    lightness,
)
from glia.report.markup import Markup, join, linked, tag
from glia.report.tables import folded, stacked, table

# The lines of a file as the check names it; none when it cannot be read any more.
Lines = Callable[[str], Sequence[str]]

_OPEN = 3  # places of a rule that are shown with the lines around them
_AROUND = 2  # lines before and after a place
_MOST = 200  # places of a rule that are listed at all
_WIDEST = 160  # characters of a line that are shown
_VERDICTS = {"runs": "good", "runs after fixes": "warn", "needs redesign": "bad"}


def render_check(report: CheckReport, lines: Lines, made_with: Mapping[str, str]) -> str:
    """The whole page as text. `made_with` are facts about the run, for its foot."""
    sections = [_verdicts(report)]
    for effect, groups in by_consequence(report):
        parts = [_rule(group, report.rules[group[0].rule], lines) for group in groups]
        sections.append(_section(effect, HEADS[effect], *parts))
    sections += [_light(report), _not_read(report), _rules(report)]
    body = tag("body", _header(report), tag("main", *sections), _footer(made_with))
    return "<!doctype html>\n" + tag("html", _head(report), body, lang="en") + "\n"


def _section(anchor: str, title: str, *content: object) -> Markup:
    return tag("section", tag("h2", title), *content, id=anchor)


def _head(report: CheckReport) -> Markup:
    texts = (files("glia.report").joinpath(name) for name in ("style.css", "check.css"))
    style = Markup("\n".join(text.read_text(encoding="utf-8") for text in texts))
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{report.path}: what ties it to CUDA"),
        tag("style", style),
    )


def _header(report: CheckReport) -> Markup:
    titles = ", ".join(t.title for t in report.targets)
    weighty = sum(f.weighs for f in report.findings)
    read = counted(report.num_files, "file") + " of Python"
    if report.num_other:
        read += f" and {report.num_other:,} of other kinds"
    facts = (
        f"{counted(weighty, 'finding')} of weight, {len(report.findings) - weighty:,} without",
        read,
    )
    return tag(
        "header",
        tag("p", tag("b", "glia"), " check", class_="brand"),
        tag("h1", report.path),
        tag("p", f"What ties it to CUDA, and what that means on {titles}", class_="lead"),
        tag("p", join(facts, " \u00b7 "), class_="muted"),
    )


def _footer(made_with: Mapping[str, str]) -> Markup:
    words = (
        "Effort is a judgement in working hours, not a measurement. The source was read, not run."
    )
    rows = (tag("div", tag("dt", k), tag("dd", v)) for k, v in made_with.items())
    return tag("footer", tag("p", words), tag("dl", *rows))


# -- verdicts ------------------------------------------------------------------------------------


def _verdicts(report: CheckReport) -> Markup:
    cards = (_verdict(target, colour) for colour, target in enumerate(report.targets))
    return _section("verdicts", "Verdicts", *cards)


def _verdict(target: TargetVerdict, colour: int) -> Markup:
    share = "\u2013" if target.share_fixable is None else f"{100 * target.share_fixable:.0f} %"
    tiles = (
        ("Silent", f"{target.counts.get('silent', 0):,}", "places that go on and do wrong"),
        ("Raises", f"{target.counts.get('raises', 0):,}", "places that stop with an error"),
        ("Unknown", f"{target.counts.get('unknown', 0):,}", "places of unknown effect"),
        ("Effort", effort_text(target.effort), "judged, working hours"),
        ("By tool", share, "of the places to mend"),
    )
    kind = _VERDICTS.get(target.verdict, "none")
    cells = (
        tag("div", tag("dt", head), tag("dd", tag("div", big, class_="big"), small))
        for head, big, small in tiles
    )
    return tag(
        "div",
        tag("p", target.title),
        tag("h3", tag("span", target.verdict, class_=f"verdict {kind}")),
        tag("p", f"{target.reason[:1].upper()}{target.reason[1:]}."),
        tag("dl", *cells, class_="tiles"),
        class_=f"target chip-{colour % 10}",
    )


# -- findings ------------------------------------------------------------------------------------


def _rule(group: Sequence[CodeFinding], rule: RuleSummary, lines: Lines) -> Markup:
    where = f"{counted(len(group), 'place')} in {counted(len(by_file(group)), 'file')}"
    rest = group[_OPEN:_MOST]
    more = f"{len(group) - _MOST:,} more; --json has them all" if len(group) > _MOST else ""
    return tag(
        "article",
        tag("h3", tag("a", rule.id, href=f"#rule-{rule.id}", class_="ruleid"), " ", rule.title),
        tag("p", f"{rule.why[:1].upper()}{rule.why[1:]}. ", tag("span", where, class_="muted")),
        _advice(rule),
        *(_excerpt(finding, lines) for finding in group[:_OPEN]),
        folded(f"{counted(len(rest), 'further place')}", _listed(rest), more) if rest else "",
        class_="rule",
    )


def _advice(rule: RuleSummary) -> Markup:
    """What to do; targets of one mind share a row."""
    groups: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for target, c in rule.on.items():
        groups[c.effect, c.do, c.effort].append(target)
    rows = [
        [", ".join(names), tag("span", effect, class_=f"effect {effect}"), effort, do]
        for (effect, do, effort), names in groups.items()
    ]
    return table(("Target", "There it", "Effort", "Do"), rows, kind="advice")


def _excerpt(finding: CodeFinding, lines: Lines) -> Markup:
    """The place, and its line among its neighbours; a notebook's line stands alone."""
    text = [] if finding.cell else lines(finding.file)
    first = max(1, finding.line - _AROUND)
    around = [*enumerate(text[first - 1 : finding.line + _AROUND], first)]
    if not any(number == finding.line for number, _ in around):
        around = [(finding.line, finding.code)]
    rows = (
        tag(
            "span",
            tag("i", f"{number:>5} "),
            _shortened(line),
            "\n",
            class_="hit" if number == finding.line else None,
        )
        for number, line in around
    )
    return tag("figure", tag("figcaption", _place(finding)), tag("pre", *rows), class_="code")


def _place(finding: CodeFinding) -> Markup:
    detail = f" {finding.detail}" if finding.detail else ""
    return join([tag("code", finding.place), detail])


def _listed(places: Sequence[CodeFinding]) -> Markup:
    rows = [[_place(f), tag("code", _shortened(f.code))] for f in places]
    return table(("Place", "Code"), rows, kind="dense")


def _shortened(line: str) -> str:
    return line if len(line) <= _WIDEST else line[:_WIDEST] + "\u2026"


def _light(report: CheckReport) -> Markup:
    light = [f for f in report.findings if not f.weighs]
    if not light:
        return Markup("")
    rows = []
    for group in by_rule(light):
        why: dict[str, int] = defaultdict(int)
        for finding in group:
            why[lightness(finding)] += 1
        reasons = ", ".join(f"{reason} {n:,}" for reason, n in sorted(why.items()))
        title = report.rules[group[0].rule].title
        rows.append([_link(group[0].rule), title, reasons, f"{len(group):,}"])
    heads = ("Rule", "What", "Why it does not weigh", "Places")
    return _section("light", WEIGHTLESS, table(heads, rows, numeric=(3,)))


def _not_read(report: CheckReport) -> Markup:
    rows = [[tag("code", u.file), u.reason] for u in (*report.unread, *report.skipped)]
    notes = tag("ul", *(tag("li", note) for note in report.notes), class_="notes")
    if not rows and not report.notes:
        return Markup("")
    inner = table(("File", "Why"), rows, kind="dense") if rows else ""
    return _section("unread", "Not read, and remarks", inner, notes if report.notes else "")


# -- rules ---------------------------------------------------------------------------------------


def _link(rule: str) -> Markup:
    return tag("a", rule, href=f"#rule-{rule}", class_="ruleid")


def _rules(report: CheckReport) -> Markup:
    if not report.rules:
        return Markup("")
    parts = (_rule_page(rule) for rule in report.rules.values())
    return _section("rules", "The rules that spoke", *parts)


def _rule_page(rule: RuleSummary) -> Markup:
    facts = f"{rule.category}; evidence: {rule.grade}; rewritten by a tool: {rule.autofix}"
    examples = [
        [tag("pre", rule.bad.strip("\n")), tag("pre", rule.good.strip("\n"))],
    ]
    return tag(
        "details",
        tag("summary", stacked(join([tag("b", rule.id), " ", rule.title]), facts)),
        _advice(rule),
        table(("It speaks on", "It is silent on"), examples, kind="examples") if rule.bad else "",
        tag("ul", *(tag("li", linked(source)) for source in rule.sources), class_="notes"),
        id=f"rule-{rule.id}",
        class_="paper",
    )
