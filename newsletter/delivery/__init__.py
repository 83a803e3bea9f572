"""Stage 4: an approved issue to the ledger, to the provider, to an outcome for every reader."""

from newsletter.delivery.accounting import Tally, Trouble, tally, troubles
from newsletter.delivery.carrying import Carrier, Post
from newsletter.delivery.ledger import accept, plan_again
from newsletter.delivery.marked import example_values, send_test
from newsletter.delivery.reconciling import Reconciled, reconcile
from newsletter.delivery.sending import SendReport, send

__all__ = [
    "Carrier",
    "Post",
    "Reconciled",
    "SendReport",
    "Tally",
    "Trouble",
    "accept",
    "example_values",
    "plan_again",
    "reconcile",
    "send",
    "send_test",
    "tally",
    "troubles",
]
