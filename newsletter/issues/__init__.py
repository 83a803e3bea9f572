"""Stage 2: stories to an issue. `choose` is pure; `draft`, `edit`, `approve` and `skip` change rows.

stories -> draft -> (edit -> draft)* -> approve -> the frozen mail that delivery finds
"""

from newsletter.issues.approval import approve, render
from newsletter.issues.candidates import candidates
from newsletter.issues.choice import Choice, Chosen, LeftOut, Limits, choose
from newsletter.issues.content import content_of
from newsletter.issues.drafting import Drafted, draft, leave_out_unsure, reconsider, record_missed, skip
from newsletter.issues.editing import Changes, edit
from newsletter.issues.explaining import Explanation, Facts, as_thin_as, explain, facts_of, find_story
from newsletter.issues.rows import (
    Place,
    about_edition,
    all_issues,
    all_places,
    find_edition,
    find_issue,
    issue_name,
    local_time,
    lock_issue,
    places,
)
from newsletter.issues.score import Candidate, Part, Weights
from newsletter.issues.weeks import Slot, last_slot, near_slot, next_slot, slot_of

__all__ = [
    "Candidate",
    "Changes",
    "Choice",
    "Chosen",
    "Drafted",
    "Explanation",
    "Facts",
    "LeftOut",
    "Limits",
    "Part",
    "Place",
    "Slot",
    "Weights",
    "about_edition",
    "all_issues",
    "all_places",
    "approve",
    "as_thin_as",
    "candidates",
    "choose",
    "content_of",
    "draft",
    "edit",
    "explain",
    "facts_of",
    "find_edition",
    "find_issue",
    "find_story",
    "issue_name",
    "last_slot",
    "leave_out_unsure",
    "local_time",
    "lock_issue",
    "near_slot",
    "next_slot",
    "places",
    "reconsider",
    "record_missed",
    "render",
    "skip",
    "slot_of",
]
