"""Where each policy of a file begins, because the engine's errors have no line."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

_TOKEN = re.compile(r'//[^\n]*|"(?:[^"\\\n]|\\.)*"|;|[^;"/]+|.', re.DOTALL)
_QUOTED = re.compile(r"`([^`]+)`|: (\w+)$")


class Statement(msgspec.Struct, frozen=True):
    """One policy as it was written.

    Attributes:
        text: from its first character to the semicolon.
        line: of the first character, from 1.
    """

    text: str
    line: int

    def line_of(self, error: str) -> int:
        """Return the line that *error* is about: of the word it names, else of the policy."""
        for quoted in _QUOTED.finditer(error):
            word = quoted[1] or quoted[2]
            for literal in re.findall(r'"([^"]+)"', word) or [word]:
                at = self.text.find(literal)
                if at >= 0:
                    return self.line + self.text.count("\n", 0, at)
        return self.line


def statements(text: str) -> Iterator[Statement]:
    """Yield the policies of a file; what follows the last semicolon is one more, if it is any."""
    line, begun, parts = 1, 1, list[str]()
    for token in _TOKEN.findall(text):
        blank = token.startswith("//") or not token.strip()
        if not parts and not blank:
            begun = line + token[: len(token) - len(token.lstrip())].count("\n")
            parts.append(token.lstrip())
        elif parts:
            # A comment inside a policy keeps its line and loses its words.
            parts.append("" if token.startswith("//") else token)
        line += token.count("\n")
        if token == ";":  # noqa: S105  # the end of a policy
            yield Statement("".join(parts), begun)
            parts.clear()
    if parts:
        yield Statement("".join(parts), begun)
