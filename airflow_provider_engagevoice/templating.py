"""What Jinja and task mapping do to arguments, and what of it must not happen to leads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from typing import TYPE_CHECKING, Any

from airflow_provider_engagevoice.ringcx.criteria import KINDS, Kind, Role, keys_with
from airflow_provider_engagevoice.ringcx.exceptions import InvalidCriteria, InvalidParameter

if TYPE_CHECKING:
    import jinja2

    from airflow_provider_engagevoice.version_compat import Context

_PERSONAL = keys_with([Role.IDENTITY]) | {
    key for key, kind in KINDS.items() if kind in (Kind.TEXT, Kind.PART_OF_PHONE)
}


class TypePreservingTemplatesMixin:
    """Mixin for operators: text stays the text it was, however the DAG renders its templates.

    With ``render_template_as_native_obj=True`` Airflow reads every text again as a Python literal, even
    one without a template: ``"+15551234567"`` would become a number, ``"None"`` nothing. Here an
    expression that is the whole text gives its value, and all other text stays as written. What comes
    from data is no template, and an argument that came out as None is empty rather than left out.
    """

    def render_template(
        self,
        content: Any,
        context: Context,
        jinja_env: jinja2.Environment | None = None,
        seen_oids: set[int] | None = None,
    ) -> Any:
        """Render one argument, or a part of one.

        :param content: what the author wrote.
        :param context: the task's context.
        :param jinja_env: where templates are made.
        :param seen_oids: what has been rendered already.
        :return: the rendered content.
        """
        if isinstance(content, str) and id(content) not in (seen_oids or ()):
            env = jinja_env or self.get_template_env()  # type: ignore[attr-defined]
            return _render_text(content, context, env) if _is_template(content, env) else content
        return super().render_template(content, context, jinja_env, seen_oids)  # type: ignore[misc]

    def _do_render_template_fields(
        self, parent: Any, template_fields: Iterable[str], *args: Any, **kwargs: Any
    ) -> None:
        filled = []
        if parent is self:
            template_fields = [name for name in template_fields if not _holds_no_template(self, name)]
            filled = [name for name in template_fields if getattr(self, name) is not None]
        super()._do_render_template_fields(parent, template_fields, *args, **kwargs)  # type: ignore[misc]
        for name in filled:
            if getattr(self, name) is None:
                setattr(self, name, "")


def _is_template(content: str, env: jinja2.Environment) -> bool:
    starts = (env.variable_start_string, env.block_start_string, env.comment_start_string)
    return any(start in content for start in starts)


def _render_text(content: str, context: Context, env: jinja2.Environment) -> Any:
    from jinja2 import Undefined

    template = env.from_string(content)
    # A copy, not a dict: Airflow's context warns about each deprecated name that is read.
    names: Any = copy(context)
    names.update({name: value for name, value in template.globals.items() if name not in context})
    try:
        nodes = list(template.root_render_func(env.context_class(env, names, template.name, template.blocks)))
    except Exception:
        env.handle_exception()
    if len(nodes) == 1 and not isinstance(nodes[0], Undefined):
        return nodes[0]
    return "".join(str(node) for node in nodes)


class RedactedCriteria:
    """Rendered search criteria that show no lead's data where Airflow stores and shows rendered fields.

    :param value: the rendered criteria.
    """

    def __init__(self, value: Any) -> None:
        self.value = value

    def serialize(self) -> Any:
        """Say what the criteria are: counts of ids, filters, ``***`` for texts that describe a lead.

        :return: a value that fits into JSON.
        """
        if not isinstance(self.value, Mapping):
            return f"<{type(self.value).__name__}>"
        return {key if key in KINDS else "***": _shown(key, value) for key, value in self.value.items()}

    def __str__(self) -> str:
        """Write :meth:`serialize` as text, which is what Airflow 2.11 asks for."""
        return str(self.serialize())

    __repr__ = __str__


class RedactedSource(RedactedCriteria):
    """A rendered source: its path is shown, but not ids that somebody gave in its place."""

    def serialize(self) -> Any:
        """Give the path."""
        from airflow_provider_engagevoice.ringcx.leads.id_file import safe_path

        return safe_path(self.value)


def bare(value: Any) -> Any:
    """Give the value of what is shown in another way than it is.

    :param value: a :class:`RedactedCriteria`, or any other value.
    :return: the value.
    """
    return value.value if isinstance(value, RedactedCriteria) else value


def _shown(key: str, value: Any) -> Any:
    if key in KINDS and key not in _PERSONAL and _is_valid(key, value):
        return value if value is None or isinstance(value, (str, int, list, tuple, dict)) else str(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        return f"*** ({len(value):,} values)"
    return "***"


def _is_valid(key: str, value: Any) -> bool:
    from airflow_provider_engagevoice.ringcx.leads.coercion import EmptyValue, coerce

    try:
        coerce(key, value, lenient=True)
    except EmptyValue:
        pass
    except InvalidCriteria:  # a lead's data may have strayed into it
        return False
    return True


def is_mapped_copy(operator: Any) -> bool:
    """Tell whether Airflow builds an operator from a mapped one, which it does when the task runs.

    :param operator: the operator, in its ``__init__`` or later.
    :return: True where its arguments are the values of one mapping rather than what the author wrote.
    """
    return bool(getattr(operator, "_BaseOperator__from_mapped", False))


def is_expanded_from_xcom(operator: Any, name: str) -> bool:
    """Tell whether task mapping took an argument from another task's output.

    Then the operator was built from the value itself, and no template was to be seen.

    :param operator: the operator that runs.
    :param name: the argument.
    :return: True where it is data, and where it cannot be told.
    """
    mapped = _mapped(operator)
    if mapped is None:
        return is_mapped_copy(operator)
    expanded = mapped.expand_input.value
    if isinstance(expanded, Mapping):
        return name in expanded and not isinstance(expanded[name], (list, tuple, dict))
    if name not in getattr(operator, "_BaseOperator__init_kwargs", [name]):
        return False
    if name in getattr(mapped, "partial_kwargs", {}) and getattr(mapped, "_disallow_kwargs_override", False):
        return False
    return not (
        isinstance(expanded, (list, tuple)) and all(isinstance(kwargs, Mapping) for kwargs in expanded)
    )


def _holds_no_template(operator: Any, name: str) -> bool:
    """Tell whether an argument is surely data; where mapping mixes both, its literals are rendered."""
    if not is_expanded_from_xcom(operator, name):
        return False
    mapped = _mapped(operator)
    return mapped is None or not isinstance(mapped.expand_input.value, (list, tuple))


def _mapped(operator: Any) -> Any:
    """Give the mapped operator that an operator is a copy of; None where it is none."""
    task = operator.dag.task_dict.get(operator.task_id) if operator.has_dag() else None
    return task if hasattr(task, "expand_input") else None


def given(operator: Any, name: str) -> Any:
    """Give an argument, but never what a template emptied of it.

    To go on as if it had been left out would act on something else than meant.

    :param operator: the operator that runs.
    :param name: the argument; ids of accounts may be numbers, and become text.
    :return: its value; None where the author left it out.
    :raises InvalidParameter: where it was given and came out empty.
    """
    from airflow_provider_engagevoice.ringcx.leads.coercion import is_blank

    value = getattr(operator, name)
    if value is None and not is_expanded_from_xcom(operator, name):
        return None
    if is_blank(value):
        raise InvalidParameter(f"{name} came out empty")
    return str(value) if name == "account_id" else value
