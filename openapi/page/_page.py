"""The document as one HTML page, that needs no network and no script: an answer to questions, not a console.

Every operation, field and schema has an address of its own (`#run`, `#Job.output`), so that others can link to it.
"""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from comparison import resolved

from ._markdown import html_from, inline, table_from

if TYPE_CHECKING:
    from collections.abc import Iterator

Document = dict[str, Any]

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_CONSTRAINTS = ("minimum", "maximum", "minLength", "maxLength", "pattern")


def page_from(document: Document) -> str:
    """Return the whole page."""
    info = document["info"]
    title = f"{escape(info['title'])} {escape(info['version'])}"
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    groups = list(_groups(document))
    schemas = document.get("components", {}).get("schemas", {})
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<nav>
<a href="#top"><strong>{title}</strong></a>
{"".join(_menu(tag["name"], [operation["operationId"] for _, _, operation in found]) for tag, found in groups)}
{_menu("schemas", list(schemas))}
</nav>
<main id="top">
<h1>{title}</h1>
<p>{inline(info.get("summary", ""))}</p>
{html_from(info.get("description", ""))}
{"".join(_server(server) for server in document.get("servers", []))}
{"".join(_group(document, tag, found) for tag, found in groups)}
<h2 id="schemas">schemas</h2>
{"".join(_schema(name, schema) for name, schema in schemas.items())}
</main>
</body>
</html>
"""


def _menu(title: str, names: list[str]) -> str:
    links = "".join(f'<li><a href="#{escape(name)}">{escape(name)}</a></li>' for name in names)
    return f'<p><a href="#{escape(title)}">{escape(title)}</a></p><ul>{links}</ul>'


def _server(server: dict[str, Any]) -> str:
    url = server["url"]
    for name, variable in server.get("variables", {}).items():
        url = url.replace(f"{{{name}}}", variable["default"])
    return f"<p>Base URL: <code>{escape(url)}</code></p>"


Operation = tuple[str, str, dict[str, Any]]


def _groups(document: Document) -> Iterator[tuple[dict[str, Any], list[Operation]]]:
    """Yield each tag with its operations: method, path, and what the document says of it."""
    operations = [
        (method.upper(), path, {**item[method], "parameters": item.get("parameters", []) + _inputs(item[method])})
        for path, item in document["paths"].items()
        for method in _METHODS
        if method in item
    ]
    for tag in document.get("tags", []):
        if found := [operation for operation in operations if tag["name"] in operation[2].get("tags", [])]:
            yield tag, found


def _inputs(operation: dict[str, Any]) -> list[Any]:
    found: list[Any] = operation.get("parameters", [])
    return found


def _group(document: Document, tag: dict[str, Any], operations: list[Operation]) -> str:
    name = escape(tag["name"])
    shown = "".join(_operation(document, *operation) for operation in operations)
    return f'<h2 id="{name}">{name}</h2>{html_from(tag.get("description", ""))}{shown}'


def _operation(document: Document, method: str, path: str, operation: dict[str, Any]) -> str:
    name = escape(operation["operationId"])
    body = resolved(document, operation.get("requestBody", {}))
    sent = f"<h4>Body</h4>{html_from(body['description'])}{_contents(body)}" if body else ""
    return f"""<section id="{name}">
