"""Which study a command is about."""

from bias_platform.catalog import Catalog
from bias_platform.errors import UserError


def chosen_study(catalog: Catalog, study: str | None) -> str:
    """The named study, or the only one.

    Raises:
        UserError: there is none of that name, or there are several and none is named.
    """
    names = list(catalog.studies)
    if study is None and len(names) == 1:
        return names[0]
    if study not in catalog.studies:
        asked = f"no study '{study}'" if study else "no study named"
        raise UserError(f"{asked} in catalog '{catalog.name}'; allowed: {', '.join(names) or 'none: it has no study'}")
    return study
