"""Coverage: which stories of several sources are about one event. Pure: stories in, groups of ids out.

words -> profiles -> likeness -> grouping: text becomes weighted terms, two stories a likeness, likenesses groups
"""

from newsletter.coverage.grouping import group, topics
from newsletter.coverage.news import materially_new
from newsletter.coverage.pieces import Piece

__all__ = ["Piece", "group", "materially_new", "topics"]
