"""The ledger: attempts and their outcomes, events, rates, deliveries counted by number, issues that were called off.

Revision: 0004, after 0003. A delivery's id was 32 random digits, whose index made planning four times as slow; now it is
a number, and its name outside is signed. Reports about mails sent before no longer find their delivery.
"""

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)
_DELIVERY_STATES = "'planned', 'sending', 'accepted', 'rejected', 'suppressed', 'uncertain'"
_ISSUE_STATES = "'draft', 'approved', 'sending', 'sent', 'skipped'"
_FROZEN = "'approved', 'sending', 'sent'"
_KINDS = (
    "'processed', 'deferred', 'delivered', 'bounced', 'blocked', 'dropped', 'complained', 'unsubscribed', 'opened', "
    "'clicked', 'other'"
)


def upgrade() -> None:
    _change_issue(f"{_ISSUE_STATES}, 'cancelled'", f"{_FROZEN}, 'cancelled'", length=9, was=8)
    op.add_column("issue", sa.Column("scheduled_for", _TIME, nullable=True))
    op.add_column("issue", sa.Column("name_key", sa.String(length=32), server_default="", nullable=False))
    op.execute("UPDATE issue SET name_key = nonce")
    op.add_column("chunk", sa.Column("waits_for", sa.String(length=320), server_default="", nullable=False))
    op.create_index(op.f("ix_chunk_issue_id_chunk_state_chunk_n"), "chunk", ["issue_id", "state", "n"])
    _number_deliveries()
    _create_attempts()
    _give_old_issues_an_attempt()
    _create_event()
    _create_rates()


def _change_issue(states: str, frozen: str, *, length: int, was: int) -> None:
    """Allow an issue these states. SQLite copies the table, with foreign keys off (`Database.upgrade`)."""
    with op.batch_alter_table("issue") as issue:
        issue.drop_constraint(op.f("ck_issue_state_known"), type_="check")
        issue.drop_constraint(op.f("ck_issue_approved_is_frozen"), type_="check")
        issue.alter_column("state", existing_type=sa.String(length=was), type_=sa.String(length=length))
        issue.create_check_constraint(op.f("ck_issue_state_known"), f"state IN ({states})")
        issue.create_check_constraint(
            op.f("ck_issue_approved_is_frozen"),
            f"state NOT IN ({frozen}) OR (content_hash <> '' AND approved_at IS NOT NULL)",
        )


