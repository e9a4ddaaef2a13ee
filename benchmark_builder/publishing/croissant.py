"""Croissant metadata (MLCommons, version 1.0) of a published folder: croissant.json."""

import re
from collections.abc import Sequence
from pathlib import Path

from benchmark_builder.publishing.card import Facts
from benchmark_builder.utils.files import sha256_file
from benchmark_builder.utils.text import read_table

CONFORMS = "http://mlcommons.org/croissant/1.0"
# The context that the specification recommends.
_CONTEXT: dict[str, object] = {
    "@language": "en", "@vocab": "https://schema.org/", "citeAs": "cr:citeAs", "column": "cr:column",
    "conformsTo": "dct:conformsTo", "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"}, "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/", "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract", "field": "cr:field", "fileObject": "cr:fileObject", "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet", "format": "cr:format", "includes": "cr:includes", "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath", "key": "cr:key", "md5": "cr:md5", "parentField": "cr:parentField", "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/", "recordSet": "cr:recordSet", "references": "cr:references",
    "regex": "cr:regex", "repeated": "cr:repeated", "replace": "cr:replace", "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator", "source": "cr:source", "subField": "cr:subField", "transform": "cr:transform",
}  # fmt: skip
_TYPES = {
    ".csv": "text/csv", ".json": "application/json", ".zip": "application/zip", ".md": "text/markdown",
    ".parquet": "application/vnd.apache.parquet", ".png": "image/png",
}  # fmt: skip
_URLS = {
    "mit": "https://opensource.org/license/mit", "apache-2.0": "https://www.apache.org/licenses/LICENSE-2.0",
    "cc0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "cc-by-4.0": "https://creativecommons.org/licenses/by/4.0/",
    "cc-by-sa-4.0": "https://creativecommons.org/licenses/by-sa/4.0/",
    "cc-by-nc-4.0": "https://creativecommons.org/licenses/by-nc/4.0/",
    "cc-by-nc-sa-4.0": "https://creativecommons.org/licenses/by-nc-sa/4.0/",
}  # fmt: skip
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")


def croissant(
    folder: Path, facts: Facts, about: str, tables: Sequence[str], files: Sequence[str] = ()
) -> dict[str, object]:
    """The metadata of a folder: its files, and a record set per table.

    Args:
        folder: the published folder. facts: what is said of it. about: its description.
        tables: relative names of csv files, each a record set with a field per column.
        files: relative names of further files, such as archives.
    """
    document: dict[str, object] = {
        "@context": _CONTEXT, "@type": "sc:Dataset", "conformsTo": CONFORMS, "name": _name(facts.title),
        "alternateName": facts.title, "description": about, "license": _URLS.get(facts.licence, facts.licence),
        "url": facts.url, "version": "1.0.0", "datePublished": facts.date,
        "creator": [{"@type": "sc:Person", "name": name} for name in facts.authors],
        "citeAs": f"{', '.join(facts.authors)}: {facts.title}, {facts.date[:4]}",
        "distribution": [_file(folder, name) for name in (*tables, *files)],
        "recordSet": [_records(folder, name) for name in tables],
    }  # fmt: skip
    if not facts.url:
        del document["url"]
    return document


def _name(title: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", title).strip("-") or "dataset"


def _file(folder: Path, name: str) -> dict[str, object]:
    path = folder / name
    return {
        "@type": "cr:FileObject", "@id": name, "name": name, "contentUrl": name,
        "contentSize": f"{path.stat().st_size} B", "sha256": sha256_file(path),
        "encodingFormat": _TYPES.get(path.suffix.lower(), "application/octet-stream"),
    }  # fmt: skip


def _records(folder: Path, name: str) -> dict[str, object]:
    columns, rows = read_table(folder / name)
    stem = re.sub(r"[^A-Za-z0-9_]+", "-", name.rpartition(".")[0])
    fields = []
    for number, column in enumerate(columns):
        values = [row[number] for row in rows if number < len(row) and row[number] != ""]
        fields.append({
            "@type": "cr:Field", "@id": f"{stem}/{column}", "name": column,
            "dataType": _type(values, len(values) == len(rows)),
            "source": {"fileObject": {"@id": name}, "extract": {"column": column}},
        })  # fmt: skip
    return {"@type": "cr:RecordSet", "@id": stem, "name": stem, "field": fields}


def _type(values: Sequence[str], full: bool) -> str:
    """The type of a column from its cells; an empty cell of a column of numbers is read as not a number."""
    if values and full and all(_WHOLE.fullmatch(value) for value in values):
        return "sc:Integer"
    return "sc:Float" if values and all(_NUMBER.fullmatch(value) for value in values) else "sc:Text"
