"""What is known of readers: tags, own fields and what readers said in them; lists that are archived."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("mailing_list", sa.Column("archived_at", _TIME, nullable=True))
    op.create_table(
        "tag",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tag")),
        sa.UniqueConstraint("name", name=op.f("uq_tag_name")),
    )
    op.create_table(
        "subscriber_tag",
        sa.Column("subscriber_id", sa.Integer(), nullable=False),
        sa.Column("tag_id", sa.Integer(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscriber.id"], name=op.f("fk_subscriber_tag_subscriber_id_subscriber")
        ),
        sa.ForeignKeyConstraint(["tag_id"], ["tag.id"], name=op.f("fk_subscriber_tag_tag_id_tag")),
        sa.PrimaryKeyConstraint("subscriber_id", "tag_id", name=op.f("pk_subscriber_tag")),
    )
    op.create_index(
        op.f("ix_subscriber_tag_tag_id_subscriber_tag_subscriber_id"), "subscriber_tag", ["tag_id", "subscriber_id"]
    )
    op.create_table(
        "reader_field",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=6), nullable=False),
        sa.Column("choices", sa.JSON(), nullable=False),
        sa.Column("required", sa.Boolean(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.CheckConstraint("kind IN ('text', 'choice', 'date')", name=op.f("ck_reader_field_kind_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reader_field")),
        sa.UniqueConstraint("slug", name=op.f("uq_reader_field_slug")),
    )
    op.create_table(
        "field_value",
        sa.Column("subscriber_id", sa.Integer(), nullable=False),
        sa.Column("field_id", sa.Integer(), nullable=False),
        sa.Column("value", sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscriber.id"], name=op.f("fk_field_value_subscriber_id_subscriber")
        ),
        sa.ForeignKeyConstraint(["field_id"], ["reader_field.id"], name=op.f("fk_field_value_field_id_reader_field")),
        sa.PrimaryKeyConstraint("subscriber_id", "field_id", name=op.f("pk_field_value")),
    )
    op.create_index(op.f("ix_field_value_field_id_field_value_value"), "field_value", ["field_id", "value"])
