"""Stage 4: an approved issue to the ledger, to the provider, to an outcome for every reader."""

from newsletter.delivery.accounting import Tally, Trouble, tally, troubles
from newsletter.delivery.ledger import resolve
from newsletter.delivery.marked import example_values, send_test
from newsletter.delivery.send import Post, SendReport, send

__all__ = [
    "Post",
    "SendReport",
    "Tally",
    "Trouble",
    "example_values",
    "resolve",
    "send",
    "send_test",
    "tally",
    "troubles",
]
