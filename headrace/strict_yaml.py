"""YAML as people write declarations: safe, a key written twice is an error, and what is wrong is said by its place."""

from typing import Any

import yaml
from pydantic import ValidationError
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
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def format_findings(error: ValidationError) -> str:
    """What is wrong with a declaration: each key and what was expected of it; of what only the whole breaks, `together`."""
    found = [(".".join(map(str, finding["loc"])) or "together", finding["msg"].removeprefix("Value error, ")) for finding in error.errors()]
    return "; ".join(f"{place}: {said}" for place, said in found)
