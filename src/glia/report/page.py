"""The sections of the port report below the verdict, in reading order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

from glia.core.records import (
    Assumption,
    LayerError,
    Parity,
    PortReport,
    Quote,
    RunResult,
    TargetReport,
)
from glia.core.units import format_quantity
from glia.report.charts import report_charts
from glia.report.compare import colour_of, proof_detail
from glia.report.errors_plot import error_plot
from glia.report.markup import Markup, join, linked, tag
from glia.report.sources import SourceIndex
from glia.report.tables import (
    FULL_HEADS,
    chip_name,
    folded,
    full_rows,
    mark_tag,
    place,
    references,
    stacked,
    table,
    value_cell,
)
from glia.report.timeline import timeline
from glia.report.wording import (
    BASIS_MARK,
    BASIS_METHOD,
    chip_titles,
    count_text,
    error_text,
    listed_rental,
    mark_of,
    quote_estimates,
    quote_sources,
    run_estimates,
)


def section(anchor: str, title: str, *content: object) -> Markup:
    """One section with its heading."""
    return tag("section", tag("h2", title), *content, id=anchor)


def comparison(report: PortReport, index: SourceIndex) -> Markup:
    """Every quote as a row, then the charts and the notes."""
    if not report.quotes:
        return section("comparison", "Comparison", tag("p", "Nothing was priced.", class_="empty"))
    heads = (
        "Chip",
        "Throughput",
        "Latency",
        "Power",
        "Energy per 1,000",
        "Rental",
        "Cost per million",
        "Sources",
    )
    colours = colour_of(chip_titles(report))
    rows = [_quote_row(q, colours[q.chip], index) for q in report.quotes]
    intro = (
        "One chip of each kind. Cost and energy are per sequence of the captured inputs, at full "
        "load, at the cheapest listed rental that is neither spot nor bound to a year. A target "
        "stands here twice where both methods were applied to it, so that the roofline can be "
        "judged; like is compared with like when both rows are rooflines."
    )
    return section(
        "comparison",
        "Comparison",
        tag("p", intro, class_="muted"),
        table(heads, rows, numeric=range(1, 7), kind="wide"),
        _notes(report, index),
        report_charts(report),
    )


def _quote_row(q: Quote, colour: int, index: SourceIndex) -> list[object]:
    method = join([mark_tag(BASIS_MARK[q.basis]), f" {BASIS_METHOD[q.basis]}, {q.precision}"])
    return [
        stacked(chip_name(q.title, colour), method),
        value_cell(q.throughput),
        value_cell(q.latency),
        value_cell(q.power),
        value_cell(q.energy_per_thousand),
        value_cell(listed_rental(q)),
        value_cell(q.usd_per_million),
        references(index, quote_sources(q)),
    ]


def _notes(report: PortReport, index: SourceIndex) -> Markup:
    rentals = dict.fromkeys(_rental(q, index) for q in report.quotes if q.rental is not None)
    notes = dict.fromkeys(f"{q.title}: {note}" for q in report.quotes for note in q.notes)
    lines = [*rentals, *(linked(n) for n in notes)]
    return tag("ul", *(tag("li", n) for n in lines), class_="notes") if lines else Markup("")


def _rental(q: Quote, index: SourceIndex) -> Markup:
    facts = ", ".join(f for f in (q.price_instance or "listed", q.price_date) if f)
    refs = references(index, (q.price_source,))
    return join([f"Rental of {q.title}: {facts}; source ", refs])


def proof(report: PortReport) -> Markup:
    """Per target: the error plot, the outputs, and every compared value folded away."""
    titles = chip_titles(report)
    colours = colour_of(titles)
    parts = []
    for t in report.targets:
        chip = t.compiled.chip
        parts += [
            tag("h3", chip_name(titles[chip], colours[chip])),
            _proof(t.parity, colours[chip]),
        ]
    return section("proof", "Proof: are the numbers right?", *parts)


def _proof(parity: Parity, colour: int) -> Markup:
    key = (
        "Filled dots: error of the whole model up to that value. Rings: error of one launch alone. "
        "Stepped lines: the budgets (solid for dots, dashed for rings)."
    )
    how = f"Compared with {parity.oracle}. Budget: {parity.budget_rule}."
    caption = tag("figcaption", tag("b", "Relative error, log scale"), " ", tag("span", key))
    outputs = [
        [
            o.name,
            f"{o.min_cosine:.6f}",
            f"{o.min_cosine_allowed:.6f}",
            {True: "same", False: "changed", None: "not applicable"}[o.same_ranking],
            o.ranking_note,
            "inside budget" if o.ok else tag("b", "over budget", class_="bad"),
        ]
        for o in parity.outputs
    ]
    heads = ("Output", "Lowest cosine", "Allowed", "Similarity ranking", "Note", "Result")
    return join(
        [
            tag("p", f"{proof_detail(parity)} {how}", class_="muted"),
            tag("figure", caption, error_plot(parity, colour), class_="errors"),
            table(heads, outputs, numeric=(1, 2)) if outputs else "",
            folded(f"All {count_text(len(parity.layers), 'compared value')}", _layers(parity)),
        ]
    )


def _layers(parity: Parity) -> Markup:
    heads = ("Value", "Op", "Error", "Budget", "Alone", "Budget", "Worst abs.", "Cosine", "Source")
    return table(heads, map(_layer, parity.layers), numeric=range(2, 8), kind="dense")


def _layer(e: LayerError) -> list[object]:
    name = e.name if e.ok else join([e.name, " ", tag("b", "over budget", class_="bad")])
    local = ("\u2013", "\u2013")
    if e.local is not None:
        local = (error_text(e.local), error_text(e.local_budget or 0.0))
    return [
        stacked(name, e.layer if e.layer != e.name else ""),
        e.op,
        error_text(e.relative),
        error_text(e.budget),
        *local,
        error_text(e.worst_absolute),
        f"{e.cosine:.6f}",
        tag("code", str(e.source)) if e.source else "\u2013",
    ]


def time_spent(report: PortReport, index: SourceIndex) -> Markup:
    """Per target: the engine timeline of one layer, how busy each engine was, the launches."""
    titles = chip_titles(report)
    colours = colour_of(titles)
    parts: list[Markup] = []
    for t in report.targets:
        chip = t.compiled.chip
        parts += [
            tag("h3", chip_name(titles[chip], colours[chip])),
            _timeline(t.run, colours[chip]),
            _utilisation(t.run, index),
            _launches(t, index),
        ]
    return section("time", "Where the time goes", *parts)


def _timeline(run: RunResult, colour: int) -> Markup:
    title = run.timeline_title or "Timeline"
    key = (
        "predicted by the virtual chip. Height: how busy; shade: kind of instruction; "
        "right: busy share of the time shown."
    )
    caption = tag("figcaption", tag("b", title), " ", tag("span", key))
    return tag("figure", caption, timeline(run.timeline, title, colour), class_="engines")


def _utilisation(run: RunResult, index: SourceIndex) -> Markup:
    named = [(engine, active) for engine, active in run.utilisation.items()]
    if not named:
        return Markup("")
    heads = ("Active share of the whole run", *FULL_HEADS[1:])
    return table(heads, full_rows(named, run.basis, index), numeric=(1, 2), kind="dense")


def _launches(target: TargetReport, index: SourceIndex) -> Markup:
    launches = target.run.launches
    if not launches:
        return Markup("")
    rows = [
        [
            stacked(x.name, x.layer),
            tag("code", x.kernel),
            f"{x.num_instructions:,}",
            value_cell(x.duration),
            references(index, x.duration.sources),
        ]
        for x in launches
    ]
    mark = mark_of(launches[0].duration, target.run.basis)
    heads = ("Launch", "Kernel", "Instructions", f"Duration, {mark}", "Sources")
    inner = table(heads, rows, numeric=(2, 3), kind="dense")
    return folded(f"All {count_text(len(launches), 'launch', 'launches')}, in order", inner)


def compiled(report: PortReport) -> Markup:
    """What was captured, and what the compiler made of it for each target; all of it counted."""
    m = report.model
    facts = (
        f"{m.num_parameters:,} parameters ({format_quantity(m.parameter_bytes, 'B')}), "
        f"{m.num_nodes:,} graph nodes. Inputs: {', '.join(m.inputs) or '-'}. "
        f"Outputs: {', '.join(m.outputs) or '-'}. Operations: {_counts(m.op_counts)}."
    )
    titles = chip_titles(report)
    targets = [t.compiled for t in report.targets]
    rows: list[list[object]] = [
        ["Precision", *(c.precision for c in targets)],
        ["Kernel launches", *(f"{c.num_launches:,}" for c in targets)],
        ["Distinct instruction streams", *(f"{c.num_streams:,}" for c in targets)],
        ["Instructions", *(f"{c.num_instructions:,}" for c in targets)],
        ["Weights in HBM", *(format_quantity(c.weight_bytes, "B") for c in targets)],
        ["Activations in HBM", *(format_quantity(c.activation_bytes, "B") for c in targets)],
        ["Launches by kernel", *(_counts(c.kernels) for c in targets)],
        ["Fused", *(_fusions(c.fusions) for c in targets)],
    ]
    heads = ("Counted", *(titles[c.chip] for c in targets))
    facts_table = table(heads, rows, kind="facts") if targets else ""
    title = "What was compiled"
    return section("compiled", title, tag("p", facts, class_="muted"), facts_table)


def _counts(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count:,} {name}" for name, count in ordered) or "none"


def _fusions(fusions: tuple[str, ...]) -> Markup:
    return tag("ul", *(tag("li", f) for f in fusions)) if fusions else Markup("nothing")


def findings(report: PortReport) -> Markup:
    """What would not move as it is, with the user's file and line."""
    if not report.findings:
        words = "The check found nothing that ties this model to another chip."
        return section("findings", "Findings in the code", tag("p", words, class_="muted"))
    rows = [
        [
            tag("b", f.severity, class_=f"severity {f.severity}"),
            stacked(f.what, f"{f.rule}{', ' + f.node if f.node else ''}"),
            f.do,
            place(f.source),
        ]
        for f in report.findings
    ]
    return section("findings", "Findings in the code", table(("", "What", "Do", "Where"), rows))


