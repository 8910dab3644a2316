"""Enough of PromQL's grammar to see that an expression is well formed, and which metrics and labels it names."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

TOKEN = re.compile(
    r"\s+"
    r"|(?P<string>\"(?:[^\"\\]|\\.)*\")"
    r"|(?P<duration>\d+(?:ms|[smhdwy])(?:\d+(?:ms|[smhdwy]))*)"
    r"|(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)"
    r"|(?P<operator>=~|!~|==|!=|<=|>=|[-+*/%^<>=(){}\[\],])"
)
AGGREGATIONS = {"sum", "min", "max", "avg", "count"}
FUNCTIONS = {"rate", "increase", "absent", "histogram_quantile", "clamp_min", "max_over_time"}
COUNTERS_ONLY = {"rate", "increase"}
BINARY = {"+", "-", "*", "/", "%", "==", "!=", "<", ">", "<=", ">=", "and", "or", "unless"}


class PromqlError(ValueError):
    """The expression isn't PromQL, or uses a part of it that is not known here."""


@dataclass
class Expression:
    """What an expression names."""

    metrics: set[str] = field(default_factory=set)
    labels: dict[str, set[str]] = field(default_factory=dict)
    rated: set[str] = field(default_factory=set)


def parse(text: str) -> Expression:
    """Read an expression. Raises: PromqlError."""
    parser = _Parser(text)
    parser.expression()
    if parser.kind != "end":
        raise PromqlError(f"{parser.value!r} is too much: {text}")
    return parser.found


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[tuple[str, str]] = []
        position = 0
        while position < len(text):
            match = TOKEN.match(text, position)
            if match is None:
                raise PromqlError(f"unreadable at {text[position:]!r}")
            if match.lastgroup:
                self.tokens.append((match.lastgroup, match[0]))
            position = match.end()
        self.tokens.append(("end", ""))
        self.at = 0
        self.found = Expression()

    @property
    def kind(self) -> str:
        return self.tokens[self.at][0]

    @property
    def value(self) -> str:
        return self.tokens[self.at][1]

    def take(self, wanted: str = "") -> str:
        kind, value = self.tokens[self.at]
        if wanted and wanted not in (kind, value):
            raise PromqlError(f"{wanted!r} expected, not {value!r}: {self.text}")
        self.at += 1
        return value

    def expression(self) -> set[str]:
        """Read operands and the operators between them; return the metrics they name."""
        metrics = self.operand()
        while self.value in BINARY:
            self.take()
            metrics |= self.operand()
        return metrics

    def operand(self) -> set[str]:
        if self.value == "-":
            self.take()
        if self.kind == "number":
            self.take()
            return set()
        if self.value == "(":
            self.take()
            metrics = self.expression()
            self.take(")")
            return metrics
        name = self.take("name")
        if name in AGGREGATIONS:
            return self.aggregation()
        if self.value == "(":
            return self.call(name)
        return self.selector(name)

    def aggregation(self) -> set[str]:
        labels = self.grouping()
        self.take("(")
        metrics = self.expression()
        self.take(")")
        labels |= self.grouping()
        for metric in metrics:
            self.found.labels.setdefault(metric, set()).update(labels)
        return metrics

    def grouping(self) -> set[str]:
        labels: set[str] = set()
        if self.value in {"by", "without"}:
            self.take()
            self.take("(")
            while self.value != ")":
                labels.add(self.take("name"))
                if self.value != ")":
                    self.take(",")
            self.take(")")
        return labels

    def call(self, name: str) -> set[str]:
        if name not in FUNCTIONS:
            raise PromqlError(f"no function {name!r} is known: {self.text}")
        self.take("(")
        start = self.at
        metrics = self.expression()
        while self.value == ",":
            self.take()
            metrics |= self.expression()
        self.take(")")
        if name in COUNTERS_ONLY:
            if self.tokens[self.at - 2][1] != "]":
                raise PromqlError(f"{name} wants a range: {self.text[start:]}")
            self.found.rated |= metrics
        return metrics

    def selector(self, metric: str) -> set[str]:
        self.found.metrics.add(metric)
        labels = self.found.labels.setdefault(metric, set())
        if self.value == "{":
            self.take()
            while self.value != "}":
                labels.add(self.take("name"))
                operator = self.take("operator")
                pattern = self.take("string")[1:-1]
                if operator not in {"=", "!=", "=~", "!~"}:
                    raise PromqlError(f"{operator!r} compares no label: {self.text}")
                if "~" in operator:
                    re.compile(pattern)
                if self.value != "}":
                    self.take(",")
            self.take("}")
        if self.value == "[":
            self.take()
            self.take("duration")
            self.take("]")
        return {metric}
