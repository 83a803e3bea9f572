"""An edition's look, the editor's own words and pictures, warnings accepted, small pictures, letters to readers.

Revision: 0003, after 0002. Columns are added in place: SQLite would have to copy the whole table otherwise.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_COLUMNS: dict[str, list[sa.Column[object]]] = {
    "edition": [
        sa.Column("accent", sa.String(length=7), server_default="", nullable=False),
        sa.Column("accent_dark", sa.String(length=7), server_default="", nullable=False),
        sa.Column("logo_url", sa.String(length=2000), server_default="", nullable=False),
        sa.Column("logo_width", sa.Integer(), server_default="0", nullable=False),
        sa.Column("welcome", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("goodbye", sa.Boolean(), server_default=sa.false(), nullable=False),
    ],
    "issue": [
        sa.Column("intro", sa.Text(), server_default="", nullable=False),
        sa.Column("closing", sa.Text(), server_default="", nullable=False),
        sa.Column("corrections", sa.Text(), server_default="", nullable=False),
        sa.Column("accepted", sa.JSON(), nullable=True),
        sa.Column("review_asked_at", sa.DateTime(timezone=True), nullable=True),
    ],
    "issue_story": [
        sa.Column("picture", sa.String(length=64), server_default="", nullable=False),
        sa.Column("image_alt", sa.String(length=500), server_default="", nullable=False),
        sa.Column("image_credit", sa.String(length=200), server_default="", nullable=False),
    ],
    "picture": [sa.Column("small", sa.String(length=64), server_default="", nullable=False)],
}


def upgrade() -> None:
    for table, columns in _COLUMNS.items():
        for column in columns:
            op.add_column(table, column)
    op.create_table(
        "letter",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("subscription_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=7), nullable=False),
        sa.Column("caused_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('welcome', 'goodbye')", name=op.f("ck_letter_kind_known")),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscription.id"], name=op.f("fk_letter_subscription_id_subscription")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_letter")),
        sa.UniqueConstraint("subscription_id", "kind", "caused_at", name=op.f("uq_letter_subscription_id_kind_caused_at")),
    )
    op.create_index(op.f("ix_letter_sent_at_letter_caused_at"), "letter", ["sent_at", "caused_at"])
