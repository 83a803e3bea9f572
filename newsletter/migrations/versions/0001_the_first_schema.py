"""The first schema.

Revision: 0001, after nothing.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mailing_list",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mailing_list")),
        sa.UniqueConstraint("slug", name=op.f("uq_mailing_list_slug")),
    )
    op.create_table(
        "region",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("words", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_region")),
        sa.UniqueConstraint("code", name=op.f("uq_region_code")),
    )
    op.create_table(
        "source",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=200), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("language", sa.String(length=35), nullable=False),
        sa.Column("weight", sa.Float(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("etag", sa.String(length=500), nullable=False),
        sa.Column("last_modified", sa.String(length=100), nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("succeeded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source")),
        sa.UniqueConstraint("slug", name=op.f("uq_source_slug")),
        sa.UniqueConstraint("url", name=op.f("uq_source_url")),
    )
    op.create_table(
        "subscriber",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("address_key", sa.String(length=320), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscriber")),
        sa.UniqueConstraint("address_key", name=op.f("uq_subscriber_address_key")),
    )
    op.create_table(
        "suppression",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("address_key", sa.String(length=320), nullable=False),
        sa.Column("reason", sa.String(length=9), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("reason IN ('bounce', 'complaint', 'manual')", name=op.f("ck_suppression_reason_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppression")),
        sa.UniqueConstraint("address_key", name=op.f("uq_suppression_address_key")),
    )
    op.create_table(
        "consent",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("subscriber_id", sa.Integer(), nullable=False),
        sa.Column("list_id", sa.Integer(), nullable=False),
        sa.Column("action", sa.String(length=9), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.String(length=500), nullable=False),
        sa.Column("wording", sa.Text(), nullable=False),
        sa.Column("network", sa.String(length=64), nullable=False),
        sa.CheckConstraint(
            "action IN ('requested', 'confirmed', 'imported', 'joined', 'left')", name=op.f("ck_consent_action_known")
        ),
        sa.ForeignKeyConstraint(["list_id"], ["mailing_list.id"], name=op.f("fk_consent_list_id_mailing_list")),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscriber.id"], name=op.f("fk_consent_subscriber_id_subscriber")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent")),
    )
    with op.batch_alter_table("consent", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_consent_subscriber_id_consent_list_id"), ["subscriber_id", "list_id"], unique=False
        )

    op.create_table(
        "edition",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("tagline", sa.String(length=200), nullable=False),
        sa.Column("region_name", sa.String(length=100), nullable=False),
        sa.Column("list_id", sa.Integer(), nullable=False),
        sa.Column("language", sa.String(length=35), nullable=False),
        sa.Column("sender_name", sa.String(length=100), nullable=False),
        sa.Column("sender_address", sa.String(length=320), nullable=False),
        sa.Column("reply_to", sa.String(length=320), nullable=False),
        sa.Column("publisher", sa.String(length=200), nullable=False),
        sa.Column("postal_address", sa.String(length=300), nullable=False),
        sa.Column("contact", sa.String(length=320), nullable=False),
        sa.Column("send_weekday", sa.Integer(), nullable=False),
        sa.Column("send_hour_minute", sa.String(length=5), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("draft_hours", sa.Integer(), nullable=False),
        sa.Column("deadline_rule", sa.String(length=4), nullable=False),
        sa.Column("min_stories", sa.Integer(), nullable=False),
        sa.Column("max_stories", sa.Integer(), nullable=False),
        sa.Column("max_age_days", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.CheckConstraint("deadline_rule IN ('hold', 'send')", name=op.f("ck_edition_deadline_rule_known")),
        sa.CheckConstraint("min_stories >= 1 AND max_stories >= min_stories", name=op.f("ck_edition_stories_ordered")),
        sa.CheckConstraint("send_weekday BETWEEN 0 AND 6", name=op.f("ck_edition_send_weekday_known")),
        sa.ForeignKeyConstraint(["list_id"], ["mailing_list.id"], name=op.f("fk_edition_list_id_mailing_list")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_edition")),
        sa.UniqueConstraint("slug", name=op.f("uq_edition_slug")),
    )
    op.create_table(
        "source_region",
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("region_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["region_id"], ["region.id"], name=op.f("fk_source_region_region_id_region")),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_source_region_source_id_source")),
        sa.PrimaryKeyConstraint("source_id", "region_id", name=op.f("pk_source_region")),
    )
    op.create_table(
        "story",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("link", sa.String(length=2000), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("author", sa.String(length=200), nullable=False),
        sa.Column("language", sa.String(length=35), nullable=False),
        sa.Column("image_url", sa.String(length=2000), nullable=False),
        sa.Column("image_alt", sa.String(length=500), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_story_source_id_source")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_story")),
        sa.UniqueConstraint("url", name=op.f("uq_story_url")),
    )
    with op.batch_alter_table("story", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_story_published_at"), ["published_at"], unique=False)

    op.create_table(
        "subscription",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("subscriber_id", sa.Integer(), nullable=False),
        sa.Column("list_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=9), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmation_sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("confirmation_tries", sa.Integer(), nullable=False),
        sa.Column("confirmation_not_before", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('pending', 'confirmed', 'left')", name=op.f("ck_subscription_state_known")),
        sa.ForeignKeyConstraint(["list_id"], ["mailing_list.id"], name=op.f("fk_subscription_list_id_mailing_list")),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscriber.id"], name=op.f("fk_subscription_subscriber_id_subscriber")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscription")),
        sa.UniqueConstraint("subscriber_id", "list_id", name=op.f("uq_subscription_subscriber_id_list_id")),
    )
    with op.batch_alter_table("subscription", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_subscription_list_id_subscription_state"), ["list_id", "state"], unique=False
        )

    op.create_table(
        "edition_region",
        sa.Column("edition_id", sa.Integer(), nullable=False),
        sa.Column("region_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["edition_id"], ["edition.id"], name=op.f("fk_edition_region_edition_id_edition")),
        sa.ForeignKeyConstraint(["region_id"], ["region.id"], name=op.f("fk_edition_region_region_id_region")),
        sa.PrimaryKeyConstraint("edition_id", "region_id", name=op.f("pk_edition_region")),
    )
    op.create_table(
        "issue",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("edition_id", sa.Integer(), nullable=False),
        sa.Column("week", sa.String(length=8), nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("expected", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("put_off", sa.Integer(), nullable=False),
        sa.Column("stops", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("send_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("drafted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("subject_override", sa.String(length=400), nullable=False),
        sa.Column("preheader_override", sa.String(length=400), nullable=False),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("approved_by", sa.String(length=200), nullable=False),
        sa.Column("sending_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("nonce", sa.String(length=32), nullable=False),
        sa.Column("from_name", sa.String(length=400), nullable=False),
        sa.Column("from_address", sa.String(length=320), nullable=False),
        sa.Column("reply_to", sa.String(length=320), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.CheckConstraint(
            "state IN ('draft', 'approved', 'sending', 'sent', 'skipped')", name=op.f("ck_issue_state_known")
        ),
        sa.CheckConstraint(
            "state NOT IN ('approved', 'sending', 'sent') OR (content_hash <> '' AND approved_at IS NOT NULL)",
            name=op.f("ck_issue_approved_is_frozen"),
        ),
        sa.ForeignKeyConstraint(["edition_id"], ["edition.id"], name=op.f("fk_issue_edition_id_edition")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issue")),
        sa.UniqueConstraint("edition_id", "number", name=op.f("uq_issue_edition_id_number")),
        sa.UniqueConstraint("edition_id", "week", name=op.f("uq_issue_edition_id_week")),
    )
    op.create_table(
        "story_region",
        sa.Column("story_id", sa.Integer(), nullable=False),
        sa.Column("region_id", sa.Integer(), nullable=False),
        sa.Column("evidence", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["region_id"], ["region.id"], name=op.f("fk_story_region_region_id_region")),
        sa.ForeignKeyConstraint(["story_id"], ["story.id"], name=op.f("fk_story_region_story_id_story")),
        sa.PrimaryKeyConstraint("story_id", "region_id", name=op.f("pk_story_region")),
    )
    op.create_table(
        "chunk",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("issue_id", sa.Integer(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=7), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("worker", sa.String(length=200), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('planned', 'claimed', 'done')", name=op.f("ck_chunk_state_known")),
        sa.ForeignKeyConstraint(["issue_id"], ["issue.id"], name=op.f("fk_chunk_issue_id_issue")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chunk")),
        sa.UniqueConstraint("issue_id", "n", name=op.f("uq_chunk_issue_id_n")),
    )
    op.create_table(
        "delivery",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("issue_id", sa.Integer(), nullable=False),
        sa.Column("subscriber_id", sa.Integer(), nullable=False),
        sa.Column("chunk", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("reference", sa.String(length=200), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('planned', 'sending', 'accepted', 'rejected', 'suppressed', 'uncertain')",
            name=op.f("ck_delivery_state_known"),
        ),
        sa.ForeignKeyConstraint(["issue_id"], ["issue.id"], name=op.f("fk_delivery_issue_id_issue")),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscriber.id"], name=op.f("fk_delivery_subscriber_id_subscriber")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
        sa.UniqueConstraint("issue_id", "subscriber_id", name=op.f("uq_delivery_issue_id_subscriber_id")),
    )
    with op.batch_alter_table("delivery", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_delivery_issue_id_delivery_chunk"), ["issue_id", "chunk"], unique=False)

    op.create_table(
        "issue_story",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("issue_id", sa.Integer(), nullable=False),
        sa.Column("story_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=True),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        sa.Column("dropped", sa.Boolean(), nullable=False),
        sa.Column("headline", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["issue_id"], ["issue.id"], name=op.f("fk_issue_story_issue_id_issue")),
        sa.ForeignKeyConstraint(["story_id"], ["story.id"], name=op.f("fk_issue_story_story_id_story")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issue_story")),
        sa.UniqueConstraint("issue_id", "story_id", name=op.f("uq_issue_story_issue_id_story_id")),
    )
    with op.batch_alter_table("issue_story", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_issue_story_story_id"), ["story_id"], unique=False)
    _make_consent_append_only()


def _make_consent_append_only() -> None:
    """Make the database itself refuse a change to the evidence of consent."""
    refusal = "consent rows are append-only"
    if op.get_bind().dialect.name == "sqlite":
        for action in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER consent_no_{action.lower()} BEFORE {action} ON consent "
                f"BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
            )
        op.execute(
            "CREATE TRIGGER consent_no_replace BEFORE INSERT ON consent "
            "WHEN EXISTS (SELECT 1 FROM consent WHERE id = NEW.id) "
            f"BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
        )
        return
    op.execute(
        "CREATE FUNCTION consent_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{refusal}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER consent_append_only BEFORE UPDATE OR DELETE ON consent "
        "FOR EACH ROW EXECUTE FUNCTION consent_append_only()"
    )
    op.execute(
        "CREATE TRIGGER consent_no_truncate BEFORE TRUNCATE ON consent "
        "FOR EACH STATEMENT EXECUTE FUNCTION consent_append_only()"
    )


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER consent_no_update")
        op.execute("DROP TRIGGER consent_no_delete")
        op.execute("DROP TRIGGER consent_no_replace")
    else:
        op.execute("DROP TRIGGER consent_append_only ON consent")
        op.execute("DROP TRIGGER consent_no_truncate ON consent")
        op.execute("DROP FUNCTION consent_append_only")
    with op.batch_alter_table("issue_story", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_issue_story_story_id"))

    op.drop_table("issue_story")
    with op.batch_alter_table("delivery", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_delivery_issue_id_delivery_chunk"))

    op.drop_table("delivery")
    op.drop_table("chunk")
    op.drop_table("story_region")
    op.drop_table("issue")
    op.drop_table("edition_region")
    with op.batch_alter_table("subscription", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_subscription_list_id_subscription_state"))

    op.drop_table("subscription")
    with op.batch_alter_table("story", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_story_published_at"))

    op.drop_table("story")
    op.drop_table("source_region")
    op.drop_table("edition")
    with op.batch_alter_table("consent", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_consent_subscriber_id_consent_list_id"))

    op.drop_table("consent")
    op.drop_table("suppression")
    op.drop_table("subscriber")
    op.drop_table("source")
    op.drop_table("region")
    op.drop_table("mailing_list")