def _number_deliveries() -> None:
    """Make the table anew with numbers as ids, in the order in which the deliveries were planned."""
    columns = "issue_id, subscriber_id, chunk, state, address, detail, reference, changed_at"
    op.execute(f"CREATE TABLE delivery_before AS SELECT {columns} FROM delivery")
    op.drop_table("delivery")
    op.create_table(
        "delivery",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("issue_id", sa.Integer(), nullable=False),
        sa.Column("subscriber_id", sa.Integer(), nullable=False),
        sa.Column("chunk", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("reference", sa.String(length=200), nullable=False),
        sa.Column("reported", sa.String(length=12), nullable=False),
        sa.Column("changed_at", _TIME, nullable=False),
        sa.CheckConstraint(f"state IN ({_DELIVERY_STATES})", name=op.f("ck_delivery_state_known")),
        sa.ForeignKeyConstraint(["issue_id"], ["issue.id"], name=op.f("fk_delivery_issue_id_issue")),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscriber.id"], name=op.f("fk_delivery_subscriber_id_subscriber")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
        sa.UniqueConstraint("issue_id", "subscriber_id", name=op.f("uq_delivery_issue_id_subscriber_id")),
    )
    op.execute(
        f"INSERT INTO delivery ({columns}, attempt, reported) "
        f"SELECT {columns}, 0, '' FROM delivery_before ORDER BY issue_id, chunk, subscriber_id"
    )
    op.drop_table("delivery_before")
    op.create_index(op.f("ix_delivery_issue_id_delivery_chunk"), "delivery", ["issue_id", "chunk"])
    uncertain = sa.text("state = 'uncertain'")
    op.create_index("ix_delivery_uncertain", "delivery", ["attempt"], sqlite_where=uncertain, postgresql_where=uncertain)
    # A claim without an attempt that would belong to it: nobody knows what came of it.
    op.execute(
        "UPDATE delivery SET state = 'uncertain', detail = 'was being sent when the database was upgraded' "
        "WHERE state = 'sending'"
    )
    op.execute("UPDATE chunk SET state = 'done', lease_until = NULL WHERE state = 'claimed'")


def _create_attempts() -> None:
    ledger = op.create_table(
        "ledger", sa.Column("id", sa.String(length=32), nullable=False), sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger"))
    )
    op.bulk_insert(ledger, [{"id": uuid4().hex}])
    op.create_table(
        "attempt",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("issue_id", sa.Integer(), nullable=False),
        sa.Column("chunk", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(length=200), nullable=False),
        sa.Column("provider", sa.String(length=200), nullable=False),
        sa.Column("readers", sa.Integer(), nullable=False),
        sa.Column("batch", sa.String(length=100), nullable=False),
        sa.Column("send_at", _TIME, nullable=True),
        sa.Column("at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(["issue_id"], ["issue.id"], name=op.f("fk_attempt_issue_id_issue")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempt")),
    )
    op.create_index(op.f("ix_attempt_issue_id"), "attempt", ["issue_id"])
    op.create_table(
        "attempt_outcome",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("attempt_id", sa.BigInteger(), nullable=False),
        sa.Column("delivery_id", sa.BigInteger(), nullable=True),
        sa.Column("readers", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("reference", sa.String(length=200), nullable=False),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempt_outcome")),
    )
    op.create_index(op.f("ix_attempt_outcome_attempt_id"), "attempt_outcome", ["attempt_id"])
    op.create_index(op.f("ix_attempt_outcome_delivery_id"), "attempt_outcome", ["delivery_id"])
    for table in ("attempt", "attempt_outcome"):
        _make_append_only(table)


def _give_old_issues_an_attempt() -> None:
    """Let what came of the deliveries of before belong to an attempt, one for each issue, as everything does now."""
    op.execute(
        "INSERT INTO attempt (issue_id, chunk, worker, provider, readers, batch, at) "
        "SELECT issue_id, -1, 'before the upgrade', '', count(*), '', max(changed_at) FROM delivery "
        "WHERE state NOT IN ('planned', 'suppressed') GROUP BY issue_id ORDER BY issue_id"
    )
    op.execute(
        "UPDATE delivery SET attempt = (SELECT attempt.id FROM attempt WHERE attempt.issue_id = delivery.issue_id) "
        "WHERE state NOT IN ('planned', 'suppressed')"
    )


def _make_append_only(table: str) -> None:
    """Make the database itself refuse a change to what was tried and what came of it."""
    refusal = f"{table} rows are append-only"
    if op.get_bind().dialect.name == "sqlite":
        for action in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{action.lower()} BEFORE {action} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
            )
        op.execute(
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} "
            f"WHEN EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id) "
            f"BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
        )
        return
    op.execute(
        f"CREATE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{refusal}'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION {table}_append_only()"
    )
    op.execute(
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_append_only()"
    )


def _create_event() -> None:
    op.create_table(
        "event",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("provider", sa.String(length=50), nullable=False),
        sa.Column("event_id", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("received_at", _TIME, nullable=False),
        sa.Column("delivery_id", sa.BigInteger(), nullable=True),
        sa.Column("attempt_id", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.String(length=200), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("raw", sa.JSON(), nullable=False),
        sa.CheckConstraint(f"kind IN ({_KINDS})", name=op.f("ck_event_kind_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
        sa.UniqueConstraint("provider", "event_id", name=op.f("uq_event_provider_event_id")),
    )
    op.create_index(op.f("ix_event_delivery_id"), "event", ["delivery_id"])
    op.create_index(op.f("ix_event_attempt_id"), "event", ["attempt_id"])


def _create_rates() -> None:
    op.create_table(
        "rate_use",
        sa.Column("scope", sa.String(length=400), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "seconds", "start", name=op.f("pk_rate_use")),
    )
    op.create_table(
        "pace",
        sa.Column("scope", sa.String(length=400), nullable=False),
        sa.Column("chunk_size", sa.Integer(), nullable=False),
        sa.Column("since", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_pace")),
    )
