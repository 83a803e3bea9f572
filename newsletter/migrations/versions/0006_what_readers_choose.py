"""What readers choose: languages, text alone, pauses, monthly issues, a new address; what erasing leaves behind."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_ACTIONS = {
    "0005": "'requested', 'confirmed', 'imported', 'joined', 'left'",
    "0006": "'requested', 'confirmed', 'imported', 'joined', 'left', 'changed', 'erased'",
}
_REASONS = {"0005": "'bounce', 'complaint', 'manual'", "0006": "'bounce', 'complaint', 'manual', 'erased'"}
_CONSENT = "id, subscriber_id, list_id, action, at, source, wording, network"
_SUPPRESSION = "id, address_key, reason, note, at"


def upgrade() -> None:
    op.add_column("subscriber", sa.Column("language", sa.String(length=35), server_default="", nullable=False))
    op.add_column("subscriber", sa.Column("text_only", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("subscriber", sa.Column("paused_until", _TIME, nullable=True))
    op.add_column("subscriber", sa.Column("erased_at", _TIME, nullable=True))
    op.add_column("subscription", sa.Column("monthly", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("subscription", sa.Column("asked_with", sa.Integer(), nullable=True))
    op.add_column("subscription", sa.Column("answers", sa.JSON(), nullable=True))
    op.create_index(op.f("ix_subscription_asked_with"), "subscription", ["asked_with"])
    op.add_column("mailing_list", sa.Column("merged_into", sa.Integer(), nullable=True))
    op.add_column("edition", sa.Column("monthly", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("edition", sa.Column("audience", sa.String(length=1000), server_default="", nullable=False))
    op.add_column("chunk", sa.Column("text_only", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_table(
        "reader_request",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("subscription_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=7), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("address_key", sa.String(length=320), nullable=False),
        sa.Column("asked_at", _TIME, nullable=False),
        sa.Column("sent_at", _TIME, nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("not_before", _TIME, nullable=True),
        sa.Column("done_at", _TIME, nullable=True),
        sa.CheckConstraint("kind IN ('address', 'data')", name=op.f("ck_reader_request_kind_known")),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscription.id"], name=op.f("fk_reader_request_subscription_id_subscription")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reader_request")),
    )
    op.create_index(op.f("ix_reader_request_subscription_id"), "reader_request", ["subscription_id"])
    op.create_index(op.f("ix_reader_request_sent_at_reader_request_asked_at"), "reader_request", ["sent_at", "asked_at"])
    _drop_append_only()
    _rebuild("0006", list_is_needed=False)
    _make_append_only("0006")


def downgrade() -> None:
    _drop_append_only()
    op.execute("DELETE FROM consent WHERE action IN ('changed', 'erased') OR list_id IS NULL")
    op.execute("DELETE FROM suppression WHERE reason = 'erased'")
    _rebuild("0005", list_is_needed=True)
    _make_append_only("0005")
    op.drop_table("reader_request")
    op.drop_index(op.f("ix_subscription_asked_with"), "subscription")
    for table, column in (
        ("chunk", "text_only"),
        ("edition", "audience"),
        ("edition", "monthly"),
        ("mailing_list", "merged_into"),
        ("subscription", "answers"),
        ("subscription", "asked_with"),
        ("subscription", "monthly"),
        ("subscriber", "erased_at"),
        ("subscriber", "paused_until"),
        ("subscriber", "text_only"),
        ("subscriber", "language"),
    ):
        op.drop_column(table, column)


def _rebuild(revision: str, *, list_is_needed: bool) -> None:
    """Give consent and suppression the words of a revision. SQLite changes no constraint: there the rows are copied."""
    if op.get_bind().dialect.name != "sqlite":
        op.drop_constraint(op.f("ck_consent_action_known"), "consent")
        op.create_check_constraint(op.f("ck_consent_action_known"), "consent", f"action IN ({_ACTIONS[revision]})")
        op.alter_column("consent", "list_id", nullable=list_is_needed is False)
        op.drop_constraint(op.f("ck_suppression_reason_known"), "suppression")
        op.create_check_constraint(
            op.f("ck_suppression_reason_known"), "suppression", f"reason IN ({_REASONS[revision]})"
        )
        op.alter_column("suppression", "reason", type_=sa.String(length=9))
        return
    op.drop_index(op.f("ix_consent_subscriber_id_consent_list_id"), "consent")
    op.rename_table("consent", "consent_before")
    _create_consent(revision, list_is_needed=list_is_needed)
    op.execute(f"INSERT INTO consent ({_CONSENT}) SELECT {_CONSENT} FROM consent_before ORDER BY id")
    op.drop_table("consent_before")
    op.create_index(op.f("ix_consent_subscriber_id_consent_list_id"), "consent", ["subscriber_id", "list_id"])
    op.rename_table("suppression", "suppression_before")
    _create_suppression(revision)
    op.execute(f"INSERT INTO suppression ({_SUPPRESSION}) SELECT {_SUPPRESSION} FROM suppression_before ORDER BY id")
    op.drop_table("suppression_before")


def _create_consent(revision: str, *, list_is_needed: bool) -> None:
    op.create_table(
        "consent",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("subscriber_id", sa.Integer(), nullable=False),
        sa.Column("list_id", sa.Integer(), nullable=not list_is_needed),
        sa.Column("action", sa.String(length=9), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("source", sa.String(length=500), nullable=False),
        sa.Column("wording", sa.Text(), nullable=False),
        sa.Column("network", sa.String(length=64), nullable=False),
        sa.CheckConstraint(f"action IN ({_ACTIONS[revision]})", name=op.f("ck_consent_action_known")),
        sa.ForeignKeyConstraint(["list_id"], ["mailing_list.id"], name=op.f("fk_consent_list_id_mailing_list")),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscriber.id"], name=op.f("fk_consent_subscriber_id_subscriber")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent")),
    )


def _create_suppression(revision: str) -> None:
    op.create_table(
        "suppression",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("address_key", sa.String(length=320), nullable=False),
        sa.Column("reason", sa.String(length=9), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.CheckConstraint(f"reason IN ({_REASONS[revision]})", name=op.f("ck_suppression_reason_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppression")),
        sa.UniqueConstraint("address_key", name=op.f("uq_suppression_address_key")),
    )


def _drop_append_only() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for event in ("update", "delete", "replace"):
            op.execute(f"DROP TRIGGER consent_no_{event}")
        return
    op.execute("DROP TRIGGER consent_append_only ON consent")
    op.execute("DROP TRIGGER consent_no_truncate ON consent")
    op.execute("DROP FUNCTION consent_append_only")


def _make_append_only(revision: str) -> None:
    """Make the database refuse changes to the evidence; since 0006 a network may be emptied, for who is erased."""
    refusal = "consent rows are append-only"
    columns = [column for column in _CONSENT.split(", ") if column != "network"]
    if op.get_bind().dialect.name == "sqlite":
        same = " AND ".join(f"NEW.{column} IS OLD.{column}" for column in columns)
        unless = f"WHEN NOT (NEW.network = '' AND {same}) " if revision == "0006" else ""
        op.execute(
            f"CREATE TRIGGER consent_no_update BEFORE UPDATE ON consent {unless}"
            f"BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
        )
        op.execute(
            f"CREATE TRIGGER consent_no_delete BEFORE DELETE ON consent BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
        )
        op.execute(
            "CREATE TRIGGER consent_no_replace BEFORE INSERT ON consent "
            "WHEN EXISTS (SELECT 1 FROM consent WHERE id = NEW.id) "
            f"BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
        )
        return
    same = " AND ".join(f"NEW.{column} IS NOT DISTINCT FROM OLD.{column}" for column in columns)
    unless = f"IF TG_OP = 'UPDATE' AND NEW.network = '' AND {same} THEN RETURN NEW; END IF; "
    op.execute(
        "CREATE FUNCTION consent_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN {unless if revision == '0006' else ''}RAISE EXCEPTION '{refusal}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER consent_append_only BEFORE UPDATE OR DELETE ON consent "
        "FOR EACH ROW EXECUTE FUNCTION consent_append_only()"
    )
    op.execute(
        "CREATE TRIGGER consent_no_truncate BEFORE TRUNCATE ON consent "
        "FOR EACH STATEMENT EXECUTE FUNCTION consent_append_only()"
    )
