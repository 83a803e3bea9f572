"""The ledger: one row for each issue and reader, and the only places where such a row changes its state.

    planned --claim--> sending --accepted / rejected--> (final)
       ^                  |----this reader later--------> planned, in a new chunk, after a growing wait
       |                  |----nobody now, or refused---> planned; the issue waits
       |                  |----answer unclear, worker died----> uncertain
       |<---- by hand, or because it surely was not taken: uncertain; by hand: rejected
    uncertain --the provider reports it, or by hand--> accepted
    accepted --its batch is being cancelled--> uncertain, --and was, before its time--> planned
    planned --claim, but the reader left, pauses or is suppressed--> suppressed (final)

Every function takes the caller's session and never commits. The network is never used while a transaction is open.
Rows are locked in one order, the issue before its chunks before their deliveries, so that workers cannot deadlock.
"""

from newsletter.delivery.ledger.claiming import claim
from newsletter.delivery.ledger.outcomes import MAX_TRIES, TRANSITIONS, Consequence, Then, settle, what_follows
from newsletter.delivery.ledger.recording import (
    FIRST_BACKOFF,
    FIRST_WAIT,
    LONGEST_WAIT,
    Recorded,
    finish,
    record,
    release,
)
from newsletter.delivery.ledger.settling import Testimony, accept, give_free, hold_orphans, no_testimony, plan_again
from newsletter.delivery.ledger.values import LEASE, Claim, Reader, Terms

__all__ = [
    "FIRST_BACKOFF",
    "FIRST_WAIT",
    "LEASE",
    "LONGEST_WAIT",
    "MAX_TRIES",
    "TRANSITIONS",
    "Claim",
    "Consequence",
    "Reader",
    "Recorded",
    "Terms",
    "Testimony",
    "Then",
    "accept",
    "claim",
    "finish",
    "give_free",
    "hold_orphans",
    "no_testimony",
    "plan_again",
    "record",
    "release",
    "settle",
    "what_follows",
]
