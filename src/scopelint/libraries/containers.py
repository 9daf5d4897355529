"""Which built-in and standard containers there are, and which methods put in and take out."""

from __future__ import annotations

from collections.abc import Mapping

# Methods that put an argument into a container, and which argument it is.
ADDERS: Mapping[str, int] = {
    "append": 0,
    "appendleft": 0,
    "add": 0,
    "insert": 1,
    "put_nowait": 0,
    "setdefault": 1,
}
# Methods that give one element.
TAKERS: frozenset[str] = frozenset(
    {"pop", "get", "popleft", "setdefault", "get_nowait", "__getitem__"}
)
# Methods that give the elements again, and the one that gives them as pairs.
VIEWS: frozenset[str] = frozenset({"values", "copy"})
PAIR_VIEW = "items"

# Functions that give the elements of their last argument again, one of them, or pairs with them.
SAME_ELEMENTS: frozenset[str] = frozenset(
    f"builtins.{name}" for name in ("list", "set", "tuple", "sorted", "reversed", "iter", "filter")
)
ONE_ELEMENT: frozenset[str] = frozenset({"builtins.next", "builtins.min", "builtins.max"})
PAIRS: frozenset[str] = frozenset({"builtins.enumerate"})

_ABSTRACT = (
    "List",
    "Set",
    "Dict",
    "Tuple",
    "Sequence",
    "MutableSequence",
    "Mapping",
    "MutableMapping",
    "Iterable",
    "Iterator",
    "Collection",
    "Deque",
    "deque",
    "OrderedDict",
    "defaultdict",
    "DefaultDict",
    "ValuesView",
)
# Annotations whose last parameter is the type of the elements.
CONTAINERS: frozenset[str] = frozenset(
    {
        *(f"builtins.{name}" for name in ("list", "set", "frozenset", "dict", "tuple")),
        *(
            f"{m}.{name}"
            for m in ("typing", "collections", "collections.abc")
            for name in _ABSTRACT
        ),
        *(f"weakref.Weak{name}" for name in ("KeyDictionary", "ValueDictionary", "Set")),
    }
)
# Annotations all of whose parameters are types of elements.
TUPLES: frozenset[str] = frozenset({"builtins.tuple", "typing.Tuple"})
# Annotations that add nothing to their parameters; of `ANNOTATED` only the first counts.
TRANSPARENT: frozenset[str] = frozenset(
    f"{module}.{name}"
    for module in ("typing", "typing_extensions")
    for name in ("Optional", "Union", "Final", "ClassVar", "Required", "NotRequired")
)
ANNOTATED: frozenset[str] = frozenset({"typing.Annotated", "typing_extensions.Annotated"})
TYPES: frozenset[str] = frozenset({"builtins.type", "typing.Type"})
CASTS: frozenset[str] = frozenset({"typing.cast", "typing_extensions.cast"})
PARTIALS: frozenset[str] = frozenset({"functools.partial"})
# Calls that declare a field of a class, and the keywords that say how its value is made.
FIELD_MAKERS: frozenset[str] = frozenset(
    {
        *("dataclasses.field", "attrs.field", "attr.ib", "attr.field"),
        *("attrs.Factory", "attr.Factory"),
        *("pydantic.Field", "pydantic.fields.Field"),
        *("pydantic.PrivateAttr", "pydantic.fields.PrivateAttr"),
    }
)
FIELD_FACTORIES: frozenset[str] = frozenset({"default_factory", "factory"})
# Calls whose first argument makes the elements that are missing.
DEFAULT_MAKERS: frozenset[str] = frozenset({"collections.defaultdict"})
# Decorators of classes after which objects take any attribute, unless their arguments forbid it.
ATTRIBUTE_KEEPERS: frozenset[str] = frozenset(
    {
        *("dataclasses.dataclass", "functools.total_ordering"),
        *("typing.final", "typing.runtime_checkable"),
        *("typing_extensions.final", "typing_extensions.runtime_checkable"),
    }
)
PROPERTIES: frozenset[str] = frozenset(
    {"builtins.property", "functools.cached_property", "cached_property.cached_property"}
)
