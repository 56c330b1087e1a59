"""The order of the whole suite."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that start servers and train models first: begun last, they would keep one core waiting for the other."""
    items.sort(key=lambda item: "wiring" not in item.path.parts)
