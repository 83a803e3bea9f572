"""What is known of one person, given to them or erased: complete by schema, over the tables of both packages."""

from newsletter.privacy.erasing import Erased, Step, erase, plan
from newsletter.privacy.exporting import data_of
from newsletter.privacy.people import person_with
from newsletter.privacy.providers import at_provider
from newsletter.privacy.tables import ABOUT_NOBODY, TABLES

__all__ = ["ABOUT_NOBODY", "TABLES", "Erased", "Step", "at_provider", "data_of", "erase", "person_with", "plan"]
