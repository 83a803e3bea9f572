"""How long tagging stories with regions takes: building the gazetteer once, then tagging in four languages.

python bench/regions.py [--stories 20000] [--json]
"""

from __future__ import annotations

import argparse
import json
import resource
import time

from newsletter.regions import About, Gazetteer, RegionWords

REGIONS = (
    RegionWords("UA", "Ukraine"),
    RegionWords("UA-63", "Kharkiv Oblast"),
    RegionWords("GB-SCT", "Scotland", ("Holyrood", "!Nova Scotia")),
    RegionWords("GB", "United Kingdom", ("UK",)),
    RegionWords("US", "United States", ("US", "U.S.")),
    RegionWords("US-GA", "Georgia"),
    RegionWords("GE", "Georgia"),
    RegionWords("DE-BY", "Bavaria"),
    RegionWords("DE", "Germany"),
    RegionWords("FR", "France"),
    RegionWords("fen-north", "Northern Fens", ("Lower Wick", "Ferrymoor"), "GB-ENG"),
)
TEXTS = (
    ("en", "{n} homes without power after storm crosses Scotland and the north of England",
     "Engineers worked all night in Inverness and Aberdeen to restore power to {n} homes, they said. "
     "Ministers in Edinburgh met on Thursday morning. The storm moved on towards Norway and Denmark, where ferries to "
     "Germany were cancelled and schools in two counties stayed closed until the afternoon."),
    ("de", "Bayern streitet mit Berlin über {n} Millionen Euro für neue Schulen",
     "Der Landtag in München hat am Mittwoch über den Haushalt beraten. Die bayerische Regierung will Geld vom "
     "Bund, das Finanzministerium lehnt das ab. Auch Sachsen und Hessen melden Ansprüche von {n} Millionen an."),
    ("uk", "У Харкові відкрили {n} укриттів, допоможуть партнери з Польщі та Німеччини",
     "Мер Харкова повідомив, що роботи завершать до кінця року. Українські та польські фахівці перевірили {n} споруд. "
     "Кошти надали уряди кількох країн, зокрема Франції, Швеції та Канади, а також громада Львова."),
    ("fr", "La France et l'Ukraine signent un accord sur {n} locomotives",
     "Le ministre ukrainien a été reçu à Paris jeudi. Les machines seront construites à Belfort et livrées avant {n} "
     "jours, selon le gouvernement français. L'Allemagne et la Pologne étudient un projet semblable."),
)  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure tagging stories with regions.")
    parser.add_argument("--stories", type=int, default=20_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    figures = measure(options.stories)
    if options.json:
        print(json.dumps(figures))
        return
    print(f"{options.stories:,} stories, {len(REGIONS)} regions, one core")
    for name, value in figures.items():
        print(f"  {name:<14} {value:>10,}")


def measure(stories: int) -> dict[str, float]:
    """Return seconds of building and of tagging that many stories, the tags made, and the peak memory in MB."""
    start = time.perf_counter()
    gazetteer = Gazetteer.of(REGIONS)
    built = time.perf_counter()
    tags = sum(len(gazetteer.tag(_story(number))) for number in range(stories))
    done = time.perf_counter()
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "build_s": round(built - start, 3),
        f"tag_{stories}_s": round(done - built, 3),
        "tags": tags,
        "peak_mb": round(peak_mb),
    }


def _story(number: int) -> About:
    language, headline, summary = TEXTS[number % len(TEXTS)]
    return About(headline.format(n=number), summary.format(n=number), language)


if __name__ == "__main__":
    main()
