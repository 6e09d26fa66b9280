"""PNG, JPEG and TIFF files as sources."""

import dataclasses
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from glowseis.errors import InputError
from glowseis.survey.formats.pictures import write_pictures
from glowseis.survey.formats.source import ReadOptions
from glowseis.survey.formats.sources import open_source, open_sources
from glowseis.survey.gather import Origin
from glowseis.survey.ingestion.ingest import ingest
from glowseis.survey.ingestion.request import Request
from glowseis.survey.render import amplitudes, render
from glowseis.survey.store.survey import open_survey
from tests.support.random_gathers import random_gather

LEVELS = np.random.default_rng(0).integers(0, 256, (40, 24), dtype=np.uint8)


def read(path, options=None):
    """Grey levels of a picture of others, as they are in the file."""
    (recording,) = open_source(path, options or ReadOptions(zero_level=128)).gathers()
    assert recording.amplitude.dtype == np.float32
    return recording.amplitude


@pytest.mark.parametrize("ending", ["png", "tif", "TIFF", "jpg", "jpeg"])
def test_grey_pictures_of_every_format(tmp_path, ending):
    path = tmp_path / f"Übersicht é 1.{ending}"
    levels = random_gather(3, (40, 24)).image if ending.startswith("j") else LEVELS
    Image.fromarray(levels).save(path, quality=100)
    source = open_source(path, ReadOptions(label="good"))
    assert source.interval_s is None and list(source.shapes()) == [(40, 24)]
    (picture,) = source.gathers()
    assert picture.gather_id == "Übersicht-é-1" and picture.label == "good" and picture.source == str(path)
    # JPEG loses a little even at its best.
    assert np.abs(picture.amplitude - levels).max() <= (12 if ending.startswith("j") else 0)
    geometry = picture.geometry
    assert (geometry.sail_line, geometry.shot, geometry.cable) == (0, 1, 1) and np.isnan(geometry.sample_interval_s)
    assert np.isnan(geometry.offset_m).all() and len(geometry.offset_m) == len(geometry.channel) == 24
    # A zero that is measured is a level, and comes back.
    gather = render(picture, 64, 32)
    assert (gather.zero_amplitude == np.sort(picture.amplitude, axis=None)[480]).all()
    is_clipped = np.isin(gather.image[:40, :24], (0, 255))
    assert np.abs(amplitudes(gather) - picture.amplitude)[~is_clipped].max() <= 0.5
    assert open_source(path, ReadOptions(sample_interval_s=0.008)).interval_s == 0.008


def test_our_own_pictures_come_back_the_same(tmp_path):
    made = [random_gather(shot, label="bad" if shot else "") for shot in range(3)]
    origin = Origin(("a", "b"), 0.1 + 0.2, 7, "demo/1", "spherical")
    made[1] = dataclasses.replace(made[1], origin=origin, gather_id="été-1", label="mäßig")
    folder = tmp_path / "neue Bilder"
    write_pictures(folder, made)
    (folder / "line3-shot0.png").rename(folder / "a renamed one.png")
    found = [picture for source in open_sources([folder], ReadOptions()) for picture in source.gathers()]
    for picture, gather in zip(found, [made[0], made[2], made[1]], strict=True):
        assert (picture.gather_id, picture.label, picture.origin) == (gather.gather_id, gather.label, gather.origin)
        assert np.array_equal(picture.image, gather.image[: gather.valid_samples, : gather.valid_traces])
        for name in ("sail_line", "shot", "cable", "start_s", "sample_interval_s"):
            assert getattr(picture.geometry, name) == getattr(gather.geometry, name)
    # Through ingest, and out again, byte by byte.
    ingest(Request([folder]), tmp_path / "survey")
    survey = open_survey(tmp_path / "survey")
    assert survey.manifest.counts == {"bad": 1, "mäßig": 1}
    write_pictures(tmp_path / "again", (survey.read(row) for row in range(3)))
    for gather in made:
        with Image.open(tmp_path / "again" / f"{gather.gather_id}.png") as picture:
            valid = gather.image[: gather.valid_samples, : gather.valid_traces]
            assert np.array_equal(np.asarray(picture), valid) and picture.text["label"] == gather.label
    # Without the table they are pictures like others, but for their ids and labels.
    (folder / "gathers.csv").write_text("file,remark\n1.png,\n")
    (picture,) = open_source(folder / "été-1.png", ReadOptions(label="good")).gathers()
    assert (picture.gather_id, picture.label, picture.geometry.sail_line) == ("été-1", "good", 0)


