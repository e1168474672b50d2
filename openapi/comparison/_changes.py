"""What has changed between two OpenAPI documents, and whether it breaks clients that were made for the old one.

A client is a program that calls the operations, or one generated from the document: so names that generators turn
into code count too. Texts, examples, `x-` fields and `info` do not. The rules for values are in `_schemas.py`.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from ._references import KINDS, InvalidDocumentError, Pair, Place, object_in, resolved
from ._schemas import Change, Side, schema_changes

if TYPE_CHECKING:
    from collections.abc import Iterator

Document = dict[str, Any]

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


def compare(old: Document, new: Document) -> list[Change]:
    """Return what has changed, what breaks first.

    Raises:
        InvalidDocumentError: one of them is no OpenAPI 3 document, or a reference in it leads nowhere.
    """
    for document in (old, new):
        if not str(document.get("openapi", "")).startswith("3."):
            raise InvalidDocumentError(f"OpenAPI 3 expected, not {document.get('openapi')!r}")
    pair = Pair(old, new)
    parts = _server_changes(pair), _scheme_changes(pair), _paths_changes(pair), _name_changes(pair)
    try:
        found = dict.fromkeys(chain.from_iterable(parts))
    except (AttributeError, KeyError, TypeError) as error:  # a list where an object has to be, and the like
        raise InvalidDocumentError(f"no valid OpenAPI 3: {error!r}") from error
    return sorted(found, key=lambda change: not change.is_breaking)


def _server_changes(pair: Pair) -> Iterator[Change]:
    was, now = ([_url(server) for server in document.get("servers", [])] for document in (pair.old, pair.new))
    for url in sorted(set(was) - set(now)):
        yield Change(where="servers", what=f"{url} removed", is_breaking=True)
    for url in sorted(set(now) - set(was)):
        yield Change(where="servers", what=f"{url} added", is_breaking=False)
    if was and now:
        first, second = (document["servers"][0] for document in (pair.old, pair.new))
        if was[0] != now[0] or (not first.get("variables") and second.get("variables")):
            what = f"the first is {second['url']}, no longer {first['url']}; generators take the first"
            yield Change(where="servers", what=what, is_breaking=True)
    yield from _variable_changes(_variables(pair.old), _variables(pair.new))


def _variable_changes(was: dict[str, Any], now: dict[str, Any]) -> Iterator[Change]:
    """Yield what has changed in the variables of servers: what a client set must still be there to be set."""
    for name in sorted(was.keys() - now.keys()):
        yield Change(where="servers", what=f"variable {name} removed", is_breaking=True)
    for name in sorted(now.keys() - was.keys()):
        yield Change(where="servers", what=f"variable {name} added", is_breaking=False)
    for name in sorted(was.keys() & now.keys()):
        old, new = was[name].get("enum"), now[name].get("enum")
        if new is not None and (old is None or set(old) - set(new)):
            yield Change(where="servers", what=f"variable {name} takes fewer values", is_breaking=True)


def _variables(document: Document) -> dict[str, Any]:
    return {name: one for server in document.get("servers", []) for name, one in server.get("variables", {}).items()}


def _url(server: dict[str, Any]) -> str:
    """Return the URL of a server with what its variables are by default."""
    url: str = server.get("url", "/")
    for name, variable in server.get("variables", {}).items():
        url = url.replace(f"{{{name}}}", str(variable.get("default", "")))
    return url


def _scheme_changes(pair: Pair) -> Iterator[Change]:
    """Yield what has changed in the ways to authenticate; which of them an operation takes is told with it."""
    old, new = (document.get("components", {}).get("securitySchemes", {}) for document in (pair.old, pair.new))
    for name in sorted(old.keys() & new.keys()):
        was, now = (_said(resolved(document, of[name])) for document, of in ((pair.old, old), (pair.new, new)))
        if was != now:
            yield Change(where=f"securityScheme {name}", what="changed", is_breaking=True)


def _name_changes(pair: Pair) -> Iterator[Change]:
    """Yield the components that are no longer named: generators make a type of each."""
    old, new = (document.get("components", {}) for document in (pair.old, pair.new))
    for kind in [kind for kind in old if kind in KINDS]:
        for name in [name for name in old[kind] if name not in new.get(kind, {})]:
            yield Change(where=f"{KINDS[kind]} {name}", what="removed; generators make a type of it", is_breaking=True)


def _paths_changes(pair: Pair) -> Iterator[Change]:
    yield from _group_changes(pair, Place("", pair.old.get("paths", {}), pair.new.get("paths", {})), Side.REQUEST)
    webhooks = Place("webhook ", pair.old.get("webhooks", {}), pair.new.get("webhooks", {}))
    yield from _group_changes(pair, webhooks, Side.ANSWER)


def _group_changes(pair: Pair, place: Place, side: Side) -> Iterator[Change]:
    """Yield what has changed in operations by path, webhooks by name, or callbacks by expression.

    Args:
        pair: the documents.
        place: the group in both, and what its operations are called before their method.
        side: who reads the requests.
    """
    old, new = _operations(pair.old, place.old), _operations(pair.new, place.new)
    for method, path in [key for key in old if key not in new]:
        yield Change(where=f"{place.where}{method} {path}", what="removed", is_breaking=True)
    for method, path in [key for key in new if key not in old]:
        yield Change(where=f"{place.where}{method} {path}", what="added", is_breaking=False)
    for method, path in [key for key in old if key in new]:
        key = method, path
        yield from _operation_changes(pair, Place(f"{place.where}{method} {path}", old[key], new[key]), side)


def _operations(document: Document, group: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the operations of a group by method and path, each with what its path gives it."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for path, node in group.items():
        item = resolved(document, node)
        for method in [method for method in _METHODS if method in item]:
            shared = {key: item[key] for key in ("servers",) if key in item}
            operation = {**shared, **item[method]}
            operation["parameters"] = _parameters(document, item) | _parameters(document, item[method])
            found[method.upper(), path] = operation
    return found


def _parameters(document: Document, node: dict[str, Any]) -> dict[tuple[str, str], Any]:
    """Return parameters by place and name, as they stand: references are followed later."""
    named = [(resolved(document, parameter), parameter) for parameter in node.get("parameters", [])]
    return {(parameter["in"], parameter["name"]): reference for parameter, reference in named}


def _operation_changes(pair: Pair, place: Place, side: Side) -> Iterator[Change]:
    where, old, new = place
    if old.get("operationId") != new.get("operationId"):
        what = f"operationId: {old.get('operationId')} -> {new.get('operationId')}"
        yield Change(where=where, what=what, is_breaking=True)
    yield from _tag_changes(place)
    if new.get("deprecated") and not old.get("deprecated"):
        yield Change(where=where, what="deprecated", is_breaking=False)
    if old.get("servers") != new.get("servers"):
        yield Change(where=where, what="servers of its own changed", is_breaking=True)
    yield from _security_changes(pair, place)
    yield from _input_changes(pair, Place(where, old["parameters"], new["parameters"]), side)
    body = Place(f"{where}: body", old.get("requestBody"), new.get("requestBody"))
    yield from _body_changes(pair, body, side)
    yield from _answer_changes(pair, Place(where, old.get("responses", {}), new.get("responses", {})), side.flipped)
    callbacks = [
        {
            f"{name} {expression}": item
            for name, callback in operation.get("callbacks", {}).items()
            for expression, item in resolved(document, callback).items()
        }
        for document, operation in ((pair.old, old), (pair.new, new))
    ]
    yield from _group_changes(pair, Place(f"{where}: callback ", *callbacks), side.flipped)


def _tag_changes(place: Place) -> Iterator[Change]:
    """Yield whether an operation is still where generators put it: in a file or a class for each of its tags.

    Some look at the first tag alone.
    """
    old, new = (list(operation.get("tags", [])) or ["default"] for operation in (place.old, place.new))
    for tag in [tag for tag in old if tag not in new]:
        yield Change(where=place.where, what=f"tag {tag} removed; generators make a file of it", is_breaking=True)
    if old[0] in new and old[0] != new[0]:
        what = f"the first tag is {new[0]}, no longer {old[0]}"
        yield Change(where=place.where, what=what, is_breaking=True)
    for tag in [tag for tag in new if tag not in old]:
        yield Change(where=place.where, what=f"tag {tag} added", is_breaking=False)


def _security_changes(pair: Pair, place: Place) -> Iterator[Change]:
    """Yield whether what let a client in still does: one of its ways must ask for nothing more than before."""
    is_shared = "security" not in place.old and "security" not in place.new
    where = "security" if is_shared else f"{place.where}: security"  # what all operations share is told once
    old, new = _ways(pair.old, place.old), _ways(pair.new, place.new)
    for way in old:
        if not any(other <= way for other in new):
            yield Change(where=where, what=f"{_shown(way)} no longer lets in", is_breaking=True)
    for way in new:
        if way not in old:
            yield Change(where=where, what=f"{_shown(way)} now lets in", is_breaking=False)


def _ways(document: Document, operation: dict[str, Any]) -> list[frozenset[tuple[str, str]]]:
    """Return the ways to be let in, each as what it asks for: schemes, and their scopes."""
    stated: list[dict[str, list[str]]] = operation.get("security", document.get("security")) or [{}]
    return [frozenset((name, scope) for name, scopes in way.items() for scope in ("", *scopes)) for way in stated]


def _shown(way: frozenset[tuple[str, str]]) -> str:
    return " with ".join(sorted(f"{name} {scope}".rstrip() for name, scope in way)) or "no key"


def _input_changes(pair: Pair, place: Place, side: Side) -> Iterator[Change]:
    """Yield what has changed in the parameters of a request."""
    where, old, new = place
    for key in [key for key in old if key not in new]:
        yield Change(where=where, what=f"{' '.join(key)} removed", is_breaking=True)
    both = [key for key in old if key in new]
    if list(new)[: len(both)] != both:
        what = "the order of parameters; some generators make positional arguments"
        yield Change(where=where, what=what, is_breaking=True)
    for key in [key for key in new if key not in old]:
        needed = bool(resolved(pair.new, new[key]).get("required"))
        what = f"{'required' if needed else 'optional'} {' '.join(key)} added"
        yield Change(where=where, what=what, is_breaking=needed and side is Side.REQUEST)
    for key in [key for key in old if key in new]:
        yield from _field_changes(pair, Place(f"{where}: {' '.join(key)}", old[key], new[key]), side)


def _field_changes(pair: Pair, place: Place, side: Side) -> Iterator[Change]:
    """Yield what has changed in a parameter or a header."""
    followed = pair.follow(place, of=side.value)
    if followed is None:
        return
    where, old, new = followed
    yield from _presence_change(where, was=bool(old.get("required")), now=bool(new.get("required")), side=side)
    if _written(old) != _written(new):
        yield Change(where=where, what="style, explode or allowReserved changed", is_breaking=True)
    yield from schema_changes(pair, Place(where, old.get("schema", {}), new.get("schema", {})), side)
    yield from _content_changes(pair, Place(where, old.get("content", {}), new.get("content", {})), side)


def _written(parameter: dict[str, Any]) -> tuple[str, bool, bool]:
    """Return how a parameter or a header is written, with what that is by default."""
    style = parameter.get("style", "form" if parameter.get("in") in {"query", "cookie"} else "simple")
    return style, parameter.get("explode", style == "form"), parameter.get("allowReserved", False)


def _presence_change(where: str, *, was: bool, now: bool, side: Side) -> Iterator[Change]:
    if was != now:
        is_breaking = side is (Side.REQUEST if now else Side.ANSWER)
        yield Change(where=where, what=f"is now {'required' if now else 'optional'}", is_breaking=is_breaking)


def _body_changes(pair: Pair, place: Place, side: Side) -> Iterator[Change]:
    if place.old is None and place.new is None:
        return
    if place.old is None or place.new is None:
        node, document, what = (place.old, pair.old, "removed") if place.new is None else (place.new, pair.new, "added")
        needed = bool(resolved(document, node).get("required"))
        is_breaking = what == "removed" or (needed and side is Side.REQUEST)
        yield Change(where=place.where, what=f"{'required ' if needed else ''}{what}", is_breaking=is_breaking)
        return
    followed = pair.follow(place, of=side.value)
    if followed is None:
        return
    where, old, new = followed
    yield from _presence_change(where, was=bool(old.get("required")), now=bool(new.get("required")), side=side)
    yield from _content_changes(pair, Place(where, old.get("content", {}), new.get("content", {})), side)


def _answer_changes(pair: Pair, place: Place, side: Side) -> Iterator[Change]:
    """Yield what has changed in the answers to an operation.

    A new error status breaks nothing: clients have to be ready for any. A new success does, and one that is gone.
    """
    where, old, new = place
    for status in dict.fromkeys([*old, *new]):
        was, now = _covering(old, status), _covering(new, status)
        is_error = status[0] in "45d"
        if was is None:
            yield Change(where=where, what=f"answer {status} added", is_breaking=not is_error and side is Side.ANSWER)
        elif now is None:
            yield Change(where=where, what=f"answer {status} removed", is_breaking=not is_error or side is Side.REQUEST)
        else:
            at = Place(f"{where}: answer {status}", old[was], new[now])
            followed = pair.follow(at, of=side.value)
            if followed is not None:
                yield from _one_answer_changes(pair, followed, side, is_error=is_error)


def _covering(answers: dict[str, Any], status: str) -> str | None:
    """Return the key of the answer that a status is described by: itself, its range, or the default."""
    return next((key for key in (status, f"{status[0]}XX", "default") if key in answers), None)


def _one_answer_changes(pair: Pair, place: Place, side: Side, *, is_error: bool) -> Iterator[Change]:
    where, old, new = place
    was, now = old.get("headers", {}), new.get("headers", {})
    for name in [name for name in was if name not in now]:
        yield Change(where=where, what=f"header {name} removed", is_breaking=True)
    for name in [name for name in now if name not in was]:
        yield Change(where=where, what=f"header {name} added", is_breaking=False)
    for name in [name for name in was if name in now]:
        yield from _field_changes(pair, Place(f"{where}: header {name}", was[name], now[name]), side)
    content = Place(where, old.get("content", {}), new.get("content", {}))
    yield from _content_changes(pair, content, side, is_error=is_error)


def _content_changes(pair: Pair, place: Place, side: Side, *, is_error: bool = False) -> Iterator[Change]:
    """Yield what has changed in the media types of a body. Those of an error may be any."""
    where, old, new = place
    for kind in [kind for kind in old if kind not in new]:
        yield Change(where=where, what=f"{kind} removed", is_breaking=True)
    for kind in [kind for kind in new if kind not in old]:
        yield Change(where=where, what=f"{kind} added", is_breaking=side is Side.ANSWER and not is_error)
    for kind in [kind for kind in old if kind in new]:
        schemas = [node.get(kind, {}).get("schema", {}) for node in (old, new)]
        yield from schema_changes(pair, Place(f"{where}, {kind}", *schemas), side)


def _said(node: Any) -> Any:
    """Return a node without its texts."""
    inside = object_in(node)
    if inside is None:
        return node
    return {key: _said(value) for key, value in inside.items() if key != "description" and not key.startswith("x-")}
