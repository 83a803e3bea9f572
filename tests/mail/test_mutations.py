"""T16: templates that are broken on purpose are caught without a browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mail.lint import problems
from tests.mail.mutations import STATIC, Mutation, survived


@pytest.mark.parametrize("mutation", STATIC, ids=lambda mutation: mutation.name)
def test_the_lint_notices(mutation: Mutation, tmp_path: Path) -> None:
    """T16: and the template does hold what is broken."""
    assert survived(mutation, tmp_path, problems) == ""


def test_there_is_a_mutation_for_every_rule_that_matters() -> None:
    names = [mutation.name for mutation in STATIC]
    assert len(names) == len(set(names)) >= 25
    assert len({mutation.rule for mutation in STATIC}) >= 25
