"""YAML as people write declarations: safe, and a key written twice is an error."""

from typing import Any

import yaml
from yaml.constructor import ConstructorError


class _Loader(yaml.CSafeLoader):
    """YAML that refuses a key written twice, of which the ordinary loader silently drops the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if repeated := sorted({str(key) for key in keys if keys.count(key) > 1}):
            raise ConstructorError(None, None, f"key written twice: {', '.join(repeated)}", node.start_mark)
        return super().construct_mapping(node, deep=deep)


def read_strictly(text: str) -> Any:
    """What a YAML text holds.

    Raises:
        yaml.YAMLError: It is no YAML, or writes a key twice.
    """
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - it extends the safe loader, which makes plain values only
