"""A simulator of SendGrid's v3 API, for tests of anything that sends through it. It sends no mail.

    from newsletter.testing.sendgrid import API_KEY, Fault, SendGridSimulator, When

    with SendGridSimulator() as sendgrid:
        sendgrid.fail(Fault.named("202 then reset", When(requests=(2,))))
        my_sender(host=sendgrid.url, key=API_KEY)
        assert [mail.address for mail in sendgrid.left] == ["ada@example.org"]

It listens on loopback, answers as SendGrid's documents say (rules.py, api.py), and remembers every mail that it took:
`mails` has them with their state (scheduled, sent, dropped, cancelled, …), time, custom_args, substitutions and
batch. What it takes twice is there twice: SendGrid has no idempotency key.

*Faults* are data. `NAMED` has those known by a name; a `Fault` of one's own says apart from each other how much of a
request is read, which share of it is taken, what is answered, how much of that arrives, and how the connection ends.
`When` says for which requests: by number, every n-th, path, size, address, place on the connection, or by chance.

*Time* is the machine's, or with `start` stands still; `advance(seconds)` lets it pass. Mails with a `send_at` go out
when it comes, unless their batch is cancelled or paused. Cancelling later than ten minutes before is answered as ever
and does nothing, unless `late_cancel` says otherwise.

*Events* follow from the address: bounce-…@, late-bounce-…@, block-…@, nodomain-…@, defer-…@, expire-…@, drop-…@,
spam-…@, open-…@, click-…@, unsubscribe-…@ and silent-…@ do what they say, all others are delivered; `behaviour` may say
otherwise. Bounces, complaints and unsubscribes go on the account's lists, and the next mail is dropped. Events are
posted to `webhook`, signed, and again for a day until they are taken; or `events()` returns what would be posted, as
(headers, body). `Disorder` has them come twice, late, in any order, or not at all.

What is by chance depends on `seed` alone, as long as one client sends. In another process it is the same:
`python -m newsletter.testing.sendgrid --help`, and `simulator_process` to start and ask it from a test. Its state is
under /_simulator/: GET state, counts, ids, left, events, faults; POST faults, clock, suppressions, key.

What it does not know: templates, attachments' content, subusers, statistics, unsubscribe groups, TLS.
"""

from __future__ import annotations

from newsletter.testing.sendgrid.account import LateCancel
from newsletter.testing.sendgrid.api import API_KEY, SCOPES, Rate
from newsletter.testing.sendgrid.behaviour import BY_ADDRESS, Behaviour, Step
from newsletter.testing.sendgrid.events import Disorder
from newsletter.testing.sendgrid.faults import Fault, When
from newsletter.testing.sendgrid.mails import SimulatedMail, State
from newsletter.testing.sendgrid.named import NAMED, End, Naming
from newsletter.testing.sendgrid.process import SimulatorProcess, simulator_process
from newsletter.testing.sendgrid.signing import SIGNATURE_HEADER, TIMESTAMP_HEADER, SigningKey
from newsletter.testing.sendgrid.simulator import Asked, SendGridSimulator

__all__ = [
    "API_KEY",
    "BY_ADDRESS",
    "NAMED",
    "SCOPES",
    "SIGNATURE_HEADER",
    "TIMESTAMP_HEADER",
    "Asked",
    "Behaviour",
    "Disorder",
    "End",
    "Fault",
    "LateCancel",
    "Naming",
    "Rate",
    "SendGridSimulator",
    "SigningKey",
    "SimulatedMail",
    "SimulatorProcess",
    "State",
    "Step",
    "When",
    "simulator_process",
]
