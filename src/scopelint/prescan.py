"""Says from the bytes of a file alone whether it can matter at all."""

from __future__ import annotations

import enum
import itertools
import re
from bisect import bisect
from collections import defaultdict
from collections.abc import Iterator

# Every finding has one of these in the file of one of its decisive sites: a hand-made enter or
# exit, a stack that is filled or closed, a group that is made. What such a file refers to in
# other files is looked up by name, so the words need not cover definitions, bases or callers.
SEEDS: tuple[bytes, ...] = (
    b"__aenter__",
    b"__aexit__",
    b"__enter__",
    b"__exit__",
    b"enter_async_context",
    b"enter_context",
    b"push_async_exit",
    b"task_group",
    b"TaskGroup",
    b"nursery",
    b"Nursery",
)


# Every seed has one of these in it; fewer searches tell that a file has none.
_STEMS = (b"enter_", b"exit__", b"async_exit", b"ursery", b"task_group", b"TaskGroup")


def may_matter(raw: bytes) -> bool:
    """Say whether any rule could have a decisive site in a file with these bytes."""
    if any(stem in raw for stem in _STEMS) and any(_is_used(raw, word) for word in SEEDS):
        return True
    return may_yield_in_block(raw)


def _is_used(raw: bytes, word: bytes) -> bool:
    """Say whether a file has a word other than as the name of a method, or in a remark."""
    start, seen, line = raw.find(word), 0, 0
    while start >= 0:
        # Of files that are one long line, too, every byte is looked at once.
        line = max(line, raw.rfind(b"\n", seen, start) + 1, raw.rfind(b"\r", seen, start) + 1)
        seen = start
        if raw[start - 4 : start] != b"def ":
            if not _is_remark(raw[line:start]):
                return True
            end = _LINE_BREAK.search(raw, start)
            seen = len(raw) if end is None else end.start()
        start = raw.find(word, max(start + 1, seen))
    return False


_LINE_BREAK = re.compile(rb"[\r\n]")


def _is_remark(line: bytes) -> bool:
    # Strings of several lines may have such lines, too, and code where they end or after a brace.
    is_sure = not any(mark in line for mark in (b"{", b'"', b"'"))
    return is_sure and line.lstrip(b" \t\f").startswith(b"#")


# What opens a definition, after the end of a line, and what opens a block, at its start.
_DEFINED_AT = re.compile(rb"\n([ \t]*)(?:async[ \t]+def|def|class)\b")
_OPENED_AT = re.compile(rb"[ \t]*(?:async[ \t]+)?with\b")
_INDENT = re.compile(rb"[ \t]*")


def may_yield_in_block(raw: bytes) -> bool:
    """Say whether an async generator may yield inside a `with`, whatever the `with` enters.

    A carrier has any name, so indentation has to tell. A block counts as open till the next
    definition that is not deeper: more than the truth, never less.
    """
    if b"yield" not in raw or b"async" not in raw or b"with" not in raw:
        return False
    raw = b"\n%b\n" % raw
    end = raw.rfind(b"yield") + 5
    yields = _lines_with(raw, b"yield", end)
    outermost, opened, seen = _DEEPEST, 0, 0
    for start in sorted(yields | _lines_with(raw, b"with", end)):
        is_definition = False
        if outermost < _DEEPEST:
            for match in _DEFINED_AT.finditer(raw, seen, raw.find(b"\n", start)):
                is_definition = match.start(1) == start
                if len(match[1]) <= outermost and not _ends_in_string(raw, opened, match.start(1)):
                    outermost = _DEEPEST
                    break
        seen = start
        if is_definition:
            continue
        depth = len(_INDENT.match(raw, start)[0])  # type: ignore[index]  # it matches anything
        is_block = _OPENED_AT.match(raw, start) is not None
        if start in yields and (is_block or depth > outermost):
            return True
        if is_block and depth < outermost:
            outermost, opened = depth, start
    return False


def _lines_with(raw: bytes, word: bytes, end: int) -> set[int]:
    """Return where the lines begin that have a word."""
    found: set[int] = set()
    start = raw.find(word, 0, end)
    while start >= 0:
        after = start + len(word)
        if raw[start - 1 : start] not in _WORD and raw[after : after + 1] not in _WORD:
            found.add(raw.rfind(b"\n", 0, start) + 1)
        start = raw.find(word, after, end)
    return found


_DEEPEST = 1_000_000


def _ends_in_string(raw: bytes, start: int, end: int) -> bool:
    """Say whether a point may lie in a string of several lines that began after another one."""
    quotes = raw.count(b'"""', start, end), raw.count(b"'''", start, end)
    return any(count % 2 for count in quotes)


