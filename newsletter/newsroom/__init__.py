"""A newsroom as one file: its regions, lists, sources and editions, read with `apply` and written with `export`.

`entries` validates what the command line and the file bring; `rows` changes the tables, which do not validate.
"""

from newsletter.newsroom.audiences import Reach, reach_of, refuse_named
from newsletter.newsroom.codes import code_meant, name_of, no_region
from newsletter.newsroom.entries import (
    WEEKDAYS,
    EditionEntry,
    ListEntry,
    Newsroom,
    RegionEntry,
    SourceEntry,
    checked,
    parse,
    to_toml,
)
from newsletter.newsroom.lists import editions_of, move_editions, refuse_while_sending
from newsletter.newsroom.rows import (
    Change,
    apply,
    change_edition,
    enable_source,
    find_source,
    put_edition,
    put_list,
    put_logo,
    put_region,
    put_source,
    read,
    remove_source,
    source_slug,
)

__all__ = [
    "WEEKDAYS",
    "Change",
    "EditionEntry",
    "ListEntry",
    "Newsroom",
    "Reach",
    "RegionEntry",
    "SourceEntry",
    "apply",
    "change_edition",
    "checked",
    "code_meant",
    "editions_of",
    "enable_source",
    "find_source",
    "move_editions",
    "name_of",
    "no_region",
    "parse",
    "put_edition",
    "put_list",
    "put_logo",
    "put_region",
    "put_source",
    "reach_of",
    "read",
    "refuse_named",
    "refuse_while_sending",
    "remove_source",
    "source_slug",
    "to_toml",
]
