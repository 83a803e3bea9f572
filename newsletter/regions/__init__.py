"""Which regions a story is about, with evidence and strength. Pure: texts and registered regions in, tags out."""

from newsletter.regions.gazetteer import Gazetteer
from newsletter.regions.places import ABOUT, About, RegionWords, Tag, parent_of

__all__ = ["ABOUT", "About", "Gazetteer", "RegionWords", "Tag", "parent_of"]
