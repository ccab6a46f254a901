"""Template rendering that preserves types and redacts lead data, including in mapped tasks."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Collection, Iterable, Mapping
from copy import copy
from typing import TYPE_CHECKING, Any

from airflow_provider_engagevoice.provenance import (
    ProvenanceMixin,
    find_emptied,
    find_literals,
    find_mapped_operator,
    is_data,
    is_expanded_from_xcom,
    mark_literals,
    materialize,
    not_recording,
)
from airflow_provider_engagevoice.ringcx.criteria import (
    ALL_KEYS,
    KINDS,
    UNSET,
    CriterionKind,
    Role,
    is_runtime_value,
    keys_with,
    runtime_keys,
)
from airflow_provider_engagevoice.ringcx.exceptions import InvalidCriteria, InvalidParameter

if TYPE_CHECKING:
    import jinja2

    from airflow_provider_engagevoice.version_compat import Context

_ID_LISTS = (CriterionKind.IDS, CriterionKind.TEXTS, CriterionKind.PHONES)
_PATH_ARGUMENTS = ("source", "report", "output_path")
PERSONAL_KEYS = keys_with([Role.IDENTITY]) | {
    key for key, kind in KINDS.items() if kind in (CriterionKind.TEXT, CriterionKind.PHONE_FRAGMENT)
}
"""Criteria whose values are personal data of leads."""


class TypePreservingTemplatesMixin(ProvenanceMixin):
    """Mixin for operators: text without a template stays unchanged, in both rendering modes of a DAG.

    With ``render_template_as_native_obj=True`` Airflow parses every text as a Python literal, even one
    without a template: ``"+15551234567"`` would become a number, ``"None"`` the value None. With this mixin,
    text that is a single expression renders as the value of the expression, and other text stays text.
    Runtime data is not rendered as a template, and an argument that rendered as None becomes an empty text,
    so that it differs from an argument that was left out. Iterators and sets become lists, before Airflow
    stores the rendered fields, and a rendered path that may be data instead is redacted.
    """

    def _has(self, name: str) -> bool:
        """Return whether an argument was given, whatever its rendered value."""
        return getattr(self, name) is not None or is_data(self, name)

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
        if parent is not self:
            super()._do_render_template_fields(parent, template_fields, *args, **kwargs)  # type: ignore[misc]
            return
        set_fields = [name for name in template_fields if getattr(self, name) is not None]
        rendered = [name for name in template_fields if not _is_runtime_data(self, name)]
        paths = {name: unwrap(getattr(self, name)) for name in _PATH_ARGUMENTS if name in template_fields}
        with not_recording(self):
            super()._do_render_template_fields(parent, rendered, *args, **kwargs)  # type: ignore[misc]
            for name in set_fields:
                value = getattr(self, name)
                setattr(self, name, "" if value is None and name in rendered else materialize(value))
            for name, written in paths.items():
                value = getattr(self, name)
                # A path that the author wrote without a template can be shown, whatever it is.
                if not isinstance(value, str) or value != written or is_data(self, name):
                    setattr(self, name, redact_path(value))


class SearchCriteriaMixin(TypePreservingTemplatesMixin):
    """Mixin for operators with ``search_criteria``, which are redacted from when they are rendered."""

    search_criteria: Any

    def _set_criteria(self, search_criteria: Any) -> None:
        """Set the criteria, in ``__init__``."""
        self._criteria_given = search_criteria is not UNSET
        self.search_criteria = search_criteria if self._criteria_given else {}
        self._runtime_keys = runtime_keys(self.search_criteria)
        self._authored: dict[str, Any] = {}

    def _keys_from_data(self) -> frozenset[str]:
        """Return the criteria whose value may be data, all if the criteria as a whole may be."""
        is_changed = isinstance(self.search_criteria, RedactedCriteria) and self.search_criteria.is_changed
        if is_changed or is_data(self, "search_criteria"):
            return ALL_KEYS
        criteria = unwrap(self.search_criteria)
        return self._runtime_keys | find_emptied(criteria) if isinstance(criteria, Mapping) else ALL_KEYS

    def _explain(self, reason: str) -> str:
        """Add the template of the empty value to the reason why nothing is selected."""
        name = reason.partition(" ")[0]
        authored, rendered = self._authored.get("search_criteria"), unwrap(self.search_criteria)
        if isinstance(authored, Mapping) and name in authored:
            template = authored[name]
            value = rendered.get(name) if isinstance(rendered, Mapping) else rendered
        else:
            name = name if name in self._authored else "search_criteria"
            template, value = self._authored.get(name), unwrap(getattr(self, name, None))
        if isinstance(template, (list, tuple)) and len(template) == 1:
            template = template[0]
            value = value[0] if isinstance(value, (list, tuple)) and value else value
        source = _describe_template(template)
        # Without native rendering, None is the text "None".
        content = "None" if value in (None, "None") else "empty"
        return f"{reason}; {source} is {content}" if source else reason

    def _do_render_template_fields(
        self, parent: Any, template_fields: Any, *args: Any, **kwargs: Any
    ) -> None:
        if parent is not self:
            super()._do_render_template_fields(parent, template_fields, *args, **kwargs)
            return
        literals = find_literals(self)
        authored = {name: getattr(self, name) for name in self.template_fields}
        with not_recording(self):
            self._authored = authored
            super()._do_render_template_fields(parent, template_fields, *args, **kwargs)
            self._redact_criteria(literals)

    def _redact_criteria(self, literals: frozenset[str]) -> None:
        """Replace rendered criteria by a mapping that is redacted when it is shown."""
        criteria = self.search_criteria
        if isinstance(criteria, RedactedCriteria):
            return
        if literals:
            criteria = {**criteria, **mark_literals({key: criteria[key] for key in literals})}
        self.search_criteria = RedactedCriteria(criteria)


def _describe_template(value: Any) -> str:
    """Return the template of an argument, or the task whose output it is; empty if it is neither."""
    if isinstance(value, str):
        return f"its template {value!r}" if is_runtime_value(value) else ""
    task = getattr(value, "operator", None)
    return f"the output of task {task.task_id!r}" if task is not None else ""


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


class RedactedCriteria(UserDict[str, Any]):
    """Rendered search criteria: a mapping that is redacted when Airflow stores or shows rendered fields.

    It is no dict, which Airflow would store without a call of :meth:`serialize`.

    :param value: the rendered criteria. The mapping is empty if they are neither a mapping nor text of one.
    """

    def __init__(self, value: Any) -> None:
        parsed = _parse(value) if isinstance(value, str) else value
        self._written, self._is_mapping = value, isinstance(parsed, Mapping)
        self.data = dict(parsed) if isinstance(parsed, Mapping) else {}
        self.is_changed = False

    @property
    def value(self) -> Any:
        """The criteria, not redacted."""
        return self.data if self._is_mapping or self.is_changed else self._written

    def __setitem__(self, key: str, value: Any) -> None:
        self.is_changed = True
        super().__setitem__(key, value)

    def __delitem__(self, key: str) -> None:
        self.is_changed = True
        super().__delitem__(key)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Set criteria; all count as data afterwards, even if none was set."""
        self.is_changed = True
        super().update(*args, **kwargs)

    def __ior__(self, other: Any) -> RedactedCriteria:  # type: ignore[misc,override]
        self.update(other)
        return self

    def serialize(self) -> Any:
        """Return the redacted criteria: counts of ids, filters, and ``***`` for texts that describe a lead.

        :return: a value that can be encoded as JSON.
        """
        criteria = self.value
        if not isinstance(criteria, Mapping):
            return f"<{type(criteria).__name__}>"
        return {key if key in KINDS else "***": _redact(key, value) for key, value in criteria.items()}

    def __str__(self) -> str:
        """Return :meth:`serialize` as text, which Airflow 2.11 stores."""
        return str(self.serialize())

    __repr__ = __str__


