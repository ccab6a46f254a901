"""Provenance of operator arguments: what is proven to be a literal of the DAG file, and what may be data.

An empty list that the author wrote for a filter means "any", and an argument that the author left out has its
default. Data that happens to be empty must mean neither. Therefore an operator records which arguments were
passed to it, whether they may be computed from data, and which were assigned later.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast

_PACKAGE = __name__.partition(".")[0]
#: Airflow keeps the contexts of running tasks in a list in the first module, Airflow 2 in the second.
_CONTEXT_MODULES = ("airflow.sdk.definitions._internal.contextmanager", "airflow.models.taskinstance")
_VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))

InitT = TypeVar("InitT", bound=Callable[..., None])


class ProvenanceMixin:
    """Mixin for operators: records the arguments that are assigned after ``__init__``."""

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """Prepare a mapped operator, as Airflow's own method does.

        :param kwargs: arguments that are the same for all mapped tasks; iterators and sets in them are
            replaced by lists, see :func:`materialize`.
        :return: an object with the methods ``expand`` and ``expand_kwargs``.
        """
        fields: Sequence[str] = cls.template_fields  # type: ignore[attr-defined]
        return super().partial(**materialize_fields(fields, kwargs))  # type: ignore[misc]

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        state = vars(self)
        if "_assigned" in state and (name == "search_criteria" or _may_receive_data(self)):
            state["_assigned"] |= {name}


def records_arguments(init: InitT) -> InitT:
    """Make the ``__init__`` of an operator record which arguments are passed to it.

    Iterators and sets in templated arguments are replaced by lists, see :func:`materialize`, and empty lists
    in ``search_criteria`` are marked, see :func:`mark_literals`.

    :param init: the ``__init__``. The one that is called first records; those it calls do not.
    :return: the ``__init__`` with the same signature.
    """

    @functools.wraps(init)
    def wrapper(self: Any, **kwargs: Any) -> None:
        state = vars(self)
        is_first = "_passed" not in state
        if is_first:
            state["_passed"] = frozenset(kwargs)
            state["_computed"] = _is_computed(self)
            # Airflow recognizes runtime data of a mapped copy by the identity of the object.
            if not is_mapped_copy(self):
                if "search_criteria" in kwargs:
                    # Before an iterator that has no items becomes an empty list.
                    kwargs["search_criteria"] = mark_literals(kwargs["search_criteria"])
                kwargs = materialize_fields(self.template_fields, kwargs)
        init(self, **kwargs)
        if is_first:
            # From here on, assignments are recorded.
            state["_assigned"] = frozenset()

    return cast("InitT", wrapper)


@contextmanager
def not_recording(operator: Any) -> Iterator[None]:
    """Do not record assignments in the ``with`` block, such as those of rendered arguments.

    :param operator: the operator.
    """
    state = vars(operator)
    assigned = state.get("_assigned")
    yield
    if assigned is not None:
        state["_assigned"] = assigned


def is_data(operator: Any, name: str) -> bool:
    """Return whether an argument cannot be proven to be a literal of the DAG file, or to be left out of it.

    A literal with a template is rendered, so that it is not None and needs no proof.

    :param operator: the operator.
    :param name: the argument.
    :return: True if it was assigned after ``__init__`` (search criteria also if a subclass's ``__init__``
        assigned them); if it was mapped over another task's output; or if it
        was passed to an operator that was created while a task runs, or by a mapped subclass.
    """
    state = vars(operator)
    if name in state.get("_assigned", ()):
        return True
    if state.get("_computed", False):
        return name in state["_passed"]
    return is_expanded_from_xcom(operator, name)


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
    if not is_mapped_copy(operator) or name not in vars(operator).get("_passed", (name,)):
        return False
    mapped = find_mapped_operator(operator)
    if mapped is None:
        return True
    expanded = mapped.expand_input.value
    if isinstance(expanded, Mapping):
        return name in expanded and not isinstance(expanded[name], (list, tuple, dict))
    if name in getattr(mapped, "partial_kwargs", {}) and getattr(mapped, "_disallow_kwargs_override", False):
        return False
    return not (
        isinstance(expanded, (list, tuple)) and all(isinstance(kwargs, Mapping) for kwargs in expanded)
    )


def find_mapped_operator(operator: Any) -> Any:
    """Return the mapped operator from which an operator was created.

    :param operator: the operator.
    :return: the mapped operator; None if there is none in the operator's DAG.
    """
    task = operator.dag.task_dict.get(operator.task_id) if operator.has_dag() else None
    return task if hasattr(task, "expand_input") else None


class LiteralEmptyList(list[Any]):
    """Empty list that the author wrote; it is a literal until a method that could fill it is called.

    The methods that always add an item need no record.
    """

    is_unchanged = True

    def extend(self, values: Any) -> None:
        """Add values; the list counts as data afterwards, even if there are none."""
        self.is_unchanged = False
        super().extend(values)

    def __iadd__(self, values: Any) -> Any:  # type: ignore[misc]
        self.is_unchanged = False
        return super().__iadd__(values)

    def __setitem__(self, index: Any, value: Any) -> None:
        self.is_unchanged = False
        super().__setitem__(index, value)


def mark_literals(criteria: Any) -> Any:
    """Return search criteria in which each empty list is marked as a literal.

    :param criteria: the criteria as written in the DAG.
    :return: the same object if it is not a mapping or contains no empty list.
    """
    empty = [key for key, value in criteria.items() if _is_empty(value)] if _is_mapping(criteria) else []
    return {**criteria, **{key: LiteralEmptyList() for key in empty}} if empty else criteria


def find_literals(operator: Any) -> frozenset[str]:
    """Return the search criteria that are empty lists which the author wrote.

    :param operator: an operator with ``search_criteria``, which are not rendered yet.
    :return: the keys.
    """
    criteria = operator.search_criteria
    if not _is_mapping(criteria) or is_data(operator, "search_criteria"):
        return frozenset()
    # The criteria of a mapped copy are not marked, but nothing can have changed them between its creation
    # and the rendering.
    is_literal = _is_empty if is_mapped_copy(operator) else _is_literal
    return frozenset(key for key, value in criteria.items() if is_literal(value))


def find_emptied(criteria: Any) -> frozenset[str]:
    """Return the criteria that are empty lists and not, or no longer, literals.

    :param criteria: the rendered criteria.
    :return: the keys.
    """
    return frozenset(key for key, value in criteria.items() if _is_empty(value) and not _is_literal(value))


def materialize(value: Any) -> Any:
    """Return a value with every iterator and set in it replaced by a list in a stable order.

    Otherwise Airflow would consume an iterator when it stores rendered fields, a retry in the same process
    would find it used up, and each parse of a DAG with a set or an iterator could give another DAG version.

    :param value: the value. It is not changed, apart from iterators in it.
    :return: the same object if it contains nothing to replace.
    """
    if isinstance(value, (set, frozenset)):
        from airflow_provider_engagevoice.ringcx.leads.coercion import stable_order

        return [materialize(item) for item in stable_order(value)]
    if isinstance(value, (Iterator, *_VIEWS)) or _is_lazy_sequence(value):
        return [materialize(item) for item in value]
    if isinstance(value, dict):
        changed: Any = {key: new for key, old in value.items() if (new := materialize(old)) is not old}
        return {**value, **changed} if changed else value
    if isinstance(value, (list, tuple)):
        changed = {index: new for index, old in enumerate(value) if (new := materialize(old)) is not old}
        return [changed.get(index, item) for index, item in enumerate(value)] if changed else value
    return value


def materialize_fields(names: Sequence[str], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments of which some are materialized.

    :param names: the arguments to materialize, see :func:`materialize`.
    :param arguments: all arguments.
    :return: all arguments.
    """
    return {name: materialize(value) if name in names else value for name, value in arguments.items()}


