"""Mail that comes back: bounces, complaints and people who leave by mail, at the addresses our own mails name.

Anybody can write anything there, so nothing in a message is believed but what we signed ourselves: a delivery's name in
the return path, the envelope id or the Message-ID (`delivery.names`), or the token of a link (`subscribers.tokens`). No
message is ever answered (RFC 3834), and none that is not understood is deleted (trust 2.2).
"""

from newsletter.inbound.acting import Did, Done, act
from newsletter.inbound.boxes import Message, Unwritable, deal_with, deal_with_one

__all__ = ["Did", "Done", "Message", "Unwritable", "act", "deal_with", "deal_with_one"]
