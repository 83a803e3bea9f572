"""Which regions a story is about: the names of the world and the newsroom's own, read in the story's texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from newsletter.regions.compounds import compounds
from newsletter.regions.lexicon import Hit, Kind, Lexicon, Raw, longest
from newsletter.regions.names import translations, world
from newsletter.regions.places import ABOUT, About, RegionWords, Tag, parent_of
from newsletter.regions.readings import Story, mentions
from newsletter.regions.strength import CATEGORY, IN_AREA, OF_A_CHILD, Weighed, strength_of, weigh
from newsletter.regions.text import Text, fold, languages

_EVIDENCE = 200
#: Of a summary, where feeds put whole articles into it.
_MAX_TEXT = 20_000


@lru_cache(maxsize=1)
def _world() -> Lexicon:
    return Lexicon(world())


@dataclass(frozen=True)
class Gazetteer:
    """The registered regions with everything that names them. Frozen: several threads may use one."""

    regions: tuple[RegionWords, ...]
    _world: Lexicon
    _own: Lexicon
    _parents: Mapping[str, str]
    _chains: dict[str, tuple[str, ...]]

    @classmethod
    def of(cls, regions: Sequence[RegionWords]) -> Gazetteer:
        """Return the gazetteer of these regions. The first one of a process reads the tables: two to three seconds."""
        known = _world()
        parents = {region.code: region.parent for region in regions if region.parent}
        return cls(tuple(regions), known, Lexicon(_own_names(regions, known)), parents, {})

    def tag(self, looked_at: About) -> list[Tag]:
        """Return a tag for each registered region that the story names, the strongest first.

        Mentions too weak to make the story about the region (below ABOUT) are returned too. How strength comes about
        is told in newsletter/regions/strength.py, how names are read in readings.py.
        """
        text = Text.of(looked_at.headline[:_MAX_TEXT], looked_at.summary[:_MAX_TEXT])
        spoken = languages(text, looked_at.language)
        home = looked_at.home.upper()
        filed = self._filed_under(looked_at.categories, Story(home, spoken))
        story = Story(home, spoken, tuple(each.code for each in filed))
        weighed = weigh(text, mentions(text, self._hits(text, spoken), story)) + filed
        inside = self._by_region(weighed)
        regions = [region for region in self.regions if region.code in inside or (looked_at.point and region.area)]
        strengths = {each.code: self._strength(each, inside.get(each.code, []), weighed, looked_at) for each in regions}
        tags = [self._tag(region, strengths, regions) for region in regions]
        return sorted((tag for tag in tags if tag is not None), key=lambda tag: -tag.strength)

    def words(self, code: str) -> tuple[str, ...]:
        """Return what names a registered region: the newsroom's words, then its names, then places in it.

        Empty when no region of that code is registered.
        """
        regions = [region for region in self.regions if region.code == code]
        own = [word for region in regions for word in (region.name, *region.words) if word.strip()]
        names = [
            raw
            for raw in self._world.names()
            if raw.kind not in {Kind.WEAK, Kind.OUTLET, Kind.LEADER, Kind.NOTHING} and not raw.text.endswith(".")
        ]
        of_it = [raw.text for raw in names if raw.code == code]
        inside = [raw.text for raw in names if raw.code != code and not raw.doubt and code in self._above(raw.code)]
        return tuple(dict.fromkeys((*own, *of_it, *inside))) if regions else ()

    def _hits(self, text: Text, spoken: tuple[str, ...]) -> list[Hit]:
        """Return the longest names in the text, those of the newsroom with those of the world."""
        found = self._world.find(text, spoken)
        more = self._own.find(text, spoken) + compounds(text, spoken)
        if not more:
            return longest(found)
        joined: dict[tuple[int, int], list[Raw]] = {}
        for hit in (*found, *more):
            joined.setdefault((hit.start, hit.end), []).extend(hit.names)
        return longest([Hit(start, end, tuple(raws)) for (start, end), raws in sorted(joined.items())])

    def _filed_under(self, categories: Sequence[str], story: Story) -> list[Weighed]:
        """Return the places that the story's categories name."""
        found = []
        for category in categories:
            text = Text.of(category, "")
            found += [
                Weighed(mention.code, mention.words, "categories", CATEGORY, in_headline=False)
                for mention in mentions(text, self._hits(text, story.languages), story)
            ]
        return found

    def _above(self, code: str) -> tuple[str, ...]:
        """Return the code and all above it, by the newsroom's own parents first, then by ISO."""
        known = self._chains.get(code)
        if known is None:
            chain = [code]
            while (above := self._parents.get(chain[-1]) or parent_of(chain[-1])) and above not in chain:
                chain.append(above)
            known = self._chains.setdefault(code, tuple(chain))
        return known

    def _by_region(self, weighed: Sequence[Weighed]) -> dict[str, list[Weighed]]:
        """Return for each code the mentions of it and of places in it."""
        inside: dict[str, list[Weighed]] = {}
        for each in weighed:
            for code in self._above(each.code):
                inside.setdefault(code, []).append(each)
        return inside

    def _strength(
        self, region: RegionWords, inside: Sequence[Weighed], weighed: Sequence[Weighed], looked_at: About
    ) -> _Strength:
        point = looked_at.point
        total, best = strength_of(inside, weighed, self._above(region.code))
        if point is not None and region.area is not None and _lies_in(point, region.area) and total < IN_AREA:
            return _Strength(IN_AREA, f"its place, {_degrees(point)}, lies in the area", "")
        if best is None:
            return _Strength(0.0, "", "")
        return _Strength(total, _quoted(best), best.code)

    def _tag(self, region: RegionWords, strengths: Mapping[str, _Strength], named: Sequence[RegionWords]) -> Tag | None:
        """Return the tag of a region, through a registered region inside it where that one is named."""
        found = strengths[region.code]
        inner = self._named_inside(region, found, strengths, named)
        if inner is not None:
            child, strength = inner
            value = max(found.strength, strength.strength) * OF_A_CHILD
            value = max(value, ABOUT) if strength.strength >= ABOUT else value
            return Tag(region.code, f"{child.name[:60]}: {strength.evidence}"[:_EVIDENCE], round(value, 3))
        return Tag(region.code, found.evidence[:_EVIDENCE], round(found.strength, 3)) if found.strength > 0 else None

    def _named_inside(
        self, region: RegionWords, found: _Strength, strengths: Mapping[str, _Strength], named: Sequence[RegionWords]
    ) -> tuple[RegionWords, _Strength] | None:
        """Return the strongest registered region inside this one, when what names this one lies there."""
        inner = [
            (other, strengths[other.code])
            for other in named
            if other.code != region.code
            and region.code in self._above(other.code)
            and strengths[other.code].strength > 0
        ]
        if not inner:
            return None
        child, strength = max(inner, key=lambda pair: pair[1].strength)
        is_there = not found.evidence or strength.evidence == found.evidence
        return (child, strength) if is_there else None


