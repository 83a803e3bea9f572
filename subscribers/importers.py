"""The files that other products export: by which columns each is known, and what its words mean. Pure.

Which version's columns these are is said in tests/data/imports/README.md.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Standing(StrEnum):
    """What a file says of a reader."""

    SUBSCRIBED = "subscribed"
    #: Asked and not confirmed.
    PENDING = "pending"
    LEFT = "left"
    #: The address does not exist or refuses mail; Mailchimp says cleaned.
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    BLOCKED = "blocked"


#: Any cell that is not empty.
ANYTHING = "*"


@dataclass(frozen=True)
class Rule:
    """What the words of a column mean, in lower case. A `strict` rule knows every word that there should be."""

    column: str
    words: Mapping[str, Standing]
    strict: bool = False


@dataclass(frozen=True)
class Product:
    """What one product's file looks like. Columns are named in lower case, in order of preference."""

    key: str
    title: str
    #: Sets of columns; a file that has all of one is this product's.
    signs: tuple[frozenset[str], ...]
    address: tuple[str, ...] = ("email",)
    #: Those that are there, joined by a space.
    names: tuple[str, ...] = ("name",)
    tags: tuple[str, ...] = ()
    #: When the reader agreed, and from where.
    agreed: tuple[str, ...] = ()
    network: tuple[str, ...] = ()
    #: The first that has an answer counts.
    rules: tuple[Rule, ...] = ()
    #: A column that only files of people with this standing have.
    whole_file: Mapping[str, Standing] = field(default_factory=dict)


_BUTTONDOWN_TYPES = {
    **dict.fromkeys(("regular", "premium", "gifted", "trialed", "churning", "past_due", "unpaid"), Standing.SUBSCRIBED),
    **dict.fromkeys(("free", "paid", "churned"), Standing.SUBSCRIBED),
    **dict.fromkeys(("unactivated", "unconfirmed", "pending", "upcoming"), Standing.PENDING),
    **dict.fromkeys(("unsubscribed", "removed", "paused"), Standing.LEFT),
    "undeliverable": Standing.BOUNCED,
    "complained": Standing.COMPLAINED,
    "blocked": Standing.BLOCKED,
}
#: What the columns `state` and `status` of any other file may say, our own export's among them.
PLAIN_WORDS: Mapping[str, Standing] = {
    **dict.fromkeys(("left", "unsubscribed", "opted out", "inactive"), Standing.LEFT),
    **dict.fromkeys(("pending", "unconfirmed"), Standing.PENDING),
    **dict.fromkeys(("bounced", "cleaned", "undeliverable"), Standing.BOUNCED),
    **dict.fromkeys(("complained", "spam"), Standing.COMPLAINED),
    **dict.fromkeys(("blocked", "blocklisted", "blacklisted"), Standing.BLOCKED),
}
_YES_OR_NO = {"true": Standing.SUBSCRIBED, "false": Standing.LEFT}

PRODUCTS = (
    Product(
        key="mailchimp",
        title="Mailchimp",
        signs=(frozenset({"leid", "euid"}), frozenset({"member_rating", "optin_time"})),
        address=("email address", "email"),
        names=("first name", "last name", "name"),
        tags=("tags",),
        agreed=("confirm_time", "optin_time"),
        network=("confirm_ip", "optin_ip"),
        rules=(Rule("unsub_reason", dict.fromkeys(("spam", "abuse"), Standing.COMPLAINED)),),
        whole_file={"unsub_time": Standing.LEFT, "clean_time": Standing.BOUNCED},
    ),
    Product(
        key="ghost",
        title="Ghost",
        signs=(frozenset({"email", "subscribed_to_emails"}),),
        tags=("labels",),
        agreed=("created_at",),
        rules=(
            Rule("deleted_at", {ANYTHING: Standing.LEFT}),
            Rule("subscribed_to_emails", _YES_OR_NO, strict=True),
        ),
    ),
    Product(
        key="substack",
        title="Substack",
        signs=(
            frozenset({"email", "active_subscription", "email_disabled"}),
            frozenset({"email", "stripe plan", "start date", "activity"}),
        ),
        agreed=("created_at", "start date", "subscription_created_at"),
        rules=(Rule("email_disabled", {"true": Standing.LEFT, "false": Standing.SUBSCRIBED}),),
    ),
    Product(
        key="buttondown",
        title="Buttondown",
        signs=(
            frozenset({"email", "subscriber_type", "creation_date"}),
            frozenset({"email_address", "type", "creation_date"}),
        ),
        address=("email", "email_address"),
        tags=("tags",),
        agreed=("subscription_date", "creation_date"),
        network=("ip_address",),
        rules=tuple(Rule(column, _BUTTONDOWN_TYPES, strict=True) for column in ("subscriber_type", "type")),
    ),
    Product(
        key="listmonk",
        title="listmonk",
        signs=(frozenset({"uuid", "email", "attributes", "status"}),),
        agreed=("created_at",),
        rules=(
            Rule(
                "status",
                {
                    "enabled": Standing.SUBSCRIBED,
                    "disabled": Standing.LEFT,
                    **dict.fromkeys(("blocklisted", "blacklisted"), Standing.BLOCKED),
                },
                strict=True,
            ),
        ),
    ),
)


def recognise(header: Collection[str]) -> Product | None:
    """Return the product that exports files with these columns (in lower case), or None."""
    columns = frozenset(header)
    return next((one for one in PRODUCTS if any(sign <= columns for sign in one.signs)), None)


def product_called(key: str) -> Product | None:
    """Return the product with this name, such as ghost, or None."""
    return next((one for one in PRODUCTS if one.key == key.lower()), None)
