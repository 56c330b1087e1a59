"""The demo's assets as Dagster shows them: keys, groups, upstream, partitions, checks, pools, schedules, sensors.

The committed snapshot makes every change of this shape a visible line of a diff. To renew it after a wanted change:
`python -m bias_platform_tests.wiring.test_specs`.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import dagster as dg

from bias_platform.orchestration.build import build_definitions
from bias_platform.storage import Lake

SNAPSHOT = Path(__file__).parent / "demo_specs.json"
RENEW = f"if this is wanted, run `python -m bias_platform_tests.wiring.test_specs` and commit {SNAPSHOT.name}"


def shape_of_demo() -> dict[str, Any]:
    """What the snapshot holds, in JSON types."""
    with tempfile.TemporaryDirectory() as folder:
        definitions = build_definitions("demo", Lake(Path(folder), "demo"))
    graph = definitions.resolve_asset_graph()
    checks: dict[dg.AssetKey, list[str]] = {}
    for check in graph.asset_check_keys:
        checks.setdefault(check.asset_key, []).append(check.name)
    assets = {key.to_user_string(): _shape(graph.get(key), checks.get(key, [])) for key in graph.get_all_asset_keys()}
    return {
        "assets": dict(sorted(assets.items())),
        "schedules": sorted(schedule.name for schedule in definitions.schedules),
        "sensors": sorted(sensor.name for sensor in definitions.sensors),
    }


def _shape(node: Any, checks: list[str]) -> dict[str, Any]:
    return {
        "group": node.group_name,
        "upstream": {key.to_user_string(): _mapping(node, key) for key in sorted(node.parent_keys)},
        "partitions": _partitions(node.partitions_def),
        "checks": sorted(checks),
        "pools": sorted(node.pools or ()),
        "kinds": sorted(node.kinds or ()),
        "made_here": bool(node.is_materializable),
    }


def _mapping(node: Any, upstream: dg.AssetKey) -> str:
    """How partitions of the two belong together: what makes lineage exact."""
    mapping = node.partition_mappings.get(upstream)
    return type(mapping).__name__ if mapping else "default"


def _partitions(definition: dg.PartitionsDefinition | None) -> dict[str, Any] | None:
    if definition is None:
        return None
    keys = definition.get_partition_keys()
    return {"count": len(keys), "first": str(keys[0]), "last": str(keys[-1])}


def test_the_demo_has_the_shape_of_the_snapshot() -> None:
    expected, found = json.loads(SNAPSHOT.read_text("utf-8")), shape_of_demo()
    known, now = set(expected["assets"]), set(found["assets"])
    assert not known - now, f"assets are gone: {sorted(known - now)}; {RENEW}"
    assert not now - known, f"assets are new: {sorted(now - known)}; {RENEW}"
    for key, shape in found["assets"].items():
        assert shape == expected["assets"][key], f"{key} has changed; {RENEW}"
    assert found == expected, RENEW


def test_groups_follow_the_flow_and_every_asset_made_here_is_checked() -> None:
    shape = shape_of_demo()["assets"]
    assert {asset["group"] for asset in shape.values()} == {
        "corpora",
        "personas",
        "prompts",
        "models",
        "predictions",
        "reports",
    }
    assert all(asset["checks"] == ["schema"] for asset in shape.values() if asset["made_here"])
    order = ["corpora", "personas", "prompts", "models", "predictions", "reports"]
    for key, asset in shape.items():
        for upstream in asset["upstream"]:
            assert order.index(shape[upstream]["group"]) <= order.index(asset["group"]), f"{key} <- {upstream}"


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps(shape_of_demo(), indent=1, ensure_ascii=False) + "\n", "utf-8")
