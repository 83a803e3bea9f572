"""Stage 5: what providers report reaches the ledger, the readers, and whoever looks at an issue's figures."""

from newsletter.feedback.agreeing import Plan, Planned, Step, agree, plan_agreement
from newsletter.feedback.figures import Reported, reported
from newsletter.feedback.taking import Taken, take_in

__all__ = [
    "Plan",
    "Planned",
    "Reported",
    "Step",
    "Taken",
    "agree",
    "plan_agreement",
    "reported",
    "take_in",
]
