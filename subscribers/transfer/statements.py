"""The SQL of an import. Where nothing else is said, SQLite and PostgreSQL read it alike.

`incoming` holds a batch; each statement that takes people out of it is about those who stay out. On PostgreSQL others
write meanwhile, so there the evidence is taken of what the change of state really changed, in one statement: one for
readers who are new, whose subscription nobody else can have made, and one for those we know. On SQLite the transaction
is the only writer: the evidence comes first, and then the change.
"""

from __future__ import annotations

#: The columns of the temporary tables.
TEMPORARY = {
    "incoming": (
        "place INTEGER PRIMARY KEY, key TEXT, address TEXT, name TEXT, standing TEXT, agreed TEXT, network TEXT"
    ),
    "incoming_value": "place INTEGER, field_id INTEGER, value TEXT",
    "incoming_tag": "place INTEGER, tag TEXT",
    "incoming_choice": "place INTEGER, language TEXT, text_only BOOLEAN, paused_until TEXT, monthly BOOLEAN",
}

#: The hashes among the suppressed. SQLite has an index for the range; PostgreSQL's order is that of its locale.
HASHES_SQLITE = "SELECT address_key FROM suppression WHERE address_key >= 'h:' AND address_key < 'h;'"
HASHES_POSTGRESQL = "SELECT address_key FROM suppression WHERE address_key LIKE 'h:%'"
NOT_ERASED = "DELETE FROM incoming WHERE place = :place"

_BY_FILE = "standing IN ('bounced', 'complained', 'blocked')"
NOT_SUPPRESSED_BY_FILE = f"DELETE FROM incoming WHERE {_BY_FILE}"  # noqa: S608 - all words in this file are ours
NOT_SUPPRESSED = "DELETE FROM incoming WHERE EXISTS (SELECT 1 FROM suppression WHERE address_key = incoming.key)"
NOT_LEFT_BY_FILE = "DELETE FROM incoming WHERE standing = 'left'"
NOT_LEFT = """
    DELETE FROM incoming WHERE EXISTS (
        SELECT 1 FROM subscriber JOIN subscription ON subscription.subscriber_id = subscriber.id
        WHERE subscriber.address_key = incoming.key
        AND subscription.list_id = :list AND subscription.state = 'left'
    )
"""
NEW_READERS = """
    INSERT INTO subscriber (address, address_key, name, created_at)
    SELECT address, key, name, :now FROM incoming WHERE standing = '{standing}' ORDER BY place
    ON CONFLICT (address_key) DO NOTHING
"""

# CROSS JOIN keeps SQLite from going through all readers for each of the batch; PostgreSQL plans as it likes, and would
# go through them once for each batch but for OFFSET, behind which it looks up one after the other.
_PEOPLE = "incoming CROSS JOIN subscriber WHERE subscriber.address_key = incoming.key"
_KNOWN = "(SELECT id FROM subscriber WHERE address_key = incoming.key OFFSET 0) AS subscriber"
_WORDING = """
    CASE WHEN incoming.agreed = '' THEN :consent
    ELSE :consent || ' (The file says: since ' || incoming.agreed || '.)' END
"""
_SUBSCRIPTION = """
    INSERT INTO subscription
    (subscriber_id, list_id, state, requested_at, changed_at, confirmation_sent_at, confirmation_tries,
    confirmation_not_before)
"""
_CONSENT = "INSERT INTO consent (subscriber_id, list_id, action, at, source, wording, network)"
_ON_CONFLICT = """
    ON CONFLICT (subscriber_id, list_id)
    DO UPDATE SET state = excluded.state, changed_at = excluded.changed_at, asked_with = NULL, answers = NULL
    WHERE subscription.state = 'pending'
"""


def _change_sqlite(standing: str, state: str) -> str:
    return f"""
        {_SUBSCRIPTION}
        SELECT subscriber.id, :list, '{state}', :now, :now, NULL, 0, NULL
        FROM {_PEOPLE} AND incoming.standing = '{standing}' ORDER BY incoming.place
        {_ON_CONFLICT}
    """  # noqa: S608


def _evidence_sqlite(standing: str, action: str, wording: str) -> str:
    return f"""
        {_CONSENT}
        SELECT subscriber.id, :list, '{action}', :now, :source, {wording}, incoming.network
        FROM {_PEOPLE} AND incoming.standing = '{standing}' AND NOT EXISTS (
            SELECT 1 FROM subscription
            WHERE subscriber_id = subscriber.id AND list_id = :list AND state <> 'pending'
        ) ORDER BY incoming.place
    """  # noqa: S608


def _new_postgresql(standing: str, state: str, action: str, wording: str) -> str:
    return f"""
        WITH new AS (
            {NEW_READERS.format(standing=standing)} RETURNING id, address_key
        ), changed AS (
            {_SUBSCRIPTION} SELECT id, :list, '{state}', :now, :now, NULL, 0, NULL FROM new
        )
        {_CONSENT}
        SELECT new.id, :list, '{action}', :now, :source, {wording}, incoming.network
        FROM new JOIN incoming ON incoming.key = new.address_key
    """  # noqa: S608


