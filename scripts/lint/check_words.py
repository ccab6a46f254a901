"""Wording check for everything that people read: standard terms instead of private dialect.

    check_words.py [--report] [PATH ...]

Reads docstrings, comments and string literals of Python files, and the prose of documents, templates and
scripts. Code is left out: identifiers, inline code, SQL, paths, addresses and options. Prints
``file:line: word -> what to use instead`` and exits with 1 if there are findings; with ``--report``
prints rates for each group of files instead.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from words import STARTS, WORDS

ROOT = Path(__file__).resolve().parents[2]
SKIPPED = ("constraints/", "scripts/lint/words.py", "LICENSE")
DOCUMENTS, SCRIPTS = {".html", ".md", ".yaml", ".yml"}, {".css", ".js", ".sh", ".toml"}
GROUPS = {
    "airflow_provider_engagevoice/sandbox/": "sandbox",
    "airflow_provider_engagevoice/": "package",
    "scripts/": "scripts",
    "tests/": "tests",
    "": "docs",
}
MAX_WHERE = 2.0
"""Most uses of "where" in 1,000 words of a group: the word is for places, not for conditions."""

#: Code, in which no word counts: inline code, quoted words, addresses, links, placeholders, tags, Sphinx
#: fields, options, paths, dotted names, snake case, constants, camel case.
CODE = re.compile(
    r"``.*?``|`[^`\n]*`|\"[^\"\s]+\"|'\w+'(?=[ ,.:;)])|https?://\S+|\]\([^)\s]*\)|\{[^{}]*\}|<[^<>\s][^<>]*>"
    r"|:(?:param|raises|class|meth|func|mod|attr)\b[^:]*:|(?<!\w)--?[a-z][\w-]*|[\w.~-]*/[\w./-]+"
    r"|\b\w+(?:\.\w+)+\b|\b\w*_\w*\b|\b[A-Z]{2,}\w*|\b[A-Z]?[a-z]+[A-Z]\w*",
    re.DOTALL,
)
SQL = re.compile(r"\b(?:SELECT|INSERT|UPDATE|DELETE|CREATE|FROM|JOIN|SET)\b.*[=(*?,]|\bWHERE\b", re.DOTALL)
BLOCK = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
COMMENT_OR_LITERAL = re.compile(
    r"/\*.*?\*/|(?:^|\s)(?://|#+)\s.*?$|([\"'`])\w[^\"'`\n]*\s[^\"'`\n]*\1", re.DOTALL | re.MULTILINE
)
WHERE = re.compile(r"(?:\b(from|is|knows?|lines?|places?|sees?|shows?)\s+)?\bwhere\b")


def compiled(table: dict[str, str], before: str) -> list[tuple[re.Pattern[str], str]]:
    """Compile a table of words; a space in a pattern matches any white space."""
    return [(re.compile(rf"{before}({word})\b".replace(" ", r"\s+")), use) for word, use in table.items()]


ANYWHERE, AT_START = compiled(WORDS, r"(?<![\w-])"), compiled(STARTS, r"\s*")


class Text(NamedTuple):
    """A piece of prose and the line on which it starts."""

    line: int
    text: str
    is_docstring: bool = False


def python_texts(source: str) -> Iterator[Text]:
    """Yield docstrings, literals of more than one word, and comments."""
    nodes = list(ast.walk(ast.parse(source)))
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            is_prose = " " in node.value.strip() and not SQL.search(node.value)
            if is_prose or id(node) in docstrings:
                yield Text(node.lineno, node.value, id(node) in docstrings)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield Text(token.start[0], token.string.lstrip("#: "))


def texts_of(path: Path) -> Iterator[Text]:
    """Yield the prose of a file; of code blocks in documents only the comments."""
    if path.suffix == ".py":
        yield from python_texts(path.read_text(encoding="utf-8"))
    elif path.suffix in DOCUMENTS:
        source = path.read_text(encoding="utf-8")
        yield Text(1, BLOCK.sub(lambda block: re.sub(r"(?m)^[^#\n]*", "", block.group()), source))
    elif path.suffix in SCRIPTS or path.name in {"Makefile", "run"}:
        source = path.read_text(encoding="utf-8")
        for match in COMMENT_OR_LITERAL.finditer(source):
            yield Text(source.count("\n", 0, match.start()) + 1, match.group().strip("`"))


def findings_in(text: Text) -> tuple[list[str], list[str], int]:
    """Return lines to print for words to replace and for uses of "where", and the number of words."""
    prose = CODE.sub(lambda code: "~" + "\n" * code.group().count("\n"), text.text).lower()
    matches = [(match, use) for word, use in ANYWHERE for match in word.finditer(prose)]
    if text.is_docstring:
        matches += [(match, use) for word, use in AT_START if (match := word.match(prose))]
    found: list[str] = []
    end = 0
    for match, use in sorted(matches, key=lambda each: (each[0].start(), -each[0].end())):
        if match.start() >= end:  # of matches that overlap only the first counts
            end = match.end()
            line = text.line + prose.count("\n", 0, end - len(match.group().lstrip()))
            found.append(f"{line}: {' '.join(match.group().split())} -> {use}")
    places = [match.end() for match in WHERE.finditer(prose) if not match.group(1)]
    wheres = [f"{text.line + prose.count(chr(10), 0, end)}: 'where' -> if, when" for end in places]
    return found, wheres, len(re.findall(r"[a-z][a-z'\u2019-]*", prose))


def files(chosen: list[str]) -> list[str]:
    """Return the files to check, relative to the repository: tracked ones, and new ones not ignored."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *chosen]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    return sorted(name for name in listed if (ROOT / name).is_file() and not name.startswith(SKIPPED))


def main(arguments: list[str]) -> int:
    """Check files; return the exit code."""
    words: Counter[str] = Counter()
    found: defaultdict[str, list[str]] = defaultdict(list)
    wheres: defaultdict[str, list[str]] = defaultdict(list)
    for name in files([each for each in arguments if each != "--report"]):
        group = next(group for start, group in GROUPS.items() if name.startswith(start))
        for lines, conditions, count in map(findings_in, texts_of(ROOT / name)):
            words[group] += count
            found[group] += [f"{name}:{line}" for line in lines]
            wheres[group] += [f"{name}:{line}" for line in conditions]
    if "--report" in arguments:
        print(f"{'group':<9}{'words':>8}{'to replace':>12}{'per 1,000':>11}{'where':>8}{'per 1,000':>11}")
        for group, count in sorted(words.items()):
            rates = [1000 * len(each[group]) / count for each in (found, wheres)]
            print(f"{group:<9}{count:>8}{len(found[group]):>12}{rates[0]:>11.1f}", end="")
            print(f"{len(wheres[group]):>8}{rates[1]:>11.1f}")
        return 0
    failures = [line for lines in found.values() for line in lines]
    for group, lines in wheres.items():
        if 1000 * len(lines) > MAX_WHERE * words[group]:
            failures += [*lines, f"{group}: more than {MAX_WHERE} uses of 'where' in 1,000 words"]
    print("\n".join(failures) or "Wording: no findings.")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
