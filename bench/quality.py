"""How well stories are grouped by event and tagged with regions, measured on the labelled set in tests/data/quality.

    python bench/quality.py [--json] [--errors] [--halves] [--language en] [--only grouping|regions]

docs/quality.md says how the set is made and what the figures mean.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from pathlib import Path
from typing import Any

from newsletter.coverage import Piece, group
from newsletter.regions import ABOUT, About, Gazetteer, RegionWords

DATA = Path(__file__).resolve().parent.parent / "tests" / "data" / "quality"
HALVES = ("dev", "held")

Item = tuple[int, int] | tuple[int, str]  # two stories of one event, the smaller number first; or a story and a code


@dataclass(frozen=True)
class Labelled:
    """A story with its labels. `number` is its place in the whole set, and stays the same whatever part is measured."""

    number: int
    id: str
    language: str
    half: str
    outlet: str
    published: datetime
    title: str
    summary: str
    regions: frozenset[str]
    either: frozenset[str] = frozenset()
    event: str = ""
    lookalike: str = ""
    trap: str = ""
    note: str = ""


@dataclass(frozen=True)
class Score:
    """How many were found rightly, found wrongly, and missed."""

    right: int
    wrong: int
    missed: int

    @property
    def precision(self) -> float:
        """The share of what was found that is right; 1 when nothing was found."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0

    @property
    def recall(self) -> float:
        """The share of what there is that was found; 1 when there is nothing to find."""
        return self.right / (self.right + self.missed) if self.right + self.missed else 1.0


@dataclass(frozen=True)
class Result:
    """What was found and what is true, of one kind: pairs of one event, or regions of stories."""

    found: frozenset[Item]
    true: frozenset[Item]

    def score(self) -> Score:
        """Return the score over everything."""
        right = len(self.found & self.true)
        return Score(right=right, wrong=len(self.found) - right, missed=len(self.true) - right)

    def within(self, numbers: set[int]) -> Result:
        """Return the part about these stories; a pair belongs where its first story does."""
        return Result(*(frozenset(item for item in items if item[0] in numbers) for items in (self.found, self.true)))

    def of_region(self, code: str) -> Result:
        """Return the part about one region."""
        return Result(*(frozenset(item for item in items if item[1] == code) for items in (self.found, self.true)))


# The set.


def load_stories(folder: Path = DATA) -> list[Labelled]:
    """Return the stories of all files `<half>-<language>.toml` of a folder, numbered from 1 in the files' order."""
    files = [path for half in HALVES for path in sorted(folder.glob(f"{half}-*.toml"))]
    rows = [(path.stem, row) for path in files for row in _rows(path)]
    return [_labelled(number, stem, row) for number, (stem, row) in enumerate(rows, 1)]


def load_regions(folder: Path = DATA) -> list[RegionWords]:
    """Return the regions that a newsroom has registered for this set."""
    rows = tomllib.loads((folder / "regions.toml").read_text(encoding="utf-8"))["region"]
    return [RegionWords(row["code"], row["name"], tuple(row.get("words", ())), row.get("parent", "")) for row in rows]


def _rows(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))["story"]
    return rows


def _labelled(number: int, stem: str, row: dict[str, Any]) -> Labelled:
    """Return one story; TypeError for a field that the set does not know."""
    half, language = stem.split("-")
    regions, either = frozenset(row.pop("regions")), frozenset(row.pop("either", ()))
    return Labelled(number=number, half=half, language=language, regions=regions, either=either, **row)


# Scoring.


def pairs(groups: Iterable[Iterable[int]]) -> frozenset[Item]:
    """Return every two stories that share a group."""
    return frozenset((one, two) for members in groups for one, two in combinations(sorted(members), 2))


def true_groups(stories: Sequence[Labelled]) -> list[list[int]]:
    """Return the numbers of the stories of each labelled event."""
    events: dict[str, list[int]] = {}
    for story in stories:
        if story.event:
            events.setdefault(story.event, []).append(story.number)
    return list(events.values())


def grouping_result(stories: Sequence[Labelled], groups: Iterable[Iterable[int]]) -> Result:
    """Return the pairs that were found in groups and those that are true, of stories in one language."""
    languages = {story.number: story.language for story in stories}
    parts = [[n for n in numbers if languages[n] == one] for numbers in groups for one in set(languages.values())]
    return Result(found=pairs(parts), true=pairs(true_groups(stories)))


def regions_result(stories: Sequence[Labelled], tagged: dict[int, set[str]]) -> Result:
    """Return the labels that were found and those that are true; codes that may be either are in neither."""
    found = {(story.number, code) for story in stories for code in tagged.get(story.number, set()) - story.either}
    return Result(found=frozenset(found), true=frozenset((s.number, code) for s in stories for code in s.regions))


# What the product says.


def group_stories(stories: Sequence[Labelled]) -> list[tuple[int, ...]]:
    """Return the groups that the product makes, all languages together as in a newsroom's week."""
    return group(
        [
            Piece(
                id=story.number,
                title=story.title,
                summary=story.summary,
                source=story.outlet,
                published_at=story.published,
                language=story.language,
                url=f"https://news.example/{story.id}",
            )
            for story in stories
        ]
    )


