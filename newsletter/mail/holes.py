"""Holes and blocks: what differs from reader to reader in a part of a mail, and how it is filled for one of them.

A *hole* is a tag that one value takes the place of. A *block* is what only some readers see; it stands between a tag
that opens it and one that closes it. All tags have the issue's random nonce, so that no text from a feed can name one
(docs/design.md; threat 3). A part is taken apart once; a reader's copy is then one join of its pieces.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from html import escape
from itertools import compress

from newsletter.errors import ConfigurationError, Refused

#: What differs from reader to reader. Values are plain text; they are escaped where they stand in html.
HOLES = ("address", "name", "since", "unsubscribe_url", "preferences_url", "token", "delivery_id")
#: The values a block can ask for. It is shown when the value is not empty or, with "not_" before the name, when it is.
#: `new` is "yes" for a reader who joined the list not long before the issue was to be sent.
CONDITIONS = ("name", "new")
#: Every value of a reader that a mail may need.
VALUES = (*HOLES, *(name for name in CONDITIONS if name not in HOLES))

_OPENINGS = tuple(opening for name in CONDITIONS for opening in (name, f"not_{name}"))
_COMMENT = re.compile("<!--.*?-->", re.DOTALL)
#: Stands where a value holds the nonce, which no honest value does. No tag has this character.
_BLOT = "…"


def hole_tag(nonce: str, name: str, *, html: bool = False) -> str:
    """Return the tag that stands for hole `name`. It survives premailer and lxml unchanged, in a link too (P11)."""
    return f"-{_stem(nonce, html=html)}{name}-"


def hole_tags(nonce: str, *, html: bool) -> dict[str, str]:
    """Return hole name -> tag, for a template to print."""
    return {name: hole_tag(nonce, name, html=html) for name in HOLES}


def block_tags(nonce: str, *, html: bool) -> dict[str, str]:
    """Return condition -> tag that opens its block, and "end" -> the tag that closes any, for a template to print.

    In html they are comments, which premailer and lxml leave where they are, also between the rows of a table.
    """
    start, stop = ("<!--", "-->") if html else ("-", "-")
    words = {opening: f"if.{opening}" for opening in _OPENINGS} | {"end": "end"}
    return {name: f"{start}{_stem(nonce, html=html)}{word}{stop}" for name, word in words.items()}


def refuse_nonce(nonce: str, *texts: str) -> None:
    """Raise Refused when text from outside contains the nonce: it could name a hole and leak a reader's link."""
    if any(nonce in text for text in texts):
        raise Refused("A story contains this issue's secret marker. Draft the issue again to get a new one.")


def as_for_nobody(html: str, nonce: str) -> str:
    """Return html with its holes and, of its blocks, those for a reader of whom nothing is known: no name, not new."""
    return "".join(Part(html, nonce, html=True).turns_for(()))


