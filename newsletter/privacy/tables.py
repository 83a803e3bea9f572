"""What the tables of both packages hold of a person (`subscribers.personal`), in the order in which it is erased."""

from __future__ import annotations

from sqlalchemy import Select, or_
from sqlalchemy import select as select_columns
from sqlmodel import col

from newsletter.models import AttemptOutcome, Delivery, Issue, ReportedEvent
from subscribers import personal
from subscribers.personal import About, AboutNobody, Person

_ACCOUNT = (
    "the account of an issue: how many got it, when, by which attempt, has to add up for as long as the issue is kept; "
    "it leads to a row without a name or address"
)
_REPORT = (
    "what kind of report came when, about which mail: counted in the figures of the issue; the id is the provider's "
    "own, and keeps a report that is posted again from being taken for a new one"
)


def _deliveries(person: Person) -> Select[int]:
    """Return the query for the numbers of a person's deliveries. Its index begins with the issue."""
    issues = select_columns(col(Issue.id)).where(col(Issue.expected) > 0)
    return select_columns(col(Delivery.id)).where(
        col(Delivery.issue_id).in_(issues), col(Delivery.subscriber_id) == person.id
    )


TABLES: tuple[About, ...] = (
    About(
        "event",
        "what the provider that carries the mails reported about yours",
        lambda person: or_(
            col(ReportedEvent.delivery_id).in_(_deliveries(person)),
            col(ReportedEvent.id).in_(person.found.get("event", ())),
        ),
        emptied={"address": "", "detail": "", "raw": {}},
        kept={"id provider event_id kind at received_at delivery_id attempt_id reference": _REPORT},
    ),
    About(
        "attempt_outcome",
        "what came of handing over your mails, where it was not as for all others",
        lambda person: col(AttemptOutcome.delivery_id).in_(_deliveries(person)),
        kept={
            "id attempt_id delivery_id readers status reference by at": _ACCOUNT,
            "detail": "the words of a server, written down without the address (`ledger.outcomes.settle`)",
        },
    ),
    About(
        "delivery",
        "the issues that you were to get, and what became of each",
        lambda person: col(Delivery.id).in_(_deliveries(person)),
        emptied={"address": "", "detail": ""},
        kept={"id issue_id subscriber_id chunk state attempt reference reported changed_at": _ACCOUNT},
    ),
    *personal.TABLES,
)

_STORIES = "what was published, and by whom"
_WORK = "how much was sent when, in numbers"

ABOUT_NOBODY: tuple[AboutNobody, ...] = (
    *personal.TABLES_ABOUT_NOBODY,
    AboutNobody("ledger", "id", "the name of the database"),
    AboutNobody("pace", "scope chunk_size since", _WORK),
    AboutNobody(
        "rate_use",
        "scope seconds start used",
        f"{_WORK}; sign-ups are counted by a keyed hash of address and network, which `retention` lets go",
    ),
    AboutNobody(
        "chunk",
        "id issue_id n state tries not_before waits_for text_only worker lease_until",
        f"{_WORK}; of readers only a domain",
    ),
    AboutNobody("attempt", "id issue_id chunk worker provider readers batch send_at at", _WORK),
    AboutNobody("picture", "sha256 media_type width height body small created_at", _STORIES),
    AboutNobody("region", "id code name words parent area", "places"),
    AboutNobody(
        "source",
        "id slug name kind url language weight enabled etag last_modified fetched_at succeeded_at failures last_error "
        "failing_since next_fetch_at new_story_at notice told_at told_of first_fetched_at",
        "where stories come from",
    ),
    AboutNobody("source_region", "source_id region_id", "where stories come from"),
    AboutNobody(
        "story",
        "id source_id url link title summary author language image_url image_alt image_credit picture picture_problem "
        "picture_tried_at categories dateline latitude longitude published_at is_dated first_seen_at updated_at "
        "coverage tagged_as",
        _STORIES,
    ),
    AboutNobody("story_source", "story_id source_id", _STORIES),
    AboutNobody("story_region", "story_id region_id evidence strength", _STORIES),
    AboutNobody(
        "edition",
        "id slug name tagline region_name list_id language sender_name sender_address reply_to publisher "
        "postal_address contact send_weekday send_hour_minute time_zone draft_hours deadline_rule min_stories "
        "max_stories max_age_days fall_back accent accent_dark logo_url logo_width welcome goodbye monthly audience "
        "created_at enabled",
        "the newsroom's own name and addresses",
    ),
    AboutNobody("edition_region", "edition_id region_id", "places"),
    AboutNobody(
        "issue",
        "id edition_id week number state expected next_try_at put_off stops reason send_at drafted_at subject_override "
        "preheader_override intro closing corrections accepted review_asked_at approved_at approved_by sending_since "
        "scheduled_for sent_at subject html text nonce name_key from_name from_address reply_to content_hash",
        "what was published, with holes for what differs from reader to reader; of persons only who approved it",
    ),
    AboutNobody(
        "issue_story",
        "id issue_id story_id position pinned dropped headline summary picture image_alt image_credit score reasons "
        "sent_text",
        _STORIES,
    ),
)
