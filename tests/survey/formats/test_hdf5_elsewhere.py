"""HDF5 whose arrays lie in other files: those are never opened."""

import dataclasses
import os

import h5py
import numpy as np
import pytest

from glowseis.errors import InputError
from glowseis.survey.formats import hdf5
from glowseis.survey.formats.hdf5_layout import write_hdf5
from glowseis.survey.formats.probe import survives
from glowseis.survey.formats.source import ReadOptions
from glowseis.survey.formats.sources import open_source
from tests.support.hdf5_files import ALL, foreign, recordings, same


def test_arrays_that_lie_elsewhere(tmp_path):
    path = foreign(tmp_path / "a.h5", np.ones((2, 5, 6)))
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(8 * 60))
    layout = h5py.VirtualLayout((2, 5, 6), "f8")
    layout[:] = h5py.VirtualSource(str(path), "data", (2, 5, 6))
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["linked"] = h5py.ExternalLink("a.h5", "/data")
        file["through"] = h5py.ExternalLink("a.h5", "/")
        file["soft"] = h5py.SoftLink("/through/data")
        file.create_virtual_dataset("virtual", layout)
        file.create_dataset("raw", (2, 5, 6), "f8", external=str(secret))
        file["round"] = h5py.SoftLink("/again")
        file["again"] = h5py.SoftLink("round")
    for name in ("round", "again/data"):
        with pytest.raises(InputError, match="into a loop of links"):
            open_source(tmp_path / "b.h5", dataclasses.replace(ALL, dataset=name))
    for name in ("linked", "through/data", "soft"):
        with pytest.raises(InputError, match="is in another file"):
            open_source(tmp_path / "b.h5", dataclasses.replace(ALL, dataset=name))
    for name in ("virtual", "raw"):
        with pytest.raises(InputError, match="is stored in other files"):
            open_source(tmp_path / "b.h5", dataclasses.replace(ALL, dataset=name))


def growing(file, name, source, axes=3):
    """A virtual array as long as the one in another file, which the library opens to say how long."""
    sides, everything = (5, 6)[: axes - 1], slice(0, h5py.h5s.UNLIMITED, 1)
    layout = h5py.VirtualLayout((2, *sides), "f4", maxshape=(None, *sides))
    layout[everything] = h5py.VirtualSource(source, "data", (2, *sides), maxshape=(None, *sides))[everything]
    file.create_virtual_dataset(name, layout)


@pytest.mark.parametrize(
    ("axes", "dataset", "beside", "message"),
    [
        (3, None, None, "'/more/virtual' is stored in other files"),
        (3, "more/virtual", None, "'/more/virtual' is stored in other files"),
        (3, None, "data", r"those with two or three axes are /data \(2x5x6\), /more/virtual \(in other files\)$"),
        (1, "more/virtual", "data", "'/more/virtual' is stored in other files"),
        (1, None, "data", None),
        (3, "data", "data", None),
    ],
)
def test_other_files_are_not_opened_to_see_how_long_an_array_is(tmp_path, monkeypatch, axes, dataset, beside, message):
    """A pipe without a writer keeps whoever opens it, a device may do anything."""
    os.mkfifo(tmp_path / "pipe")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        growing(file, "more/virtual", str(tmp_path / "pipe"), axes)
        if beside:
            file[beside] = np.ones((2, 5, 6))
    monkeypatch.setattr(hdf5, "survives", lambda work: survives(work, 3))
    options = dataclasses.replace(ALL, dataset=dataset)
    if message:
        with pytest.raises(InputError, match=message):
            open_source(tmp_path / "a.h5", options)
    else:
        assert len(list(open_source(tmp_path / "a.h5", options).gathers())) == 2


def test_other_files_are_not_opened_for_our_layout(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    write_hdf5(tmp_path / "a.h5", recordings())
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file.move("amplitude", "data")
        growing(file, "amplitude", str(tmp_path / "pipe"))
    monkeypatch.setattr(hdf5, "survives", lambda work: survives(work, 3))
    for dataset in (None, "amplitude", "./amplitude"):
        with pytest.raises(InputError, match="'/amplitude' is stored in other files"):
            open_source(tmp_path / "a.h5", dataclasses.replace(ALL, dataset=dataset))


@pytest.mark.parametrize("name", ["amplitude", "offset_m", "sail_line", "gather_id"])
@pytest.mark.parametrize("way", ["external", "soft", "storage", "virtual"])
def test_our_layout_keeps_nothing_elsewhere(tmp_path, name, way):
    """What is in another file is not so much as opened: that one does not exist."""
    path = tmp_path / "a.h5"
    write_hdf5(path, recordings())
    with h5py.File(path, "r+") as file:
        shape, kind = file[name].shape, file[name].dtype
        del file[name]
        if way == "external":
            file[name] = h5py.ExternalLink("secret.h5", f"/{name}")
        elif way == "soft":
            file["through"] = h5py.ExternalLink("secret.h5", "/")
            file[name] = h5py.SoftLink(f"through/{name}")
        elif way == "storage":
            file.create_dataset(name, shape, kind, external="secret")
        else:
            layout = h5py.VirtualLayout(shape, kind)
            layout[:] = h5py.VirtualSource("secret.h5", name, shape)
            file.create_virtual_dataset(name, layout)
    with pytest.raises(InputError, match=r"a\.h5: .*(is in another file, secret\.h5|is stored in other files)") as told:
        open_source(path, ReadOptions())
    assert "\n" not in str(told.value)


def test_our_layout_may_have_links_within_the_file(tmp_path):
    path = tmp_path / "a.h5"
    write_hdf5(path, recordings())
    with h5py.File(path, "r+") as file:
        file.move("offset_m", "kept/offset_m")
        file["offset_m"] = h5py.SoftLink("kept/offset_m")
    assert all(map(same, open_source(path, ReadOptions()).gathers(), recordings()))