def _change_postgresql(standing: str, state: str, action: str, wording: str) -> str:
    return f"""
        WITH people AS (
            SELECT subscriber.id, incoming.place, {wording} AS wording, incoming.network
            FROM incoming CROSS JOIN LATERAL {_KNOWN} WHERE incoming.standing = '{standing}'
        ), changed AS (
            {_SUBSCRIPTION}
            SELECT id, :list, '{state}', :now, :now, NULL, 0, NULL FROM people ORDER BY place
            {_ON_CONFLICT}
            RETURNING subscriber_id
        )
        {_CONSENT}
        SELECT people.id, :list, '{action}', :now, :source, people.wording, people.network
        FROM changed JOIN people ON people.id = changed.subscriber_id
    """  # noqa: S608


JOIN_EVIDENCE_SQLITE = _evidence_sqlite("subscribed", "imported", _WORDING)
JOIN_SQLITE = _change_sqlite("subscribed", "confirmed")
JOIN_NEW_POSTGRESQL = _new_postgresql("subscribed", "confirmed", "imported", _WORDING)
JOIN_POSTGRESQL = _change_postgresql("subscribed", "confirmed", "imported", _WORDING)

#: A reader who is on the list here stays: the file says that they left somewhere else.
LEAVE_EVIDENCE_SQLITE = _evidence_sqlite("left", "left", "''")
LEAVE_SQLITE = _change_sqlite("left", "left")
LEAVE_NEW_POSTGRESQL = _new_postgresql("left", "left", "left", "''")
LEAVE_POSTGRESQL = _change_postgresql("left", "left", "left", "''")

#: As `suppress` does: who is just being claimed for a mail is suppressed after it.
LOCK_SUPPRESSED = f"""
    SELECT subscriber.id FROM {_PEOPLE} AND {_BY_FILE} ORDER BY subscriber.address_key FOR UPDATE OF subscriber
"""  # noqa: S608
SUPPRESS = f"""
    INSERT INTO suppression (address_key, reason, note, at)
    SELECT key, CASE standing WHEN 'bounced' THEN 'bounce' WHEN 'complained' THEN 'complaint' ELSE 'manual' END,
    :source, :now FROM incoming WHERE {_BY_FILE} ORDER BY place
    ON CONFLICT (address_key) DO NOTHING
"""  # noqa: S608

RENAME = """
    UPDATE subscriber SET name = incoming.name FROM incoming
    WHERE subscriber.address_key = incoming.key AND incoming.name <> '' AND incoming.name <> subscriber.name
"""
VALUES = """
    INSERT INTO field_value (subscriber_id, field_id, value)
    SELECT subscriber.id, incoming_value.field_id, incoming_value.value
    FROM incoming_value JOIN incoming ON incoming.place = incoming_value.place
    JOIN subscriber ON subscriber.address_key = incoming.key WHERE true
    ON CONFLICT (subscriber_id, field_id) {known}
"""
# Whoever was made by this import has its time; `--update` is for all others, too.
_PAUSED_UNTIL = "CAST(incoming_choice.paused_until || '+00' AS TIMESTAMP WITH TIME ZONE)"
_CHOICES = """
    UPDATE subscriber SET language = COALESCE(NULLIF(incoming_choice.language, ''), subscriber.language),
    text_only = COALESCE(incoming_choice.text_only, subscriber.text_only),
    paused_until = COALESCE({paused_until}, subscriber.paused_until)
    FROM incoming_choice JOIN incoming ON incoming.place = incoming_choice.place
    WHERE subscriber.address_key = incoming.key
"""
CHOICES_SQLITE = _CHOICES.format(paused_until="incoming_choice.paused_until")
CHOICES_POSTGRESQL = _CHOICES.format(paused_until=_PAUSED_UNTIL)
NEW_READERS_ALONE = " AND subscriber.created_at = :now"
MONTHLY = """
    UPDATE subscription SET monthly = incoming_choice.monthly
    FROM incoming_choice JOIN incoming ON incoming.place = incoming_choice.place
    JOIN subscriber ON subscriber.address_key = incoming.key
    WHERE subscription.subscriber_id = subscriber.id AND subscription.list_id = :list
    AND incoming_choice.monthly IS NOT NULL
"""
NEW_SUBSCRIPTIONS_ALONE = " AND subscription.requested_at = :now"
NEW_TAGS = """
    INSERT INTO tag (name) SELECT DISTINCT tag FROM incoming_tag JOIN incoming ON incoming.place = incoming_tag.place
    WHERE true ORDER BY tag ON CONFLICT (name) DO NOTHING
"""
TAGS = """
    INSERT INTO subscriber_tag (subscriber_id, tag_id, at)
    SELECT subscriber.id, tag.id, :now
    FROM incoming_tag JOIN incoming ON incoming.place = incoming_tag.place
    JOIN subscriber ON subscriber.address_key = incoming.key JOIN tag ON tag.name = incoming_tag.tag
    WHERE true ON CONFLICT (subscriber_id, tag_id) DO NOTHING
"""