<h3><a href="#{name}"><span class="{method.lower()}">{method}</span> <code>{escape(path)}</code></a></h3>
<p><strong>{inline(operation.get("summary", ""))}</strong> <small>{name}</small></p>
{html_from(operation.get("description", ""))}
{_limit(operation)}{_sources(operation)}
{_parameters(document, operation)}
{sent}
<h4>Answers</h4>
{_answers(document, operation)}
{_callbacks(operation)}
</section>"""


def _limit(operation: dict[str, Any]) -> str:
    limit = operation.get("x-rate-limit")
    if limit is None:
        return ""
    at_once = f", {limit['concurrent']} at once" if "concurrent" in limit else ""
    return f"<p>Limit: {limit['requests']} requests in {limit['perSeconds']} seconds{at_once}.</p>"


def _parameters(document: Document, operation: dict[str, Any]) -> str:
    rows: list[list[str]] = []
    for reference in operation["parameters"]:
        parameter = resolved(document, reference)
        schema = parameter.get("schema", {})
        name = f"<code>{escape(parameter['name'])}</code>{_required(parameter.get('required', False))}"
        rows.append([name, escape(parameter["in"]), _type(schema), html_from(parameter.get("description", ""))])
    return f"<h4>Parameters</h4>{table_from(['name', 'in', 'type', ''], rows)}" if rows else ""


def _answers(document: Document, operation: dict[str, Any]) -> str:
    rows: list[list[str]] = []
    for status, reference in operation["responses"].items():
        answer = resolved(document, reference)
        kinds = answer.get("content", {}).items()
        types = "<br>".join(f"{_type(kind.get('schema', {}))} <small>{escape(name)}</small>" for name, kind in kinds)
        text = html_from(answer.get("description", "")) + _examples(answer)
        rows.append([f"<code>{escape(status)}</code>", types, text])
    return table_from(["status", "body", ""], rows)


def _callbacks(operation: dict[str, Any]) -> str:
    names = [*operation.get("callbacks", {})]
    return f"<p>Calls back: {', '.join(f'<code>{escape(name)}</code>' for name in names)}.</p>" if names else ""


def _contents(body: dict[str, Any]) -> str:
    kinds = body.get("content", {}).items()
    types = "".join(f"<p>{_type(kind.get('schema', {}))} <small>{escape(name)}</small></p>" for name, kind in kinds)
    return types + _examples(body)


def _examples(body: dict[str, Any]) -> str:
    shown = [
        f"<p>{inline(example.get('summary', name))}</p><pre>{_json(example['value'])}</pre>"
        for kind in body.get("content", {}).values()
        for name, example in kind.get("examples", {}).items()
        if "value" in example
    ]
    return f"<details><summary>examples</summary>{''.join(shown)}</details>" if shown else ""


def _schema(name: str, schema: dict[str, Any]) -> str:
    needed = schema.get("required", [])
    rows = [
        [
            f'<code id="{escape(name)}.{escape(field)}">{escape(field)}</code>{_required(field in needed)}',
            _type(of),
            html_from(of.get("description", "")) + _sources(of),
        ]
        for field, of in schema.get("properties", {}).items()
    ]
    fields = table_from(["field", "type", ""], rows) if rows else f"<p>{_type(schema)}</p>"
    examples = "".join(f"<pre>{_json(example)}</pre>" for example in schema.get("examples", []))
    shown = f"<details><summary>examples</summary>{examples}</details>" if examples else ""
    return f"""<section id="{escape(name)}">
<h3><a href="#{escape(name)}">{escape(name)}</a></h3>
{html_from(schema.get("description", ""))}{_sources(schema)}
{fields}{shown}
</section>"""


def _type(schema: dict[str, Any]) -> str:
    """Return what a value is, in a few words; named schemas are links."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rsplit("/", 1)[-1])
        return f'<a href="#{name}">{name}</a>'
    for keyword in ("oneOf", "anyOf"):
        if keyword in schema:
            return " or ".join(_type(branch) for branch in schema[keyword])
    if "enum" in schema:
        return " · ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    named: str | list[str] = schema.get("type", "any")
    text = escape(named if isinstance(named, str) else " or ".join(named))
    if "items" in schema:
        text = f"{text} of {_type(schema['items'])}"
    bounds = [f"{keyword} {escape(str(schema[keyword]))}" for keyword in _CONSTRAINTS if keyword in schema]
    return f"{text} <small>{', '.join([schema.get('format', ''), *bounds]).strip(', ')}</small>"


def _required(is_required: bool) -> str:  # noqa: FBT001  the field itself
    return " <small>required</small>" if is_required else ""


def _sources(node: dict[str, Any]) -> str:
    lines = "".join(f"<li>{inline(line)}</li>" for line in node.get("x-source", []))
    return f"<details><summary>sources</summary><ul>{lines}</ul></details>" if lines else ""


def _json(value: Any) -> str:
    return escape(json.dumps(value, indent=2, ensure_ascii=False))
