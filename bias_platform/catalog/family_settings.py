"""Families of tests that a study declares beforehand, each adjusted by itself."""

from typing import Literal

from pydantic import Field

from bias_platform.catalog.entry import Entry
from bias_platform.catalog.slugs import Slug, SystemSlug


class TestFamily(Entry):
    """Comparisons with the generic person that are claimed together: a question of its own, asked beforehand."""

    __test__ = False
    title: str = Field(min_length=1, description="what is asked; the report names the family so")
    systems: tuple[SystemSlug, ...] = Field((), description="only these of the study's systems; empty: all")
    dimensions: tuple[Slug, ...] = Field((), description="only these of the study's dimensions; empty: all")
    personas: tuple[Slug, ...] = Field((), description="only these personas of the dimensions; empty: all")
    multiplicity: Literal["holm", "fdr_bh", "fdr_by"] = Field("holm", description="correction within the family")
