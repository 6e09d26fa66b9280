import pytest

from glowseis.pages.drawing import IN_THE_DARK
from tests.support.browser import contrast, needs_chromium, rendered
from tests.support.reported_study import check_numbers, reported


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The report of a study of three arms."""
    return reported(tmp_path_factory.mktemp("reported"))


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_browser_shows_the_numbers_and_a_phone_need_not_scroll_sideways(made, tmp_path, dark):
    phone = rendered(tmp_path, made.text, 390, dark)
    check_numbers(phone.tables, made.study.folder / "tables")
    assert phone.width == 390 and phone.scrolled == 390
    assert phone.boxes == 0, "a table is wider than the phone"
    assert phone.images and all(40 < width <= 390 for width in phone.figures)
    assert (phone.paper == "rgb(255, 255, 255)") != dark
    assert min(contrast(colour, phone.paper) for colour in phone.colours) >= 4.5


@needs_chromium
def test_measure_of_overflow_sees_one(made, tmp_path):
    wide = made.text.replace("</main>", '<div style="width:500px">wide</div></main>').replace(
        "max-width:40rem", "width:1px"
    )
    seen = rendered(tmp_path, wide, 390, False)
    assert seen.scrolled > 390 and seen.boxes > 0


@pytest.mark.parametrize(("light", "dark"), IN_THE_DARK.items())
def test_colours_can_be_told_from_the_page(light, dark):
    def rgb(colour):
        return ",".join(str(int(colour[place : place + 2], 16)) for place in (1, 3, 5))

    assert contrast(rgb(light), "255,255,255") >= 3 and contrast(rgb(dark), "13,17,23") >= 3
