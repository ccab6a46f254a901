"""Template rendering that preserves types and redacts lead data, including in mapped tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from typing import TYPE_CHECKING, Any

from airflow_provider_engagevoice.ringcx.criteria import KINDS, CriterionKind, Role, keys_with
from airflow_provider_engagevoice.ringcx.exceptions import InvalidCriteria, InvalidParameter

if TYPE_CHECKING:
    import jinja2

    from airflow_provider_engagevoice.version_compat import Context

_PERSONAL = keys_with([Role.IDENTITY]) | {
    key for key, kind in KINDS.items() if kind in (CriterionKind.TEXT, CriterionKind.PHONE_FRAGMENT)
}


class TypePreservingTemplatesMixin:
    """Mixin for operators: text without a template stays unchanged, in both rendering modes of a DAG.

    With ``render_template_as_native_obj=True`` Airflow parses every text as a Python literal, even one
    without a template: ``"+15551234567"`` would become a number, ``"None"`` the value None. With this mixin,
    text that is a single expression renders as the value of the expression, and other text stays text.
    Runtime data is not rendered as a template, and an argument that rendered as None becomes an empty text,
    so that it differs from an argument that was left out.
    """

    def render_template(
        self,
        content: Any,
        context: Context,
        jinja_env: jinja2.Environment | None = None,
        seen_oids: set[int] | None = None,
    ) -> Any:
        """Render one argument, or a part of one.

        :param content: the argument as written in the DAG.
        :param context: the task's context.
        :param jinja_env: the Jinja environment; default the DAG's.
        :param seen_oids: ids of objects that have been rendered already.
        :return: the rendered content.
        """
        if isinstance(content, str) and id(content) not in (seen_oids or ()):
            env = jinja_env or self.get_template_env()  # type: ignore[attr-defined]
            return _render_text(content, context, env) if _is_template(content, env) else content
        return super().render_template(content, context, jinja_env, seen_oids)  # type: ignore[misc]

    def _do_render_template_fields(
        self, parent: Any, template_fields: Iterable[str], *args: Any, **kwargs: Any
    ) -> None:
        set_fields = []
        if parent is self:
            template_fields = [name for name in template_fields if not _is_runtime_data(self, name)]
            set_fields = [name for name in template_fields if getattr(self, name) is not None]
        super()._do_render_template_fields(parent, template_fields, *args, **kwargs)  # type: ignore[misc]
        for name in set_fields:
            if getattr(self, name) is None:
                setattr(self, name, "")


def _is_template(content: str, env: jinja2.Environment) -> bool:
    delimiters = (env.variable_start_string, env.block_start_string, env.comment_start_string)
    return any(delimiter in content for delimiter in delimiters)


def _render_text(content: str, context: Context, env: jinja2.Environment) -> Any:
    from jinja2 import Undefined

    template = env.from_string(content)
    # A copy of the context, not a dict: converting it would read, and warn about, deprecated names.
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
    """Rendered search criteria, redacted when Airflow stores or shows rendered fields.

    :param value: the rendered criteria.
    """

    def __init__(self, value: Any) -> None:
        self.value = value

    def serialize(self) -> Any:
        """Return the redacted criteria: counts of ids, filters, and ``***`` for texts that describe a lead.

        :return: a value that can be encoded as JSON.
        """
        if not isinstance(self.value, Mapping):
            return f"<{type(self.value).__name__}>"
        return {key if key in KINDS else "***": _redact(key, value) for key, value in self.value.items()}

    def __str__(self) -> str:
        """Return :meth:`serialize` as text, which Airflow 2.11 stores."""
        return str(self.serialize())

    __repr__ = __str__


class RedactedSource(RedactedCriteria):
    """Rendered source, redacted if it is not a path but may contain ids."""

    def serialize(self) -> Any:
        """Return the path, or ``***``."""
        from airflow_provider_engagevoice.ringcx.leads.id_file import safe_path

        return safe_path(self.value)


def unwrap(value: Any) -> Any:
    """Return the value inside a redacting wrapper.

    :param value: a :class:`RedactedCriteria`, or any other value.
    :return: the wrapped value; any other value unchanged.
    """
    return value.value if isinstance(value, RedactedCriteria) else value


def _redact(key: str, value: Any) -> Any:
    if key in KINDS and key not in _PERSONAL and _is_valid(key, value):
        return value if value is None or isinstance(value, (str, int, list, tuple, dict)) else str(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        return f"*** ({len(value):,} {'value' if len(value) == 1 else 'values'})"
    return "***"


def _is_valid(key: str, value: Any) -> bool:
    from airflow_provider_engagevoice.ringcx.leads.coercion import EmptyValue, coerce

    try:
        coerce(key, value, lenient=True)
    except EmptyValue:
        pass
    except InvalidCriteria:  # it may contain a lead's data by mistake
        return False
    return True


def is_mapped_copy(operator: Any) -> bool:
    """Return whether Airflow created an operator from a mapped one, which it does when the task runs.

    :param operator: the operator, in its ``__init__`` or later.
    :return: True if its arguments are the values of one mapped task instance, not those in the DAG.
    """
    return bool(getattr(operator, "_BaseOperator__from_mapped", False))


def is_expanded_from_xcom(operator: Any, name: str) -> bool:
    """Return whether task mapping expanded an argument from another task's output.

    The operator was then created with the value itself, so nothing shows that it is runtime data.

    :param operator: the operator that runs.
    :param name: the argument.
    :return: True if it is runtime data, and if this cannot be determined.
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


def _is_runtime_data(operator: Any, name: str) -> bool:
    """Return whether an argument is certainly runtime data and must not be rendered as a template.

    A list passed to ``expand_kwargs`` may mix literals and runtime data; its templates are rendered.
    """
    if not is_expanded_from_xcom(operator, name):
        return False
    mapped = _mapped(operator)
    return mapped is None or not isinstance(mapped.expand_input.value, (list, tuple))


def _mapped(operator: Any) -> Any:
    """Return the mapped operator from which an operator was created; None if there is none."""
    task = operator.dag.task_dict.get(operator.task_id) if operator.has_dag() else None
    return task if hasattr(task, "expand_input") else None


def require_rendered(operator: Any, name: str) -> Any:
    """Return a rendered argument; raise if it rendered empty.

    If an empty argument were treated as left out, the task would act on other leads than intended.

    :param operator: the operator that runs.
    :param name: the argument; an account id may be a number, and is returned as text.
    :return: its value; None if the author left it out.
    :raises InvalidParameter: if the author set it and it rendered empty.
    """
    from airflow_provider_engagevoice.ringcx.leads.coercion import is_blank

    value = getattr(operator, name)
    if value is None and not is_expanded_from_xcom(operator, name):
        return None
    if is_blank(value):
        raise InvalidParameter(f"{name} rendered empty; fix its template, or leave it out")
    return str(value) if name == "account_id" else value