def test_grey_in_colours_is_grey(tmp_path):
    colours = np.repeat(LEVELS[..., np.newaxis], 3, axis=2)
    colours[..., 0] = np.maximum(colours[..., 0], 20) - 20
    luminance = colours @ np.array([0.299, 0.587, 0.114])
    for name in ("a.png", "b.tif"):
        Image.fromarray(colours).save(tmp_path / name)
        assert np.abs(read(tmp_path / name) - luminance).max() <= 1
    Image.fromarray(LEVELS).convert("P").save(tmp_path / "palette.png")
    assert np.array_equal(read(tmp_path / "palette.png"), LEVELS)
    Image.fromarray(LEVELS).convert("CMYK").save(tmp_path / "cmyk.tif")
    assert np.abs(read(tmp_path / "cmyk.tif") - LEVELS).max() <= 1


def test_what_is_transparent_is_the_zero_of_the_rest(tmp_path):
    alpha = np.zeros((40, 24), np.uint8)
    alpha[:20] = 255
    alpha[20:30] = 51
    image = Image.fromarray(LEVELS)
    image.putalpha(Image.fromarray(alpha))
    zero = np.median(LEVELS[:20])
    wanted = zero + (LEVELS - zero) * alpha / 255
    for name, mode in (("a.png", "LA"), ("b.png", "RGBA"), ("c.tif", "RGBA"), ("d.tif", "LA")):
        image.convert(mode).save(tmp_path / name)
        assert np.abs(read(tmp_path / name) - wanted).max() <= 1, name
        assert (read(tmp_path / name)[30:] == zero).all()
    palette = Image.fromarray(LEVELS).convert("P")
    palette.save(tmp_path / "e.png", transparency=200)
    assert np.array_equal(read(tmp_path / "e.png"), np.where(LEVELS == 200, np.median(LEVELS[LEVELS != 200]), LEVELS))


def test_other_depths_are_kept(tmp_path):
    deep = np.random.default_rng(1).integers(0, 65536, (40, 24)).astype(np.uint16)
    for name in ("a.png", "b.tif"):
        Image.fromarray(deep).save(tmp_path / name)
        assert np.array_equal(read(tmp_path / name), deep)
    bits = LEVELS > 128
    for name in ("c.png", "d.tif"):
        Image.fromarray(bits).save(tmp_path / name)
        assert np.array_equal(read(tmp_path / name), np.where(bits, 255, 0))


def test_white_that_is_zero_is_turned_round(tmp_path):
    """TIFF's PhotometricInterpretation 0, of 8 and of 16 bits, and both byte orders."""
    deep = LEVELS.astype(np.uint16) * 257
    for order, mark in (("<", b"II*\0"), (">", b"MM\0*")):
        for bits, content in ((8, LEVELS.tobytes()), (16, deep.astype(f"{order}u2").tobytes())):
            for white_is_zero in (0, 1):
                tags = [(256, 24), (257, 40), (258, bits), (259, 1), (262, 1 - white_is_zero)]
                tags += [(273, 200), (277, 1), (278, 40), (279, len(content))]
                entries = b"".join(
                    struct.pack(f"{order}HHI", tag, 4, 1) + struct.pack(f"{order}I", value) for tag, value in tags
                )
                head = mark + struct.pack(f"{order}IH", 8, len(tags)) + entries + bytes(4)
                (tmp_path / "a.tif").write_bytes(head.ljust(200, b"\0") + content)
                if (order, bits, white_is_zero) == (">", 16, 1):
                    # Pillow does not know these.
                    with pytest.raises(InputError, match="cannot be read as PNG, JPEG or TIFF"):
                        read(tmp_path / "a.tif")
                    continue
                levels = LEVELS if bits == 8 else deep
                assert np.array_equal(read(tmp_path / "a.tif"), 2**bits - 1 - levels if white_is_zero else levels)


