"""OpenLineage datasets of a task, from what its run already knows.

Names follow OpenLineage's convention: the namespace is where the data is, the name is unique in it.

============ ==================================== ========================
data         namespace                            name
============ ==================================== ========================
campaign     ``ringcx://ringcx.ringcentral.com``  ``<account>/<campaign>``
local file   ``file``                             ``/absolute/path``
object store ``s3://bucket``                      ``key``
============ ==================================== ========================
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_engagevoice.ringcx.files.paths import safe_path

if TYPE_CHECKING:
    from airflow_provider_engagevoice.ringcx.bulk.changes import CampaignChanges


@dataclass(frozen=True)
class Dataset:
    """A dataset that a task has read or written.

    :param namespace: where it is.
    :param name: its name there.
    :param rows: number of rows that were written; None if it is not known.
    """

    namespace: str
    name: str
    rows: int | None = None


@dataclass(frozen=True)
class Lineage:
    """Datasets that a task has read and written.

    :param inputs: the datasets that it has read.
    :param outputs: the datasets that it has written.
    """

    inputs: tuple[Dataset, ...] = ()
    outputs: tuple[Dataset, ...] = ()


def campaign_dataset(
    host: str, account_id: str | int, campaign_id: str | int, rows: int | None = None
) -> Dataset:
    """Return the dataset of a campaign's leads.

    :param host: base URL of RingCX, as the client has it.
    :param account_id: the sub-account.
    :param campaign_id: the campaign.
    :param rows: number of leads that were written; None if it is not known.
    :return: the dataset.
    """
    return Dataset(f"ringcx://{urlsplit(host).netloc or host}", f"{account_id}/{campaign_id}", rows)


def path_datasets(path: Any) -> tuple[Dataset, ...]:
    """Return the dataset of a file.

    :param path: a path, a URL or an ``ObjectStoragePath``. A connection id in it is left out.
    :return: the dataset; none if the value may be something else than a path, such as ids.
    """
    if not (isinstance(path, str) or hasattr(path, "open")) or safe_path(path) != str(path):
        return ()
    text = str(path)
    if "://" not in text:
        return (Dataset("file", str(Path(text).absolute())),)
    parts = urlsplit(text)
    if parts.scheme == "file":
        return (Dataset("file", parts.path),)
    bucket = parts.netloc.rpartition("@")[2]
    return (Dataset(f"{parts.scheme}://{bucket}", parts.path.strip("/") or "/"),)


def action_lineage(changes: CampaignChanges, host: str, inputs: tuple[Dataset, ...] = ()) -> Lineage:
    """Return the lineage of a bulk action.

    Of several changed campaigns, the rows of each are not known.

    :param changes: what the action has changed.
    :param host: base URL of RingCX.
    :param inputs: further datasets that were read, such as a file of ids.
    :return: the lineage. The source of a move or a copy is an input, its target is the output.
    """
    sources = tuple(campaign_dataset(host, changes.account_id, each) for each in changes.sources)
    if changes.dry_run:
        return Lineage((*inputs, *sources))
    written = changes.changed if changes.target is None else (changes.target,)
    rows = changes.leads if len(written) == 1 else None
    outputs = tuple(campaign_dataset(host, changes.account_id, each, rows) for each in written)
    return Lineage((*inputs, *sources), outputs)


def openlineage_facets(lineage: Lineage | None) -> Any:
    """Return lineage in the form that OpenLineage's listener expects of an operator.

    :param lineage: what the task has read and written; None if it has done neither.
    :return: an ``OperatorLineage``; None without lineage, or if OpenLineage's provider is not installed.
    """
    if lineage is None:
        return None
    try:
        from airflow.providers.openlineage.extractors import OperatorLineage
        from openlineage.client.event_v2 import Dataset as InputDataset
        from openlineage.client.event_v2 import OutputDataset
        from openlineage.client.facet_v2 import output_statistics_output_dataset
    except ImportError:
        return None

    def output(dataset: Dataset) -> Any:
        facets = {}
        if dataset.rows is not None:
            statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet
            facets["outputStatistics"] = statistics(rowCount=dataset.rows)
        return OutputDataset(dataset.namespace, dataset.name, outputFacets=facets)

    return OperatorLineage(
        inputs=[InputDataset(each.namespace, each.name) for each in lineage.inputs],
        outputs=[output(each) for each in lineage.outputs],
    )
