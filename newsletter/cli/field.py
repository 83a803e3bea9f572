"""`newsletter field`: what the newsroom asks its readers besides the address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.base import FAILED, JsonOption, confirm, group, open_app, say, say_json, stop, table, warn
from newsletter.cli.readers import some

if TYPE_CHECKING:
    from subscribers.models import ReaderField

commands = group("field", "What readers are asked on the sign-up form besides their address: texts, choices, dates.")

ChoiceOption = Annotated[list[str] | None, typer.Option("--choice", help="What can be chosen; repeat it, in order.")]


@commands.command()
def add(
    name: Annotated[str, typer.Argument(help="Its name in commands, files and segments.")],
    kind: Annotated[str, typer.Option(help="text, choice or date.")] = "text",
    label: Annotated[str, typer.Option(help="What readers see; made from the name when left out.")] = "",
    choice: ChoiceOption = None,
    required: Annotated[bool, typer.Option("--required", help="It has to be answered to sign up.")] = False,
    json: JsonOption = False,
) -> None:
    """Add a field behind the others.

    Example: newsletter field add region --kind choice --label "Your region" --choice Lviv --choice Kyiv
    """
    from newsletter.errors import NotFound
    from subscribers import fields
    from subscribers.models import FieldKind

    if kind not in set(FieldKind):
        raise NotFound("kind", kind, known=[str(one) for one in FieldKind])
    with open_app().db.transaction() as session:
        row = fields.add_field(
            session, name, label=label, kind=FieldKind(kind), choices=choice or [], required=required
        )
    _say_changed("+", row, json=json)


@commands.command("set")
def set_(
    name: str,
    label: Annotated[str | None, typer.Option(help="What readers see.")] = None,
    choice: ChoiceOption = None,
    required: Annotated[bool | None, typer.Option(help="Whether it has to be answered.")] = None,
    position: Annotated[int | None, typer.Option(min=1, help="Its place on the form, from 1.")] = None,
    json: JsonOption = False,
) -> None:
    """Change a field. Choices are given anew, all of them in order; one that readers chose has to stay.

    Example: newsletter field set region --choice Lviv --choice Kyiv --choice Odesa
    """
    from subscribers import fields

    if label is None and choice is None and required is None and position is None:
        warn("Say what to change: --label, --choice, --required or --position.")
        stop(FAILED)
    with open_app().db.transaction() as session:
        row = fields.set_field(session, name, label=label, choices=choice or None, required=required, position=position)
    _say_changed("~", row, json=json)


@commands.command()
def show(
    name: Annotated[str, typer.Argument(help="One field, with what readers said in it; all when left out.")] = "",
    json: JsonOption = False,
) -> None:
    """Print the fields, or what readers said in one. Example: newsletter field show region"""
    from subscribers import fields

    with open_app().db.reading() as session:
        chosen = [fields.get_field(session, name)] if name else fields.fields(session)
        answers = {one.slug: fields.count_answers(session, one.id) for one in chosen}
        values = fields.count_values(session, chosen[0].id) if name else {}
    if json:
        shown = [one.model_dump(exclude={"id"}) | {"answers": answers[one.slug]} for one in chosen]
        say_json(shown[0] | {"values": values} if name else shown)
    elif name:
        say(f"{name}: {_described(chosen[0])}")
        table(("Said", "Readers"), values.items())
    elif not chosen:
        say("There are no fields yet. Add one with `newsletter field add`.")
    else:
        table(("Field", "What", "Readers"), ((one.slug, _described(one), answers[one.slug]) for one in chosen))


@commands.command()
def remove(
    name: str,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without being asked.")] = False,
    json: JsonOption = False,
) -> None:
    """Remove a field with everything that readers said in it. Example: newsletter field remove region"""
    from newsletter import newsroom
    from subscribers import fields

    app = open_app()
    with app.db.reading() as session:
        count = fields.count_answers(session, fields.get_field(session, name).id)
        newsroom.refuse_named(session, "field", name)
    confirm(f"Remove {name} with what {some(count)} said in it? It cannot be undone.", yes=yes)
    with app.db.transaction() as session:
        newsroom.refuse_named(session, "field", name)
        gone = fields.remove_field(session, name)
    if json:
        say_json({"removed": name, "answers": gone})
    else:
        say(f"{name} is removed, with what {some(gone)} said in it.")


def _say_changed(sign: str, row: ReaderField, *, json: bool) -> None:
    if json:
        say_json(row.model_dump(exclude={"id"}))
    else:
        say(f"{sign} field {row.slug}: {_described(row)}")


def _described(row: ReaderField) -> str:
    choices = f" ({', '.join(row.choices)})" if row.choices else ""
    return f"“{row.label}”, {row.kind}{choices}{', required' if row.required else ''}"