def tag_stories(stories: Sequence[Labelled], regions: Sequence[RegionWords]) -> dict[int, dict[str, str]]:
    """Return for each story the codes it would be taken under by an edition, with the evidence in words."""
    gazetteer = Gazetteer.of(regions)
    tagged = {}
    for story in stories:
        tags = gazetteer.tag(About(story.title, story.summary, story.language))
        tagged[story.number] = {t.code: f"{t.evidence} ({t.strength:.2f})" for t in tags if t.strength >= ABOUT}
    return tagged


# Printing.


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    options = _parser().parse_args(arguments)
    stories = [story for story in load_stories() if options.language in {"", story.language}]
    if not stories:
        raise SystemExit(f"the set has no stories in {options.language!r}")
    evidence: dict[int, dict[str, str]] = {}
    results: dict[str, Result] = {}
    if options.only != "regions":
        results["grouping"] = grouping_result(stories, group_stories(stories))
    if options.only != "grouping":
        evidence = tag_stories(stories, load_regions())
        results["region"] = regions_result(stories, {number: set(codes) for number, codes in evidence.items()})
    if options.json:
        print(json.dumps(figures(stories, results)))
        return
    for kind, result in results.items():
        print("\n".join(report(kind, stories, result, halves=options.halves)))
    if "region" in results:
        print("\n".join(region_table(results["region"])))
    if options.errors:
        print("\n".join(errors(stories, results, evidence)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measure grouping and regions on the labelled set.")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--errors", action="store_true", help="print every wrong and missed pair and label")
    parser.add_argument("--halves", action="store_true", help="print the two halves side by side")
    parser.add_argument("--language", default="", help="only the stories in this language")
    parser.add_argument("--only", choices=("grouping", "regions"), help="measure one of the two")
    return parser


def figures(stories: Sequence[Labelled], results: dict[str, Result]) -> dict[str, object]:
    """Return precision and recall (0..1) of each kind, then the same per language, half and region."""
    printed: dict[str, object] = {"stories": len(stories), **_rounded(results)}
    for name, field in (("languages", "language"), ("halves", "half")):
        parts = {value: _numbers(stories, field, value) for value in _values(stories, field)}
        printed[name] = {
            value: _rounded({kind: result.within(numbers) for kind, result in results.items()})
            for value, numbers in parts.items()
        }
    if "region" in results:
        printed["regions"] = {code: _rounded({"region": part}) for code, part in by_region(results["region"]).items()}
    return printed


def _rounded(results: dict[str, Result]) -> dict[str, float]:
    scores = {kind: result.score() for kind, result in results.items()}
    return {
        f"{kind}_{name}": round(value, 4)
        for kind, score in scores.items()
        for name, value in (("precision", score.precision), ("recall", score.recall))
    }


def _values(stories: Sequence[Labelled], field: str) -> list[str]:
    return sorted({getattr(story, field) for story in stories})


def _numbers(stories: Sequence[Labelled], field: str, value: str) -> set[int]:
    return {story.number for story in stories if getattr(story, field) == value}


def by_region(result: Result) -> dict[str, Result]:
    """Return the part of each region that was found or is true, in the order of the codes."""
    codes = sorted({str(code) for _, code in result.found | result.true})
    return {code: result.of_region(code) for code in codes}


def report(kind: str, stories: Sequence[Labelled], result: Result, *, halves: bool) -> list[str]:
    """Return the lines of one table: in total, per language, and with `halves` for each half beside both."""
    columns = {"both": {story.number for story in stories}}
    if halves:
        columns |= {half: _numbers(stories, "half", half) for half in HALVES}
    lines = [f"{kind:<10}" + "".join(f"{name + ' precision':>16} {'recall':>8} {'r/w/m':>13}" for name in columns)]
    rows = {"all": columns["both"]} | {
        name: _numbers(stories, "language", name) for name in _values(stories, "language")
    }
    for name, numbers in rows.items():
        lines.append(f"  {name:<8}" + "".join(_cells(result.within(numbers & column)) for column in columns.values()))
    return lines


def _cells(result: Result) -> str:
    score = result.score()
    counts = f"{score.right}/{score.wrong}/{score.missed}"
    return f"{score.precision:>16.3f} {score.recall:>8.3f} {counts:>13}"


def region_table(result: Result) -> list[str]:
    """Return a line for each region."""
    return ["by region", *(f"  {code:<8}{_cells(part)}" for code, part in by_region(result).items())]


def errors(stories: Sequence[Labelled], results: dict[str, Result], evidence: dict[int, dict[str, str]]) -> list[str]:
    """Return every wrong and missed pair with both texts, and every wrong and missed label with text and evidence."""
    known = {story.number: story for story in stories}
    lines = []
    for kind, result in results.items():
        wrong = [("wrong", item) for item in sorted(result.found - result.true, key=repr)]
        missed = [("missed", item) for item in sorted(result.true - result.found, key=repr)]
        for what, (number, other) in wrong + missed:
            lines += ["", f"{what} {kind}", *_text(known[number])]
            if isinstance(other, int):
                lines += _text(known[other])
            else:
                lines.append(f"  {other}: {evidence[number].get(other, 'not found')}")
    return lines


def _text(story: Labelled) -> list[str]:
    note = f"  [{story.note}]" if story.note else ""
    return [f"  {story.id} {story.published:%d %b %H:%M} {story.outlet}: {story.title}{note}", f"    {story.summary}"]


if __name__ == "__main__":
    main()
