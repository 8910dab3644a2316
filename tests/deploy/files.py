"""Where the files under test are, and how they are read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
ENTRYPOINT = DOCKER / "entrypoint.sh"


class _StrictLoader(yaml.SafeLoader):
    """YAML in which a key given twice is an error, as it is to the tools that read these files."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _value in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"duplicate key {key!r}", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path | str) -> Any:
    """Read a file with one YAML document."""
    return yaml.load((DOCKER / path).read_text(), Loader=_StrictLoader)  # derives from SafeLoader


def read_documents(path: Path) -> list[dict[str, Any]]:
    """Read a file with several YAML documents."""
    return [document for document in yaml.load_all(path.read_text(), Loader=_StrictLoader) if document]


def entrypoint_roles() -> set[str]:
    """Return the roles that the image's entrypoint knows by name."""
    cases = re.findall(r"^    ([a-z][a-z |-]*)\)$", ENTRYPOINT.read_text(), re.MULTILINE)
    assert cases
    return {role for case in cases for role in case.split(" | ")}
