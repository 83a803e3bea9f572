"""Draws the pictures of the sample newsroom into demo/pictures/: `python -m demo.pictures`, or a few by name."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from demo.canvas import Canvas, save
from demo.scenes import land, outskirts, sea, town, works

FOLDER = Path(__file__).with_name("pictures")
#: Bytes of one picture; a mail with a lead and eight more stays below half a megabyte (R22).
LIMIT = 49_500


@dataclass(frozen=True)
class Scene:
    """A scene and the seed that gives it its clouds, trees and windows."""

    draw: Callable[[int], Canvas]
    seed: int
    grain: int = 5


SCENES = {
    "flood-meadow": Scene(land.flood_meadow, 7),
    "pumping-station": Scene(works.pumping_station, 11),
    "furrows": Scene(land.furrows, 23),
    "forest-mist": Scene(land.forest_mist, 7, grain=3),
    "night-sky": Scene(land.night_sky, 7),
    "pylons": Scene(works.pylons, 31),
    "harbour": Scene(sea.harbour, 7),
    "wind-farm": Scene(works.wind_farm, 41),
    "lighthouse": Scene(sea.lighthouse, 7),
    "ferry": Scene(sea.ferry, 53),
    "dunes": Scene(land.dunes, 61, grain=1),
    "roofs": Scene(town.roofs, 7),
    "tram": Scene(town.tram, 7),
    "railway": Scene(outskirts.railway, 71),
    "pitch": Scene(outskirts.pitch, 7),
    "bridge": Scene(town.bridge, 83),
}


def draw(name: str, folder: Path = FOLDER) -> Path:
    """Draw one scene into `folder` as a JPEG of at most LIMIT bytes and return its path."""
    scene = SCENES[name]
    path = folder / f"{name}.jpg"
    save(scene.draw(scene.seed).finish(grain=scene.grain), path, LIMIT)
    return path


if __name__ == "__main__":
    for chosen in sys.argv[1:] or SCENES:
        drawn = draw(chosen)
        print(f"{drawn.name}: {drawn.stat().st_size:,} bytes")
