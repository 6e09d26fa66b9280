"""Source positions as GeoJSON."""

import json

import pytest

from glowseis.delivery.navigation import feature, parse_crs, write_geojson
from glowseis.errors import InputError
from glowseis.survey.formats.source_place import Place, place_in_headers
from tests.support.shot_files import WORDS
from tests.support.trace_files import trace_headers


def headers(order=">", traces=3, **words):
    return trace_headers(traces, 60, order, 1, {WORDS[name]: value for name, value in words.items()})


@pytest.mark.parametrize("order", [">", "<"])
@pytest.mark.parametrize(
    ("words", "place"),
    [
        ({"sx": 500_123, "sy": 6_500_456, "scalco": 0, "counit": 1}, Place(500_123, 6_500_456, "metres")),
        ({"sx": 50_012_345, "sy": -5, "scalco": -100, "counit": 1}, Place(500_123.45, -0.05, "metres")),
        ({"sx": 5_001, "sy": 65_004, "scalco": 100, "counit": 0}, Place(500_100, 6_500_400, "metres")),
        ({"sx": 223_560, "sy": -216_900, "scalco": -10, "counit": 2}, Place(6.21, -6.025, "degrees")),
        ({"sx": 23_456, "sy": -571_234, "scalco": -10_000, "counit": 3}, Place(2.3456, -57.1234, "degrees")),
        ({"sx": -1_303_030, "sy": 544_059, "scalco": -10, "counit": 4}, Place(-13.0508333, 5.7349722, "degrees")),
        # Metres although the unit says degrees, as in the Viking Graben's files.
        ({"sx": 3237, "sy": 500, "scalco": 1, "counit": 3}, Place(3237, 500, "metres")),
        ({"sx": 20, "sy": 95, "scalco": 1, "counit": 3}, None),
        ({"sx": 0, "sy": 0, "counit": 1}, None),
        ({"sx": [0, 0, 17], "sy": [0, 0, 18], "counit": 1}, Place(17, 18, "metres")),
    ],
)
def test_positions_by_unit_and_scalar(order, words, place):
    found = place_in_headers(headers(order, **words), order)
    if place is None:
        assert found is None
    else:
        assert found.unit == place.unit
        assert (found.x, found.y) == pytest.approx((place.x, place.y), abs=1e-6)


def test_degrees_minutes_and_seconds():
    found = place_in_headers(headers(sx=1_303_630, sy=-573_059, scalco=1, counit=4), ">")
    assert found.x == pytest.approx(130 + 36 / 60 + 30 / 3600) and found.y == pytest.approx(-57 - 30 / 60 - 59 / 3600)


@pytest.mark.parametrize("text", ["32631", "EPSG:", "EPSG:0", "EPSG:12", "epsg:4326x", "urn:ogc:def:crs:EPSG::4326"])
def test_what_is_no_epsg_code_is_told(text):
    with pytest.raises(InputError, match=f"--crs {text}: give an EPSG code, such as EPSG:32631"):
        parse_crs(text)


@pytest.mark.parametrize(
    ("unit", "crs", "member", "note"),
    [
        ("degrees", "", "absent", "longitude and latitude as in the files, taken to be WGS 84"),
        ("metres", "", None, "in a projection that they do not name; not WGS 84"),
        (
            "metres",
            "epsg:32631",
            {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32631"}},
            "declared",
        ),
        ("degrees", "EPSG:4230", {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::4230"}}, "declared"),
    ],
)
def test_a_map_says_what_its_coordinates_are(tmp_path, unit, crs, member, note):
    features = [feature(Place(2.5, 57.25, unit), {"grade": "bad"}), feature(None, {"grade": "gut\u00e9"})]
    write_geojson(tmp_path / "a.geojson", features, unit, parse_crs(crs) if crs else None)
    read = json.loads((tmp_path / "a.geojson").read_text(encoding="utf-8"))
    assert read["type"] == "FeatureCollection" and note in read["note"]
    assert read.get("crs", "absent") == member
    assert [one["geometry"] for one in read["features"]] == [{"type": "Point", "coordinates": [2.5, 57.25]}, None]
    assert [one["properties"]["grade"] for one in read["features"]] == ["bad", "gut\u00e9"]
