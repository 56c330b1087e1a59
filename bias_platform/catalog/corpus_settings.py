"""What a catalog says of a corpus: where its files are, how they are read, and how judgements become one label."""

from typing import Literal

from pydantic import Field

from bias_platform.catalog.entry import Entry
from bias_platform.catalog.slugs import Slug


class ColumnMapping(Entry):
    """Which column of a raw table holds what."""

    text: str = Field(description="the post itself")
    id: str | None = Field(None, description="an identifier of the post; without it, the text identifies it")
    label: str | None = Field(None, description="one label a row (one row an annotation, or already aggregated)")
    label_counts: dict[str, str] = Field(
        default_factory=dict,
        description="column holding how many annotators said so -> an option of the task; columns may share an option",
    )
    target_group: str | None = Field(None, description="the group the post is about")
    annotator: str | None = Field(None, description="who labelled; pseudonymised on reading")
    annotator_attributes: dict[Slug, str] = Field(
        default_factory=dict, description="attribute name -> column, e.g. gender: annotatorGender"
    )
    split: str | None = Field(None, description="train / dev / test")


class LabelPolicy(Entry):
    """How the judgements of an item, or of one group of its annotators, become its label."""

    version: int = Field(1, ge=1, description="raise it when the meaning changes")
    rule: Literal["mode", "majority", "unanimous", "union"] = Field(
        description="mode: the commonest label, ties by `priority`; majority: more than half, else none; unanimous: "
        "all agree, else none; union: every label that anybody gave"
    )
    priority: tuple[str, ...] = Field((), description="of `mode`: every label, the one that wins ties first")
    within: Slug | None = Field(
        None, description="annotator attribute: one label for each group of annotators; empty: all annotators together"
    )
    minimum_annotators: int = Field(1, ge=1, description="items (or groups of an item) with fewer get no label")
    count: Literal["annotators", "rows"] = Field(
        "annotators",
        description="what a label's weight is: people, or rows of the source (SBIC has one a judgement and stereotype)",
    )


class DownloadFile(Entry):
    """A file that can be fetched without asking anybody."""

    url: str = Field(pattern=r"^https://", description="where it is")
    sha256: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{64}$",
        description="of the bytes; empty: what the first download brought is noted and must come again",
    )
    members: tuple[str, ...] = Field((), description="of an archive (.tgz, .tar.gz, .zip): the files taken out of it")


class CorpusEntry(Entry):
    """Raw texts with their human labels, from one source."""

    reader: Literal["sbic", "exist", "hatred", "table", "sample"] = Field(
        "table",
        description="table: any file, described by `columns`; sbic: the files of SBIC.v2; exist: the JSON files of "
        "EXIST 2024; hatred: the JSONL files of HatReD and a folder of memes; sample: generated",
    )
    path: str | None = Field(
        None,
        description="file or folder; ${VARIABLES} are read from the environment; relative to the YAML file",
    )
    pictures: str | None = Field(None, description="folder of the pictures that the file names; as `path`")
    download: tuple[DownloadFile, ...] = Field(
        (), description="what `bias-platform fetch` puts at `path`, where that can be had without a form"
    )
    access: str | None = Field(None, description="how one comes by files that cannot be downloaded: one sentence")
    format: Literal["csv", "jsonl", "parquet"] | None = Field(None, description="default: by file extension")
    columns: ColumnMapping | None = Field(None, description="what the columns of a table hold; required by `table`")
    label_values: dict[str, str] = Field(default_factory=dict, description="raw label -> an option of the task")
    label_policies: dict[Slug, LabelPolicy] = Field(
        default_factory=dict, description="slug -> how judgements become labels, published beside them"
    )
    decode_html: bool = Field(False, description="turn &amp; into & and the like")
    parameters: dict[str, int | float | str] = Field(
        default_factory=dict, description="what a reader can be told, e.g. seed and sizes of a generated corpus"
    )
    language: str = Field("en", description="language of the texts, as a BCP 47 tag")
    licence: str | None = Field(None, description="under what terms the texts may be used")
    source: str | None = Field(None, description="where the texts come from")
    sensitivity: Literal["mild", "offensive", "hateful"] = Field("offensive", description="what a reader must expect")
    text_may_leave_machine: bool = Field(False, description="whether an HTTP engine may be sent the texts")
