"""What ISO 3166 says of a region's code: its English name, and the codes that a mistyped one may mean."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache

from newsletter.errors import NotFound, meant

#: Kosovo and the European Union have a code in use and none in ISO 3166-1.
_BEYOND_ISO = frozenset({"XK", "EU"})
#: Codes that people write and ISO 3166-1 gives to nobody (exceptionally reserved).
_IN_USE = {"UK": "GB", "EL": "GR"}


def name_of(code: str) -> str:
    """Return the English name of a country, or the name ISO 3166-2 has for a part of one; "" for any other code."""
    return _names().get(code, "")


def code_meant(code: str, registered: Collection[str]) -> str:
    """Return the code that was likely meant: one that is registered first, then one of ISO 3166; "" when none is near.

    Near is a code that ends so (TX -> US-TX), that has the name that was written (Scotland -> GB-SCT), or that differs
    in one letter where no other does, or a registered one that is much alike.
    """
    wanted = code.strip().casefold()
    for codes in (registered, _names()):
        found = _same(wanted, codes) or _ending(wanted, codes)
        if found:
            return found
    return meant(code, registered)


def no_region(code: str, registered: Collection[str]) -> NotFound:
    """Return the error for a region that is not registered, with the code that was likely meant."""
    likely = code_meant(code, registered)
    if likely in registered:
        return NotFound("region", code, known=registered, likely=likely)
    add = f"Add it with `newsletter region add {likely or code}`, or to the file."
    if likely == code:
        return NotFound("region", code, add)
    return NotFound("region", code, add, known=() if likely else registered, likely=likely)


def _same(wanted: str, codes: Collection[str]) -> str:
    names = _names()
    reserved = _IN_USE.get(wanted.upper(), "")
    same = (one for one in codes if wanted in {one.casefold(), names.get(one, "").casefold()} or one == reserved)
    return next(same, "")


def _ending(wanted: str, codes: Collection[str]) -> str:
    """Return the one code that ends so; where several do, none is meant more than the others."""
    found = [one for one in codes if one.casefold().endswith(f"-{wanted}")]
    if not found:
        found = [one for one in codes if _differ_in_one(wanted, one.casefold())]
    return found[0] if len(found) == 1 else ""


def _differ_in_one(one: str, other: str) -> bool:
    """Tell whether one letter makes the difference, in codes long enough for that to be a slip of the hand."""
    if len(one) < 4 or len(one) != len(other):
        return False
    return sum(a != b for a, b in zip(one, other, strict=True)) == 1


@cache
def _names() -> dict[str, str]:
    import pycountry  # noqa: PLC0415 - loads its tables, which most commands do without
    from babel import Locale  # noqa: PLC0415 - likewise

    english = Locale("en").territories
    codes = [*sorted(country.alpha_2 for country in pycountry.countries), *sorted(_BEYOND_ISO)]
    names = {code: _plain(english.get(code, "")) for code in codes}
    return names | {part.code: _plain(part.name) for part in pycountry.subdivisions}


def _plain(name: str) -> str:
    """Return a name without what its tables add: "Myanmar (Burma)", "Hong Kong SAR China", "Catalunya [Cataluña]"."""
    bare = name.partition(" [")[0].partition(" (")[0].removesuffix(" SAR China")
    return bare.replace(" & ", " and ")