@dataclass(frozen=True)
class _Strength:
    """How strongly a region is named, by what, and the code of the place that the strongest mention names."""

    strength: float
    evidence: str
    code: str


def _quoted(best: Weighed) -> str:
    words = best.words if len(best.words) <= 120 else best.words[:119] + "…"
    return f'"{words}" in the {best.place}'


def _lies_in(point: tuple[float, float], area: tuple[float, float, float, float]) -> bool:
    (latitude, longitude), (south, west, north, east) = point, area
    if not south <= latitude <= north:
        return False
    return west <= longitude <= east if west <= east else longitude >= west or longitude <= east


def _degrees(point: tuple[float, float]) -> str:
    latitude, longitude = point
    return f"{abs(latitude):.2f} {'N' if latitude >= 0 else 'S'} {abs(longitude):.2f} {'E' if longitude >= 0 else 'W'}"


def _own_names(regions: Sequence[RegionWords], known: Lexicon) -> Iterator[Raw]:
    """Yield the newsroom's own names, and what other languages call the parts of countries it has registered."""
    for region in regions:
        names = _known_for(region, known)
        if fold(region.name) not in names:
            yield Raw(region.name, region.code, Kind.OWN)
        elif not names[fold(region.name)]:
            yield Raw(region.name, region.code, Kind.PART)
        for word in region.words:
            if word.startswith("!"):
                yield Raw(word[1:].strip(), "", Kind.NOTHING)
            else:
                yield Raw(word, region.code, Kind.OWN)
    yield from translations([region.code for region in regions])


def _known_for(region: RegionWords, known: Lexicon) -> dict[str, bool]:
    """Return the region's name when the world knows it by that name: folded -> whether without doubt."""
    text = Text.of(region.name, "")
    whole = [hit for hit in known.find(text, ("en",)) if hit.start == 0 and hit.end == text.headline_end]
    sure = [not raw.doubt or raw.doubt == "~" for hit in whole for raw in hit.names if raw.code == region.code]
    return {fold(region.name): any(sure)} if sure else {}
