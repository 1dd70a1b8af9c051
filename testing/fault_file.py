"""EDGE: fault rules from a YAML file, as `minibroker serve --faults FILE` takes them.

    - lose_reply: {api: Produce, topic: orders, nth: 2}
    - error: {api: Produce, code: NOT_LEADER_OR_FOLLOWER, times: 2}
    - crash: {at: flush, path: "orders-0/*.log", nth: 3}
    - crash: {at: rename, path: "*.producers*", side: after}
    - shorten_write: {path: "*.log", bytes_written: 20, then: crash, probability: 0.1, seed: 7}

One rule an item. Instants, actions and scopes: broker/faults/rules.py. Paths are relative to the
data directory; an operation is chosen by its old name where it has two. Needs PyYAML.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..broker.faults.forms import FieldError, rule_of
from ..broker.faults.rules import Rule


class FaultFileError(ValueError):
    """The file holds no rules; the text names file, line and reason."""


def read_fault_file(path: str) -> list[Rule]:
    """The rules of a file, in order.

    Raises:
        FaultFileError: it cannot be read, is no YAML, or a rule cannot mean anything.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise FaultFileError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise FaultFileError(f"{path}: {error}") from None
    return parse_rules(text, path)


def parse_rules(text: str, name: str) -> list[Rule]:
    """The rules of a YAML text; `name` stands for it in errors. Raises FaultFileError."""
    try:
        import yaml
    except ImportError:
        raise FaultFileError(
            f"{name}: reading rules needs PyYAML: pip install 'minibroker[testing]'"
        ) from None
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise FaultFileError(f"{name}:{line}: {error.problem}") from None
    except yaml.YAMLError as error:
        raise FaultFileError(f"{name}: {error}") from None
    if root is None:
        return []
    if not isinstance(root, yaml.SequenceNode):
        raise FaultFileError(f"{name}:{_line(root)}: a list of rules is expected, one a '- '")
    return [_rule(yaml, node, name) for node in root.value]


def _rule(yaml: Any, node: Any, name: str) -> Rule:
    form = yaml.constructor.SafeConstructor().construct_document(node)
    if not isinstance(form, dict):
        raise FaultFileError(f"{name}:{_line(node)}: a rule is 'action: {{fields}}'")
    try:
        return rule_of(form)
    except FieldError as error:
        raise FaultFileError(f"{name}:{_line_of_field(yaml, node, error.name)}: {error}") from None


def _line_of_field(yaml: Any, node: Any, field: str) -> int:
    """The line of a field of a rule, or of the rule."""
    fields = node.value[0][1]
    if field and isinstance(fields, yaml.MappingNode):
        for key, _ in fields.value:
            if key.value == field:
                return _line(key)
    return _line(node)


def _line(node: Any) -> int:
    line: int = node.start_mark.line + 1
    return line
