"""Stage 4: an approved issue to the ledger, to the provider, to an outcome for every reader."""

from newsletter.delivery.accounting import Tally, Trouble, tally, troubles
from newsletter.delivery.ledger import accept_uncertain, plan_again
from newsletter.delivery.marked import example_values, send_test
from newsletter.delivery.sending import Post, SendReport, send

__all__ = [
    "Post",
    "SendReport",
    "Tally",
    "Trouble",
    "accept_uncertain",
    "example_values",
    "plan_again",
    "send",
    "send_test",
    "tally",
    "troubles",
]
