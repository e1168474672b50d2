"""`runpod.serverless.utils.rp_validator`: the rules and texts of runpod-python 1.12.0."""

from __future__ import annotations

import json
from typing import Any


def validate(raw_input: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Check a job's input against `{name: {"type", "required", "default", "constraints"}}`.

    Returns:
        `{"validated_input": …}`, with defaults filled in, or `{"errors": [text, …]}`.
    """
    errors = [f"Unexpected input. {name} is not a valid input option." for name in raw_input if name not in schema]
    values = raw_input.copy()
    for name, rules in schema.items():
        if isinstance(rules, dict):
            continue
        try:
            schema[name] = json.loads(rules)
        except ValueError:
            errors.append(f"Schema error, {name} is not a dictionary.")
    for name, rules in schema.items():
        errors += _missing(name, rules, raw_input, values)
    for name, rules in schema.items():
        errors += _wrong(name, rules, values)
    return {"errors": errors} if errors else {"validated_input": values}


def _missing(name: str, rules: dict[str, Any], raw_input: dict[str, Any], values: dict[str, Any]) -> list[str]:
    """Fill in a default; return what is missing of the input and of the schema."""
    errors = [] if "type" in rules else [f"Schema error, missing type for {name}."]
    if "required" not in rules:
        errors.append(f"{name} is a required input.")
    elif name not in raw_input:
        if rules["required"]:
            errors.append(f"{name} is a required input.")
        elif "default" in rules:
            values[name] = rules["default"]
        else:
            errors.append(f"Schema error, missing default value for {name}.")
    return errors


def _wrong(name: str, rules: dict[str, Any], values: dict[str, Any]) -> list[str]:
    """Return what is wrong with a value; an int is made a float where one is wanted.

    As in the official package, nothing is said of a value that is of its default's type, whatever the constraints are.
    """
    errors: list[str] = []
    if name in values:
        try:
            wants_float = rules["type"] is float
        except TypeError:  # no dictionary
            return errors
        if wants_float and type(values[name]) is int:
            values[name] = float(values[name])
        if "default" in rules and isinstance(values[name], type(rules["default"])):
            return errors
        if not isinstance(values[name], rules["type"]):
            errors.append(f"{name} should be {rules['type']} type, not {type(values[name])}.")
    if "constraints" in rules and not rules["constraints"](values.get(name)):
        errors.append(f"{name} does not meet the constraints.")
    return errors