def may_suppress(raw: bytes) -> bool:
    """Say whether a file with these bytes can have a suppression; of others no token is read."""
    if b"scopelint:" in raw:
        return True
    lower = raw.lower()
    return b"scp" in lower and re.search(rb"noqa\s*:[^\r\n]*scp", lower) is not None


class Mark(enum.Flag):
    """What the bytes of a file say of it."""

    NOTHING = 0
    MATTERS = enum.auto()
    SUPPRESSES = enum.auto()


def marks_of(raw: bytes) -> Mark:
    """Return all that the bytes of a file say of it."""
    matters = Mark.MATTERS if may_matter(raw) else Mark.NOTHING
    return matters | (Mark.SUPPRESSES if may_suppress(raw) else Mark.NOTHING)


_LETTERS = frozenset(b"_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_SPACED = bytes(byte if byte in _LETTERS else ord(" ") for byte in range(256))


def is_plain(word: bytes) -> bool:
    """Say whether a word is one of those that are kept of a file: of ASCII letters."""
    return word.replace(b"_", b"a").isalnum()


def words_of(raw: bytes) -> bytes:
    """Return all words of a file, each once, with spaces between them."""
    return b" ".join(set(raw.translate(_SPACED).split()))


def first_words_of(raw: bytes) -> bytes:
    """Return those of the first words that a file has, with spaces between them."""
    return b" ".join(word for word in FIRST_WORDS if finds(raw, Look.MENTION, word))


# After this many searches, an index of the words pays.
_FEW_SEARCHES = 50


class Words:
    """Which words are in which files: a quarter of the bytes, and one search for all files."""

    def __init__(self) -> None:
        self._text = bytearray()
        self._paths: list[str] = []
        self._starts: list[int] = []
        self._latest: dict[str, int] = {}
        self._whole: set[str] = set()
        self._searches = 0
        self._numbers: defaultdict[bytes, list[int]] | None = None

    def __len__(self) -> int:
        """Return the number of files of which every word is known."""
        return len(self._whole)

    def copy(self) -> Words:
        """Return what can learn more without this one learning it, too."""
        other = Words()
        other._text = self._text.copy()
        other._paths, other._starts = self._paths.copy(), self._starts.copy()
        other._latest, other._whole = self._latest.copy(), self._whole.copy()
        if self._numbers is not None:
            copies = ((word, numbers.copy()) for word, numbers in self._numbers.items())
            other._numbers = defaultdict(list, copies)
        return other

    def learn(self, path: str, raw: bytes, *, is_whole: bool = True) -> None:
        """Learn the words of a file, or which of the first words it has, instead of older ones."""
        self.take(path, words_of(raw) if is_whole else first_words_of(raw), is_whole=is_whole)

    def take(self, path: str, words: bytes, *, is_whole: bool) -> None:
        """Learn what `words_of`, or else `first_words_of`, says of a file."""
        (self._whole.add if is_whole else self._whole.discard)(path)
        self._latest[path] = len(self._paths)
        if self._numbers is not None:
            self._number(self._numbers, words, len(self._paths))
        else:
            self._starts.append(len(self._text))
            self._text += b" %b \n" % words
        self._paths.append(path)

    def lacks(self, path: str, word: bytes) -> bool:
        """Say whether it is not known of a file whether it has a word."""
        return path not in self._whole and (word not in FIRST_WORDS or path not in self._latest)

    def having(self, word: bytes, *, is_one_of_many: bool = False) -> Iterator[str]:
        """Yield the files that have a word; if many will be asked for, they get an index now."""
        self._searches += 1
        if self._numbers is None and (is_one_of_many or self._searches >= _FEW_SEARCHES):
            self._numbers = defaultdict(list)
            for number, words in enumerate(bytes(self._text).split(b"\n")):
                self._number(self._numbers, words, number)
            self._text.clear()
        indexed = self._numbers
        found = self._search(word) if indexed is None else indexed.get(word, ())
        for number in found:
            path = self._paths[number]
            if self._latest[path] == number:
                yield path

    @staticmethod
    def _number(numbers: defaultdict[bytes, list[int]], words: bytes, number: int) -> None:
        for word in words.split():
            numbers[word].append(number)

    def _search(self, word: bytes) -> Iterator[int]:
        wanted = b" %b " % word
        start = self._text.find(wanted)
        while start >= 0:
            number = bisect(self._starts, start) - 1
            yield number
            if number + 1 == len(self._starts):
                return
            start = self._text.find(wanted, self._starts[number + 1])


class Look(enum.Enum):
    """What a second look for a name is after.

    Any mention, a store, a call, a derived class, the import of a package, a call that may be a
    statement of its own, a store through an object's own name or in the body of a class, an
    attribute, a class or function that surely is all that the module has under the name, the end of
    a string or the name of an argument.
    """

    MENTION = enum.auto()
    STORE = enum.auto()
    CALL = enum.auto()
    DERIVED = enum.auto()
    IMPORT = enum.auto()
    STATEMENT = enum.auto()
    OWN_STORE = enum.auto()
    ATTRIBUTE = enum.auto()
    DEFINED = enum.auto()
    NAMED = enum.auto()


# All that rules ask of a project without a seed, unless one of these finds something.
FIRST_LOOKS = (("asyncio", Look.IMPORT), ("uvloop", Look.IMPORT))
FIRST_WORDS = tuple(word.encode() for word, _ in FIRST_LOOKS)


def finds(raw: bytes, look: Look, word: bytes) -> bool:
    """Say whether a file with these bytes may have what a second look is after.

    Searching for the word itself and then looking around it is faster by far than a pattern.
    """
    is_there = _LOOKS[look]
    start = raw.find(word)
    while start >= 0:
        end = start + len(word)
        is_whole = raw[start - 1 : start] not in _WORD and raw[end : end + 1] not in _WORD
        if is_whole and is_there(raw, start, end):
            return True
        start = raw.find(word, end)
    return False


# `x.name = ...` and the like on one line, `x.name.append(...)`, `as x.name`; what a method stores
# on its own `self` is known from the class.
_ADDED = rb"\.\s*(?:append|appendleft|add|insert|put_nowait|setdefault)\b"
_STORED = re.compile(rb"[ \t]*(?![ \t]|[.(]|==)[^\n]*=|\s+in\b|\s*" + _ADDED)
# What cannot follow a target: a call, an attribute of it, an operator, the end of a string.
_OWN_STORED = re.compile(rb"[\s\\]*(?:=(?!=)|[:,;)\]\[#]|in\b|" + _ADDED + rb")")
_NO_TARGET = re.compile(rb"[ \t]*(?:[.(\"'+*/%&|^<>@-]|==)")
_DEFINED = re.compile(rb"\b(?:def|class|import)[\s\\]+\Z")
_REMARK = re.compile(rb"#[^\n]*")
_BOUND = re.compile(rb"\bas\s+[\w.]+\.\Z")
_CALLED = re.compile(rb"\s*\(")
# `class Other(name)`, `import name as other`, `other = name`.
_CLASS = re.compile(rb"\bclass\s+\w")
_RENAMED = re.compile(rb"\s+as\b")
_LINE_END = re.compile(rb"\s*$", re.MULTILINE)
_ASSIGNED = re.compile(rb"=\s*[\w.]*\Z")
_SELF = re.compile(rb"\bself\.\Z")
# Where `self` is an object that no method was given, and what all of that has in it.
_OTHER_SELF = re.compile(
    rb"^[ \t]*self[ \t]*(?::[^=\n]*)?=(?!=)|\b(?:as|for)[ \t]+self\b|\bself[ \t]*:=", re.MULTILINE
)
_SIGNS_OF_OTHER_SELF = (b"self =", b"self=", b"self:", b"self :", b"as self", b"for self")
_IMPORTED = re.compile(rb"\b(?:from|import)\b.*\Z", re.DOTALL)
_PACKAGE = re.compile(rb"[ \t]*(?:from|import)[ \t]+[\w.]*\Z")
_CONTINUED = re.compile(rb"\\\r?\n\Z")
_NAMED = re.compile(rb"[\"']|\s*=")
_HEAD = re.compile(rb"(?:async[ \t]+def|def|class)[ \t]+")
# Where a statement at the top level begins, and not a line that continues one.
_TOP = re.compile(rb"\n[^\s#)\]}]")
_GLOBAL = re.compile(rb"\bglobal\b[^\n]*")
# What stands before a name that is not bound, and behind one.
_UNBOUND_AFTER = frozenset({b".", b"@", b'"', b"'"})
_UNBOUND_BEFORE = frozenset({b".", b"(", b"["})
# What stands before a call whose value is used: `=`, `return`, another call; a list, set or tuple
# may be a statement itself.
_USED = re.compile(rb"(?:[^=!<>]=|\b(?:return|await|yield)|\w\()\s*[\w.]*\Z")
_IN_DISPLAY = re.compile(rb"[,\[{(]\s*[\w.]*\Z")
_USES_DISPLAY = re.compile(rb"[^=!<>]=(?!=)|\b(?:return|await|yield|in)\b|\w[\[(]|:")
# No class names bases over more bytes than this.
_CLASS_HEAD = 10_000
# A dotted name before the word is not longer than this.
_BEFORE = 200
_WORD = frozenset(bytes([byte]) for byte in _LETTERS)


def _is_mentioned(raw: bytes, start: int, end: int) -> bool:
    return True


def _is_stored(raw: bytes, start: int, end: int) -> bool:
    if raw[start - 1 : start] != b".":
        return False
    before = max(0, start - _BEFORE)
    if _STORED.match(raw, end):
        is_own = _SELF.search(raw, max(0, start - 6), start) is not None
        if not is_own or _binds_self(raw):
            return True
    return raw.find(b"as", before, start) >= 0 and _BOUND.search(raw, before, start) is not None


def _binds_self(raw: bytes) -> bool:
    """Say whether a file gives the name ``self`` to anything."""
    has_sign = any(sign in raw for sign in _SIGNS_OF_OTHER_SELF)
    return has_sign and _OTHER_SELF.search(raw) is not None


def _is_own_stored(raw: bytes, start: int, end: int) -> bool:
    if raw[start - 1 : start] == b".":
        return _OWN_STORED.match(raw, end) is not None
    if _NO_TARGET.match(raw, end) is None:
        return True
    return _DEFINED.search(raw, max(0, start - _BEFORE), start) is not None


def _is_called(raw: bytes, start: int, end: int) -> bool:
    return _CALLED.match(raw, end) is not None


def _is_derived(raw: bytes, start: int, end: int) -> bool:
    first = max(0, start - _CLASS_HEAD)
    head = max(first, raw.rfind(b":", first, start) + 1)
    if raw.find(b"class", head, start) >= 0 and _CLASS.search(raw, head, start):
        return True
    if _RENAMED.match(raw, end):
        return True
    before = max(0, start - _BEFORE)
    return _LINE_END.match(raw, end) is not None and (
        _ASSIGNED.search(raw, before, start) is not None
    )


def _is_imported(raw: bytes, start: int, end: int) -> bool:
    line = raw.rfind(b"\n", 0, start) + 1
    while _CONTINUED.search(raw, max(0, line - 3), line):
        line = raw.rfind(b"\n", 0, line - 1) + 1
    return _IMPORTED.search(raw, line, start) is not None


def _is_attribute(raw: bytes, start: int, end: int) -> bool:
    before = raw[max(0, start - _BEFORE) : start]
    if not _ends_in_dot(before):
        # Comments may stand between a dot and the name on a later line.
        begins_line = not before.rpartition(b"\n")[2].strip()
        if not begins_line or not _ends_in_dot(_REMARK.sub(b"", before)):
            return False
    return _PACKAGE.match(raw, raw.rfind(b"\n", 0, start) + 1, start) is None


def _ends_in_dot(raw: bytes) -> bool:
    return raw.rstrip(b"\\ \t\r\n").endswith(b".")


def _is_defined(raw: bytes, start: int, end: int) -> bool:
    head = _HEAD.match(raw, raw.rfind(b"\n", 0, start) + 1)
    word = raw[start:end]
    if head is None or head.end() != start:
        return False
    if b"global" in raw and any(word in line for line in _GLOBAL.findall(raw)):
        return False
    starts = [0, *(match.end() - 1 for match in _TOP.finditer(raw)), len(raw)]
    return not any(
        word in (statement := raw[one:other]) and _may_bind(statement, word)
        for one, other in itertools.pairwise(starts)
        if _HEAD.match(raw, one) is None
    )


def _is_named(raw: bytes, start: int, end: int) -> bool:
    return _NAMED.match(raw, end) is not None


def _may_bind(raw: bytes, word: bytes) -> bool:
    """Say whether code outside of definitions may bind a name."""
    start = raw.find(word)
    while start >= 0:
        end = start + len(word)
        before, after = raw[start - 1 : start], raw[end : end + 1]
        if before not in _WORD and after not in _WORD and before not in _UNBOUND_AFTER:
            if after not in _UNBOUND_BEFORE or _is_imported(raw, start, end):
                return True
        start = raw.find(word, end)
    return False


def _is_statement(raw: bytes, start: int, end: int) -> bool:
    if _RENAMED.match(raw, end):
        return True
    line = raw.rfind(b"\n", 0, start) + 1
    before = raw[max(line, start - _BEFORE) : start]
    if _USED.search(before):
        return False
    return not (_IN_DISPLAY.search(before) and _USES_DISPLAY.search(before))


_LOOKS = {
    Look.MENTION: _is_mentioned,
    Look.STORE: _is_stored,
    Look.CALL: _is_called,
    Look.DERIVED: _is_derived,
    Look.IMPORT: _is_imported,
    Look.STATEMENT: _is_statement,
    Look.OWN_STORE: _is_own_stored,
    Look.ATTRIBUTE: _is_attribute,
    Look.DEFINED: _is_defined,
    Look.NAMED: _is_named,
}