def full_numbers(report: PortReport, index: SourceIndex) -> Markup:
    """Every predicted number with its range, mark, the reason for the width, and its sources."""
    titles = chip_titles(report)
    parts = []
    for t in report.targets:
        rows = full_rows(run_estimates(t.run), t.run.basis, index)
        words = f"{titles[t.compiled.chip]}: the run ({t.run.device}, {t.run.num_cores} cores)"
        parts.append(
            folded(words, table(FULL_HEADS, rows, numeric=(1, 2), kind="dense"), kind="paper")
        )
    for q in report.quotes:
        rows = full_rows(quote_estimates(q), q.basis, index)
        words = f"{q.title}: the price ({BASIS_METHOD[q.basis]})"
        parts.append(
            folded(words, table(FULL_HEADS, rows, numeric=(1, 2), kind="dense"), kind="paper")
        )
    return section("numbers", "Every number in full", *parts)


def assumptions(report: PortReport, index: SourceIndex) -> Markup:
    """Every figure and choice that the result rests on, by subject; then each run's own."""
    titles = chip_titles(report)
    by_subject: dict[str, list[list[object]]] = defaultdict(list)
    for a in report.assumptions:
        row: list[object] = [a.name, a.value, mark_tag(a.mark), _source(a.source, index)]
        by_subject[_subject(a, titles)].append(row)
    heads = ("Assumption", "Value", "Mark", "Source")
    parts: list[Markup] = []
    for subject, rows in by_subject.items():
        marks = Counter(a.mark for a in report.assumptions if _subject(a, titles) == subject)
        words = f"{subject}: {count_text(len(rows), 'assumption')} ({_counts(marks)})"
        parts.append(folded(words, table(heads, rows, kind="dense even"), kind="paper"))
    words = (
        "Marks of single figures: published is printed by the vendor or in a price list; measured "
        "was timed on a device; estimated is a third party's or our own; disputed means that "
        "public sources disagree."
    )
    return section(
        "assumptions",
        "Assumptions",
        tag("p", words, class_="muted"),
        *parts,
        _modelling(report, titles),
    )


def _subject(assumption: Assumption, titles: Mapping[str, str]) -> str:
    return titles.get(assumption.subject, assumption.subject)


def _source(source: str, index: SourceIndex, limit: int = 60) -> Markup:
    # The number leads to the whole text; its beginning saves most readers the way.
    words = source if len(source) <= limit else source[: limit - 1] + "\u2026"
    return join([references(index, (source,)), " ", tag("span", words, class_="muted")])


def _modelling(report: PortReport, titles: Mapping[str, str]) -> Markup:
    who: dict[str, list[str]] = defaultdict(list)
    for t in report.targets:
        for words in t.run.assumptions:
            who[words].append(titles[t.compiled.chip])
    if not who:
        return Markup("")
    rows = [(linked(words), ", ".join(chips)) for words, chips in who.items()]
    return join([tag("h3", "How the runs were modelled"), table(("Choice", "Applies to"), rows)])


def sources(index: SourceIndex) -> Markup:
    """The numbered list; last, because the sections above fill it."""
    rows = [tag("li", linked(source), id=f"source-{n}") for n, source in index.items()]
    body = tag("ol", *rows) if rows else tag("p", "No source was named.", class_="empty")
    return section("sources", "Sources", body)