class RedactedPath:
    """Rendered argument that may be ids instead of a path; redacted when Airflow stores or shows it.

    :param value: the rendered value.
    """

    def __init__(self, value: Any) -> None:
        self.value = value

    def serialize(self) -> str:
        """Return ``***``."""
        return "***"

    def __str__(self) -> str:
        """Return ``***``."""
        return self.serialize()

    __repr__ = __str__


class RedactedRows(RedactedPath):
    """Rendered rows of leads; redacted when Airflow stores or shows them.

    :param value: the rows.
    """

    def serialize(self) -> str:
        """Return the number of rows, if it is known without reading them."""
        if not isinstance(self.value, (list, tuple)):
            return "***"
        return f"*** ({len(self.value):,} {'row' if len(self.value) == 1 else 'rows'})"


def redact_path(value: Any) -> Any:
    """Wrap a rendered path unless it is certainly a path.

    :param value: the rendered argument.
    :return: a :class:`RedactedPath`; the value itself if it is a path, None or an empty text.
    """
    from airflow_provider_engagevoice.ringcx.files.paths import safe_path

    if value is None or value == "" or isinstance(value, RedactedPath) or safe_path(value) == str(value):
        return value
    return RedactedPath(value)


def unwrap(value: Any) -> Any:
    """Return the value inside a redacting wrapper.

    :param value: a :class:`RedactedCriteria`, a :class:`RedactedPath`, or any other value.
    :return: the wrapped value; any other value unchanged.
    """
    return value.value if isinstance(value, (RedactedCriteria, RedactedPath)) else value


