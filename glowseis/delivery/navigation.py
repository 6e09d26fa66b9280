"""Where shots were fired, as GeoJSON with their grades.

GeoJSON holds longitude and latitude in WGS 84 (RFC 7946, "The GeoJSON Format", 2016, section 4). Coordinates in
trace headers are degrees or lengths in a projection that the file does not name. Nothing is converted: lengths stay as
they are, and the member `crs` of the older standard ("The GeoJSON Format Specification", 2008, section 3) names their
system if the user does, or is null, which means there that none can be assumed.
"""

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from glowseis.errors import InputError
from glowseis.survey.formats.source_place import Place, Unit
from glowseis.survey.gather import Geometry

CRS = re.compile(r"(?i)epsg:([1-9][0-9]{3,5})")


def parse_crs(text: str) -> str:
    """The name of a coordinate reference system as `crs` has it.

    Args:
        text: Its code, such as `EPSG:32631`; whether there is such a code is not checked.

    Returns:
        Such as `urn:ogc:def:crs:EPSG::32631`.

    Raises:
        InputError: It is no such text.
    """
    found = CRS.fullmatch(text.strip())
    if not found:
        raise InputError(f"--crs {text}: give an EPSG code, such as EPSG:32631")
    return f"urn:ogc:def:crs:EPSG::{found[1]}"


def place_of(geometry: Geometry) -> Place | None:
    """A gather's source position, in metres, if its file is not made of trace headers.

    Args:
        geometry: Its geometry.
    """
    x, y = geometry.source_x_m, geometry.source_y_m
    return Place(x, y, "metres") if math.isfinite(x) and math.isfinite(y) else None


def feature(place: Place | None, properties: dict[str, Any]) -> dict[str, Any]:
    """A gather as a feature.

    Args:
        place: Where its source was; None if that is unknown.
        properties: What is told of it.
    """
    point = None if place is None else {"type": "Point", "coordinates": [round(place.x, 9), round(place.y, 9)]}
    return {"type": "Feature", "geometry": point, "properties": properties}


def note(unit: Unit, crs: str | None) -> str:
    """What the coordinates are, in words.

    Args:
        unit: Their unit.
        crs: Their reference system as `parse_crs` returns it; None if it is unknown.
    """
    if crs:
        return f"coordinates as in the files, declared to be {crs}; not WGS 84 unless {crs} is"
    if unit == "degrees":
        return "longitude and latitude as in the files, taken to be WGS 84; the files name no datum"
    feet = " in feet" if unit == "feet" else ""
    return f"x and y{feet} as in the files, in a projection that they do not name; not WGS 84"


def write_geojson(path: Path, features: Sequence[dict[str, Any]], unit: Unit, crs: str | None) -> None:
    """Write features as GeoJSON.

    Args:
        path: The file to make.
        features: The features.
        unit: Unit of their coordinates.
        crs: Their reference system as `parse_crs` returns it; None if it is unknown.

    Raises:
        OSError: The disk is full or not writable.
    """
    named: dict[str, Any] = {}
    if crs:
        named = {"crs": {"type": "name", "properties": {"name": crs}}}
    elif unit != "degrees":
        named = {"crs": None}
    head = {"type": "FeatureCollection", **named, "note": note(unit, crs)}
    with path.open("w", encoding="utf-8") as file:
        # One feature a line, so that people can read it and tools can compare it.
        file.write(json.dumps(head, ensure_ascii=False)[:-1] + ', "features": [\n')
        file.write(",\n".join(json.dumps(one, ensure_ascii=False) for one in features))
        file.write("\n]}\n")