def _is_lazy_sequence(value: object) -> bool:
    """Return whether a value is a sequence that reads its items on access, as the output of a mapped task."""
    builtin = (str, bytes, bytearray, memoryview, list, tuple)
    return isinstance(value, Sequence) and not isinstance(value, builtin)


def _is_computed(operator: Any) -> bool:
    """Return whether the arguments that ``__init__`` receives may be computed from data.

    :param operator: the operator, in its ``__init__``.
    :return: True in a running task, and in a mapped copy of a subclass that defines ``__init__``, which may
        pass on anything.
    """
    if not is_mapped_copy(operator):
        return any(getattr(sys.modules.get(name), "_CURRENT_CONTEXT", None) for name in _CONTEXT_MODULES)
    classes = type(operator).__mro__[: type(operator).__mro__.index(ProvenanceMixin)]
    return any(
        ("__init__" in vars(cls) or "__new__" in vars(cls)) and cls.__module__.partition(".")[0] != _PACKAGE
        for cls in classes
    )


def _may_receive_data(operator: Any) -> bool:
    """Return whether an assignment may come from data: not if the ``__init__`` of a subclass makes it."""
    return vars(operator)["_computed"] or getattr(operator, "_BaseOperator__instantiated", False)


def _is_mapping(value: object) -> bool:
    return isinstance(value, Mapping)


def _is_empty(value: object) -> bool:
    return isinstance(value, (list, tuple, set, frozenset)) and not value


def _is_literal(value: object) -> bool:
    return isinstance(value, LiteralEmptyList) and value.is_unchanged and not value