class Part:
    """The html or the text of a mail, or a header's value: taken apart once, filled for many.

    A *run* is what one substitution of a provider stands for. In html it is a block. In text it is all blocks that
    stand together, with the line ends around them: how many lines are left depends on which of the blocks are shown.
    """

    def __init__(self, source: str, nonce: str, *, html: bool) -> None:
        """Raise ConfigurationError when a block is unknown, nested or left open, or when a tag is not whole."""
        self._html = html
        self._nonce = nonce
        tags = _Patterns(nonce, html=html)
        self._hole, self._block = tags.hole, tags.block
        asked = tags.checked(source)
        self._asked = [name for name in CONDITIONS if {name, f"not_{name}"} & asked]
        #: The names of the holes that some or all readers have.
        self.holes = frozenset(self._hole.findall(source))
        #: Fixed text and runs in turn.
        self._turns = _in_turn(tags.run, source if html else tags.with_own_lines(source))
        self._run_tags = [hole_tag(nonce, f"block{at // 2 + 1}", html=html) for at in range(1, len(self._turns), 2)]
        self._variants: dict[tuple[bool, ...], _Variant] = {}

    @cached_property
    def tagged(self) -> str:
        """The part for a provider that fills it: a tag for each hole that is in no run, and one for each run."""
        turns = list(self._turns)
        turns[1::2] = self._run_tags
        return "".join(turns)

    def fill(self, values: Mapping[str, str]) -> str:
        """Return the part for one reader. Raises KeyError when a value is missing."""
        return _filled(self._variant(self.answers(values)).whole, self.own(values))

    def substitutions(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return tag -> value for each tag in `tagged`. Raises KeyError when a value is missing."""
        own = self.own(values)
        filled = {tag: own[name] for name, tag in self._outside.items()}
        runs = [_filled(run, own) for run in self._variant(self.answers(values)).runs]
        return filled | dict(zip(self._run_tags, runs, strict=True))

    @property
    def asks(self) -> bool:
        """Whether the part has blocks."""
        return bool(self._asked)

    def answers(self, values: Mapping[str, str]) -> tuple[bool, ...]:
        """Return which conditions of the part hold for a reader; the same answers give the same fixed text."""
        return tuple([bool(values[name]) for name in self._asked])

    def pieces(self, answers: tuple[bool, ...]) -> Sequence[str]:
        """Return fixed text and names of holes in turn, first and last fixed text, for readers with these `answers`."""
        return self._variant(answers).whole

    def own(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return the values of a reader as they stand in the part. None can name a hole, not even by the nonce.

        Raises KeyError when one is missing.
        """
        return {name: self.written(values[name]) for name in self.holes}

    def written(self, value: str) -> str:
        """Return a reader's value as it stands in the part."""
        plain = value.replace(self._nonce, _BLOT)
        return escape(plain) if self._html else plain

    def turns_for(self, shown: Collection[str]) -> list[str]:
        """Return fixed text and runs in turn, with holes, for readers who have values for the conditions `shown`."""
        turns = list(self._turns)
        for at in range(1, len(turns), 2):
            kept = self._block.sub(lambda block: _inside(block, shown), turns[at])
            turns[at] = kept if self._html else _without_spare_lines(kept, turns[at - 1], turns[at + 1])
        return turns

    @cached_property
    def _outside(self) -> dict[str, str]:
        """Return hole -> tag for the holes that are in no run."""
        there = self._hole.findall(self.tagged)
        return {name: hole_tag(self._nonce, name, html=self._html) for name in HOLES if name in there}

    def _variant(self, answers: tuple[bool, ...]) -> _Variant:
        """Return the part as all readers have it who give the same answers to its conditions."""
        if (known := self._variants.get(answers)) is None:
            turns = self.turns_for([*compress(self._asked, answers)])
            known = self._variants[answers] = _Variant("".join(turns), turns[1::2], self._hole)
        return known


class _Variant:
    """A part with all its blocks decided, and its runs alone: each as fixed text and the names of holes in turn."""

    def __init__(self, whole: str, runs: Sequence[str], hole: re.Pattern[str]) -> None:
        self.whole = hole.split(whole)
        self.runs = [hole.split(run) for run in runs]


class _Patterns:
    """What finds the tags in one part."""

    def __init__(self, nonce: str, *, html: bool) -> None:
        self._nonce = nonce
        self._html = html
        self._file = "body.html" if html else "body.txt"
        start = ("<!--" if html else "-") + _stem(nonce, html=html)
        start, stop = re.escape(start), "-->" if html else "-"
        self._opening, self._end = rf"{start}if\.(?P<condition>\w+){stop}", f"{start}end{stop}"
        block = f"{self._opening}(?P<inside>(?:(?!{self._end}).)*){self._end}"
        self.hole = re.compile(f"-{re.escape(_stem(nonce, html=html))}({'|'.join(HOLES)})-")
        self.block = re.compile(block, re.DOTALL)
        self.run = self.block if html else re.compile(rf"\n*(?:{block}\n*)+", re.DOTALL)

    def checked(self, source: str) -> set[str]:
        """Return what opens the blocks. Raises ConfigurationError when one is wrong, or a tag is not whole."""
        asked: set[str] = set()
        within = ""
        mark = re.compile(f"{self._opening}|{self._end}")
        for found in mark.finditer(source):
            opens = found["condition"] or ""
            if not opens and not within:
                raise self._wrong("closes a block of `for_readers` where none is open. Open it first.")
            if opens and within:
                raise self._wrong(f'opens `for_readers("{opens}")` inside `for_readers("{within}")`. Close that first.')
            if opens and opens not in _OPENINGS:
                raise self._wrong(f'asks `for_readers("{opens}")`, but only for {", ".join(_OPENINGS)} can be asked.')
            within = opens
            asked |= {opens} - {""}
        if within:
            raise self._wrong(f'does not close `for_readers("{within}")`. Close it in the same part.')
        if self._html and any(mark.search(comment[0], 4) for comment in _COMMENT.finditer(source)):
            raise self._wrong("uses `for_readers` inside a comment for Word. Put it around the comment.")
        rest = mark.sub(" ", self.hole.sub(" ", source))
        if self._nonce.casefold() in rest.casefold():
            raise self._wrong("changes a tag of `hole` or `only`. Print them as they are, without a filter.")
        return asked

    def with_own_lines(self, text: str) -> str:
        """Return text in which a block that has its lines for itself holds their line ends, and no tag a line."""
        text = re.sub(rf"(?m)^[ \t]*({self._opening})[ \t]*\n", r"\1", text)
        text = re.sub(rf"\n[ \t]*({self._end})[ \t]*(?=\n|\Z)", r"\1", text)
        return re.sub(rf"(?<![^\n])({self.block.pattern})\n", self._with_line_end, text, flags=re.DOTALL)

    @staticmethod
    def _with_line_end(block: re.Match[str]) -> str:
        at = block.end("inside") - block.start()
        return f"{block[1][:at]}\n{block[1][at:]}"

    def _wrong(self, what: str) -> ConfigurationError:
        return ConfigurationError(f"The mail's {self._file} {what}")


def _stem(nonce: str, *, html: bool) -> str:
    """Return what all tags of a part begin with. html and text have tags of their own, since values differ in them."""
    return f"{nonce}{'h' if html else 't'}."


def _in_turn(pattern: re.Pattern[str], text: str) -> list[str]:
    """Return what `pattern` does not match and what it does, in turn; the first and the last are not matched."""
    turns, at = [], 0
    for found in pattern.finditer(text):
        turns += [text[at : found.start()], found[0]]
        at = found.end()
    return [*turns, text[at:]]


def _inside(block: re.Match[str], shown: Collection[str]) -> str:
    """Return what is between the tags of a block, or nothing when it is not shown."""
    condition = block["condition"]
    wanted = not condition.startswith("not_")
    return block["inside"] if (condition.removeprefix("not_") in shown) is wanted else ""


def _without_spare_lines(run: str, before: str, after: str) -> str:
    """Return a run of the text part with at most one empty line at a time, and none at either end of the part."""
    run = re.sub(r"\n{3,}", "\n\n", run)
    run = run if before else run.lstrip("\n")
    return run if after else run.rstrip("\n") + "\n"


def _filled(turns: Sequence[str], own: Mapping[str, str]) -> str:
    """Return fixed text and names of holes in turn as one text with the reader's values."""
    filled = list(turns)
    filled[1::2] = [own[name] for name in filled[1::2]]
    return "".join(filled)