def test_each_page_is_a_gather_and_shots_count_on(tmp_path):
    pages = [Image.fromarray(LEVELS[:, : 24 - page] + np.uint8(page)) for page in range(3)]
    pages[0].save(tmp_path / "b.tif", save_all=True, append_images=pages[1:])
    for name in ("a.png", "c.png"):
        pages[0].save(tmp_path / name)
    sources = open_sources([tmp_path], ReadOptions())
    assert list(sources[1].shapes()) == [(40, 24), (40, 23), (40, 22)]
    found = [recording for source in sources for recording in source.gathers()]
    assert [picture.gather_id for picture in found] == ["a", "b-page1", "b-page2", "b-page3", "c"]
    assert [picture.geometry.shot for picture in found] == [1, 2, 3, 4, 5]
    assert np.array_equal(found[2].amplitude, LEVELS[:, :23] + np.uint8(1))


def test_pictures_that_are_no_grey_levels(tmp_path):
    frames = [Image.fromarray(LEVELS), Image.fromarray(255 - LEVELS)]
    frames[0].save(tmp_path / "animated.png", save_all=True, append_images=frames[1:])
    Image.fromarray(LEVELS.astype(np.float32)).save(tmp_path / "float.tif")
    Image.fromarray(LEVELS.astype(np.int32)).save(tmp_path / "integer.tif")
    exif = Image.Exif()
    exif[274] = 6
    for name in ("turned.jpg", "turned.png", "turned.tif"):
        Image.fromarray(LEVELS).save(tmp_path / name, exif=exif)
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.png").write_bytes(b"")
    Image.fromarray(LEVELS).convert("P").save(tmp_path / "other.gif")
    (tmp_path / "other.gif").rename(tmp_path / "gif.png")
    Image.fromarray(np.zeros((1, 40_000), np.uint8)).save(tmp_path / "long.png")
    cases = [
        ("animated.png", "has several frames"),
        ("float.tif", "has pixels of kind F, which are not grey levels"),
        ("integer.tif", "has pixels of kind I, which are not grey levels"),
        ("turned.jpg", "save it upright"),
        ("turned.png", "save it upright"),
        ("turned.tif", "save it upright"),
        ("text.png", "cannot be read as PNG, JPEG or TIFF"),
        ("gif.png", "cannot be read as PNG, JPEG or TIFF"),
        ("empty.png", "has 0 bytes"),
        ("none.png", "no such file"),
        ("long.png", "between 1 and 32768"),
    ]
    for name, message in cases:
        with pytest.raises(InputError, match=message), warnings.catch_warnings(action="error"):
            read(tmp_path / name)


def grey(zero, clip=60, size=(90, 70), share=0.04):
    """A picture of noise about a zero, of which a share is black or white."""
    noise = np.random.default_rng(4).laplace(size=size) * np.linspace(2, 0.5, size[0])[:, np.newaxis]
    noise /= np.quantile(np.abs(noise), 1 - share)
    return np.rint(zero + clip * np.clip(noise, -1, 1)).clip(0, 255)


def brought(path):
    (recording,) = open_source(path, ReadOptions()).gathers()
    return render(recording, 96, 72)


def test_pictures_come_out_alike_whatever_their_zero_and_depth(tmp_path):
    wanted = grey(128, 128)
    Image.fromarray(wanted.astype(np.uint8)).save(tmp_path / "a.png")
    gather = brought(tmp_path / "a.png")
    assert np.abs(gather.image[:90, :70].astype(int) - wanted).max() <= 1 and np.median(gather.image[:90, :70]) == 128
    cases = {
        "zero at 125": grey(125, 126).astype(np.uint8),
        "zero at 126, clipped 1 %": grey(126, 127, share=0.01).astype(np.uint8),
        "dark": grey(80, 70).astype(np.uint8),
        "16 bits": (grey(128, 128) * 257).astype(np.uint16),
        "12 bits in 16": (grey(128, 128) * 16).astype(np.uint16),
        "in colours": np.repeat(grey(125, 120).astype(np.uint8)[..., np.newaxis], 3, axis=2),
    }
    for name, levels in cases.items():
        Image.fromarray(levels).save(tmp_path / "b.png")
        again = brought(tmp_path / "b.png")
        off = np.abs(again.image.astype(int) - gather.image)
        # Steps of a grey level of the source are up to two of ours.
        assert off.max() <= 4 and off.mean() < 1.2 and np.median(again.image[:90, :70]) == 128, name
        # Mid-grey is no constant that was added.
        assert again.mended == ({} if name == "16 bits" else {"zero_level": 70}), name


