"""Coverage, tags with strength, pictures, the health of sources, fallback to the parent region.

Revision: 0002, after 0001. Columns are added in place: SQLite would have to copy the whole table otherwise.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_COLUMNS: dict[str, list[sa.Column[object]]] = {
    "region": [
        sa.Column("parent", sa.String(length=32), server_default="", nullable=False),
        sa.Column("area", sa.JSON(none_as_null=True), nullable=True),
    ],
    "source": [
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_fetch_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("new_story_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("notice", sa.Text(), server_default="", nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("told_of", sa.String(length=10), server_default="", nullable=False),
        sa.Column("first_fetched_at", sa.DateTime(timezone=True), nullable=True),
    ],
    "story": [
        sa.Column("image_credit", sa.String(length=200), server_default="", nullable=False),
        sa.Column("picture", sa.String(length=64), server_default="", nullable=False),
        sa.Column("picture_problem", sa.Text(), server_default="", nullable=False),
        sa.Column("picture_tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("categories", sa.JSON(), nullable=True),
        sa.Column("dateline", sa.String(length=100), server_default="", nullable=False),
        sa.Column("latitude", sa.Float(), nullable=True),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.Column("is_dated", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("coverage", sa.Integer(), nullable=True),
        sa.Column("tagged_as", sa.String(length=16), server_default="", nullable=False),
    ],
    "story_region": [sa.Column("strength", sa.Float(), server_default="1", nullable=False)],
    "edition": [sa.Column("fall_back", sa.Boolean(), server_default=sa.false(), nullable=False)],
    "issue_story": [sa.Column("sent_text", sa.Text(), server_default="", nullable=False)],
}

#: What was sent before this revision is taken as the source has it now: nothing counts as an update of it yet.
_SENT_TEXT = """
UPDATE issue_story SET sent_text = (
    SELECT story.title || '\n' || story.summary FROM story WHERE story.id = issue_story.story_id
) WHERE issue_id IN (SELECT id FROM issue WHERE state IN ('approved', 'sending', 'sent'))
"""


def upgrade() -> None:
    for table, columns in _COLUMNS.items():
        for column in columns:
            op.add_column(table, column)
    op.create_index(op.f("ix_story_coverage"), "story", ["coverage"])
    op.create_table(
        "story_source",
        sa.Column("story_id", sa.Integer(), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_story_source_source_id_source")),
        sa.ForeignKeyConstraint(["story_id"], ["story.id"], name=op.f("fk_story_source_story_id_story")),
        sa.PrimaryKeyConstraint("story_id", "source_id", name=op.f("pk_story_source")),
    )
    op.create_table(
        "picture",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("media_type", sa.String(length=20), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_picture")),
    )
    op.execute("INSERT INTO story_source (story_id, source_id) SELECT id, source_id FROM story")
    op.execute(_SENT_TEXT)
