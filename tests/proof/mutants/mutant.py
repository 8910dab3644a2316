"""What a mutant is: the product without one of its safeguards, and the tests that must notice.

A mutant is anchored on text, not on functions and their syntax trees. Of the first 208 edits that kept a mutant in step with
the product, 123 followed what the code says and 81 the name of its file, which such an anchor would have needed as well; 4
followed formatting alone.
"""

from __future__ import annotations

from dataclasses import dataclass


class StaleMutant(ValueError):
    """The product has changed where this mutant changes it: the mutant needs the new text."""


@dataclass(frozen=True)
class Mutant:
    """One safeguard taken out: in `file` the text `old`, which stands there once, becomes `new`.

    `removes` says which safeguard that is, `promise` what no longer holds (I1 to I13, or "edge": what is promised to
    no order but kept at the door: secrets, limits, whose order it is). `killers` are the tests of which at least one
    must fail, each time; few and quick ones, none that needs a race to come out so, though others may notice as well.
    """

    removes: str
    promise: str
    file: str
    old: str
    new: str
    killers: tuple[str, ...]
    needs_broker: bool = False

    @property
    def makes_tables(self) -> bool:
        """Whether it is in what the tables and their triggers are made by, so that they have to be made anew."""
        return "/migrations/" in self.file or self.file.endswith("_schema.py")

    def applied_to(self, text: str) -> str:
        """Return the file's text without the safeguard. Raises: StaleMutant, SyntaxError."""
        if (found := text.count(self.old)) != 1:
            raise StaleMutant(f"{self.removes}: its text stands in {self.file} {found} times, not once: {self.old!r}")
        mutated = text.replace(self.old, self.new)
        if self.file.endswith(".py"):
            compile(mutated, self.file, "exec")
        return mutated

    def __str__(self) -> str:
        return f"without {self.removes} ({self.promise})"