def test_jpeg_of_grey_in_colours_is_grey(tmp_path):
    levels = np.repeat(grey(125, 120, (96, 64)).astype(np.uint8)[..., np.newaxis], 3, axis=2)
    for quality in (40, 95):
        Image.fromarray(levels).save(tmp_path / "a.jpg", quality=quality)
        assert abs(brought(tmp_path / "a.jpg").zero_amplitude[0] - 125) <= 1


def red_and_blue(levels):
    about = levels.astype(float) - 128
    red, blue = 255 + 2 * np.minimum(about, 0), 255 - 2 * np.maximum(about, 0)
    return np.stack([red, np.minimum(red, blue), blue], axis=-1).clip(0, 255).astype(np.uint8)


def framed(levels, level, rows=(5, 5), columns=(4, 4)):
    return np.pad(levels, (rows, columns), constant_values=level)


def wiggles(levels):
    """Black traces on white paper."""
    return np.where(levels > 150, 0, 255).astype(np.uint8)


REFUSED = {
    "red and blue": (red_and_blue(grey(128)), "in colour"),
    "wiggles": (wiggles(grey(128)), "are not centred on zero"),
    "wiggles in colours": (np.repeat(wiggles(grey(128))[..., np.newaxis], 3, axis=2), "are not centred on zero"),
    "grey on white": ((255 - np.abs(grey(128) - 128)).astype(np.uint8), "are not centred on zero"),
    "grey on black": (np.abs(grey(128) - 128).astype(np.uint8), "are not centred on zero"),
    "black and white": (grey(128) > 140, "are not centred on zero"),
    "white on black": (grey(128) > 100, "are not centred on zero"),
    "a white frame": (framed(grey(128), 255).astype(np.uint8), "crop it to the gather"),
    "a black frame": (framed(grey(128), 0, (1, 1), (1, 1)).astype(np.uint8), "crop it to the gather"),
    "a white line above": (framed(grey(128), 255, (2, 0), (0, 0)).astype(np.uint8), "crop it to the gather"),
    "a black line below": (framed(grey(128), 0, (0, 1), (0, 0)).astype(np.uint8), "crop it to the gather"),
    "a white margin below": (framed(grey(128), 255, (0, 30), (0, 0)).astype(np.uint8), "crop it to the gather"),
    "a frame in 12 bits of 16": (framed(grey(128) * 16, 4095).astype(np.uint16), "crop it to the gather"),
    "a margin above and on the left": (framed(grey(128), 255, (9, 0), (9, 0)).astype(np.uint8), "crop it"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_pictures_without_a_middle_are_refused(tmp_path, kind):
    levels, message = REFUSED[kind]
    Image.fromarray(levels).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=message) as refused:
        brought(tmp_path / "a.png")
    assert str(tmp_path / "a.png") in str(refused.value) and "\n" not in str(refused.value)


def test_short_records_and_dead_columns_are_mended(tmp_path):
    levels = grey(118, 110)
    levels[70:, 20:] = 0
    levels[:, 5:8] = 255
    Image.fromarray(levels.astype(np.uint8)).save(tmp_path / "a.png")
    gather = brought(tmp_path / "a.png")
    assert gather.mended == {"fill": 50, "constant": 3, "zero_level": 67} and gather.dead_traces == 3
    assert (gather.image[70:90, 20:70] == 128).all() and (gather.image[:, 5:8] == 128).all()


def png(width, height, data):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(30_000, 30_000), (9_000, 9_000), (5_000, 4_000)])
def test_a_picture_that_unpacks_to_far_more_is_refused(tmp_path, width, height):
    (tmp_path / "a.png").write_bytes(png(width, height, bytes(1000)))
    with pytest.raises(InputError, match=r"would take \d+ MB|decompression bomb"):
        open_source(tmp_path / "a.png", ReadOptions())


def test_a_flipped_bit_of_a_png_is_told(tmp_path):
    Image.fromarray(LEVELS).save(tmp_path / "a.png")
    content = bytearray((tmp_path / "a.png").read_bytes())
    content[-20] ^= 1
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as PNG"):
        read(tmp_path / "a.png")