def _redact(key: str, value: Any) -> Any:
    if key in KINDS and key not in PERSONAL_KEYS and _is_valid(key, value):
        return value if value is None or isinstance(value, (str, int, list, tuple, dict)) else str(value)
    values = _parse(value) if isinstance(value, str) and KINDS.get(key) in _ID_LISTS else value
    if isinstance(values, Collection) and not isinstance(values, (str, bytes, bytearray, Mapping)):
        return f"*** ({len(values):,} {'value' if len(values) == 1 else 'values'})"
    return "***"


def _parse(text: str) -> Any:
    """Return the value of text as a selection reads it; the text itself if it cannot be read."""
    from airflow_provider_engagevoice.ringcx.leads.literals import parse_text

    try:
        return parse_text(text, "")
    except InvalidCriteria:
        return text


def _is_valid(key: str, value: Any) -> bool:
    from airflow_provider_engagevoice.ringcx.leads.coercion import EmptyValue, coerce

    try:
        coerce(key, value, lenient=True)
    except EmptyValue:
        pass
    except Exception:  # it may contain a lead's data by mistake; the selection raises the error
        return False
    return True


def _is_runtime_data(operator: Any, name: str) -> bool:
    """Return whether an argument is certainly runtime data and must not be rendered as a template.

    A list passed to ``expand_kwargs`` may mix literals and runtime data; its templates are rendered.
    """
    if not is_expanded_from_xcom(operator, name):
        return False
    mapped = find_mapped_operator(operator)
    return mapped is None or not isinstance(mapped.expand_input.value, (list, tuple))


def require_rendered(operator: Any, name: str) -> Any:
    """Return a rendered argument; raise if it rendered empty.

    If an empty argument were treated as left out, the task would act on other leads than intended.

    :param operator: the operator that runs.
    :param name: the argument; an account id may be a number, and is returned as text.
    :return: its value; None if the author left it out.
    :raises InvalidParameter: if the author set it and it rendered empty.
    """
    from airflow_provider_engagevoice.ringcx.leads.literals import is_blank

    value = unwrap(getattr(operator, name))
    if value is None and not is_data(operator, name):
        return None
    if is_blank(value):
        raise InvalidParameter(f"{name} rendered empty; fix its template, or leave it out")
    return str(value) if name == "account_id" else value


def require_own_path(operator: Any, name: str, context: Context) -> None:
    """Raise if the mapped tasks of an operator would write to the same file.

    :param operator: the operator that runs.
    :param name: the argument that names the file.
    :param context: the task's context.
    :raises InvalidParameter: if it is mapped, and the path is the same for several of its tasks, as far as
        the DAG shows.
    """
    ti: Any = context["ti"]
    if ti.map_index is None or ti.map_index < 0 or is_expanded_from_xcom(operator, name):
        return
    if any("map_index" not in str(path) for path in _shared_paths(find_mapped_operator(operator), name)):
        raise InvalidParameter(f"Add {{{{ ti.map_index }}}} to {name}: each mapped task needs its own path")


def _shared_paths(mapped: Any, name: str) -> list[Any]:
    """Return the paths, or their templates, that several tasks of a mapped operator have."""
    partial = mapped.partial_kwargs.get(name)
    expanded = mapped.expand_input.value
    if isinstance(expanded, Mapping) and name in expanded:
        paths = list(expanded[name])
        # expand() combines each path with each value of the other arguments.
        others = [values for other, values in expanded.items() if other != name]
        if any(not isinstance(values, (list, tuple, dict)) or len(values) > 1 for values in others):
            return paths
    elif isinstance(expanded, (list, tuple)):
        paths = [each.get(name, partial) for each in expanded]
    else:
        paths = [partial, partial]
    return [path for path in paths if path is not None and paths.count(path) > 1]
