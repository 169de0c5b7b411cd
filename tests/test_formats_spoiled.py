"""Files that other programs have saved: what can be read is read; the rest is refused in one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from posetrack.errors import DataFormatError
from posetrack.formats.conversion import ConversionConfig, convert_files
from tests.test_formats_told import rows, tracked


def to_csv(source: Path) -> Path:
    target = source.with_name("back.csv")
    convert_files(source, target, ConversionConfig(to="csv", fps=50.0))
    return target


@pytest.mark.parametrize("form", ["mot", "trc", "deeplabcut", "csv", "wide"])
@pytest.mark.parametrize("change", ["mark", "lines", "blanks"])
def test_marks_line_ends_and_blank_lines_of_windows_change_nothing(tmp_path: Path, form: str, change: str) -> None:
    source = tracked(tmp_path, form, list(range(4)))
    expected = rows(to_csv(source))
    (tmp_path / "back.csv").unlink()
    text = source.read_bytes()
    changed = {"mark": b"\xef\xbb\xbf" + text, "lines": text.replace(b"\n", b"\r\n"), "blanks": text + b"\n\n"}
    source.write_bytes(changed[change])
    assert expected
    assert rows(to_csv(source)) == expected


@pytest.mark.parametrize("form", ["csv", "wide"])
def test_semicolons_and_decimal_commas_are_named(tmp_path: Path, form: str) -> None:
    source = tracked(tmp_path, form, [0, 1])
    source.write_text(source.read_text().replace(",", ";").replace(".", ","))
    with pytest.raises(DataFormatError, match="the columns are separated by semicolons; save the file"):
        to_csv(source)
    header, *others = source.read_text().splitlines()
    quoted = ";".join(f'"{name}"' for name in header.replace('"', "").split(";"))
    source.write_text("\n".join([quoted.replace(",", "."), *others]))
    with pytest.raises(DataFormatError, match="the columns are separated by semicolons; save the file"):
        to_csv(source)


@pytest.mark.parametrize("value", ["inf", "-Infinity", "abc", "1;5"])
def test_a_wide_table_says_in_which_line_there_is_no_number(tmp_path: Path, value: str) -> None:
    source = tracked(tmp_path, "wide", [0, 1, 2])
    lines = source.read_text().splitlines()
    cells = lines[2].split(",")
    cells[2] = value
    source.write_text("\n".join([*lines[:2], ",".join(cells), *lines[3:]]))
    with pytest.raises(DataFormatError, match=r"street_wide\.csv, line 3: 'person3_nose_x' is .* not a number"):
        to_csv(source)


@pytest.mark.parametrize("value", [[], {}, None, [1]])
@pytest.mark.parametrize("key", ["images", "annotations"])
def test_ids_of_images_that_are_none_are_refused_in_coco_datasets(tmp_path: Path, key: str, value: Any) -> None:
    source = tracked(tmp_path, "coco-tracks", [0, 1])
    data = json.loads(source.read_text())
    data[key][1]["id" if key == "images" else "image_id"] = value
    source.write_text(json.dumps(data))
    with pytest.raises(
        DataFormatError, match=r"street_coco_tracks\.json: .*(needs 'file_name' and 'id'|no image)"
    ):
        to_csv(source)


@pytest.mark.parametrize("attributes", ["x", 5, True, [1], None])
def test_coco_attributes_of_other_kinds_are_as_good_as_none(tmp_path: Path, attributes: Any) -> None:
    source = tracked(tmp_path, "coco-tracks", [0, 1])
    expected = rows(to_csv(source))
    (tmp_path / "back.csv").unlink()
    data = json.loads(source.read_text())
    data["annotations"][1]["attributes"] = attributes
    source.write_text(json.dumps(data))
    assert rows(to_csv(source)) == expected
