"""Recordings and surveys of noise, for tests of what carries them."""

import io

import numpy as np

from glowseis.survey.amplitudes.bands import low_band
from glowseis.survey.gather import Geometry, Recording
from glowseis.survey.render import render_recording
from glowseis.survey.store.survey import open_survey, write_survey


def random_recording(shot, samples=40, traces=24, *, label="good", line=3, cable=2):
    generator = np.random.default_rng(shot)
    metres = np.arange(traces) * 12.5
    return Recording(
        gather_id=f"line{line}-shot{shot}",
        amplitude=generator.normal(size=(samples, traces)).astype(np.float32),
        label=label,
        geometry=Geometry(
            sail_line=line,
            shot=shot,
            cable=cable,
            sample_interval_s=0.008,
            channel=np.arange(1, traces + 1, dtype=np.int32),
            offset_m=-(150 + metres).astype(np.float32),
            source_x_m=431_000.25 + 25 * shot,
            source_y_m=6_500_000.5,
            receiver_x_m=431_000.25 + 25 * shot - 150 - metres,
            receiver_y_m=np.full(traces, 6_500_040.75),
        ),
        source="noise",
    )


def stepped_recording(shot, **settings):
    """Noise of 2 s with a level of about 1, then of 3; channels 17 to 32 leak into each other."""
    made, random = random_recording(shot, 512, 48, **settings), np.random.default_rng(shot)
    made.amplitude[:, 16:32] += 1.2 * low_band(random.normal(size=(512, 1)).astype(np.float32), 0.008)
    made.amplitude[256:] *= 3
    return made


def random_gather(shot, size=(64, 32), **settings):
    return render_recording(random_recording(shot, **settings), *size)


def random_survey(folder, count=20, size=(64, 32), labels=("good", "bad"), **settings):
    gathers = (random_gather(shot, size, label=labels[shot % len(labels)]) for shot in range(count))
    write_survey(folder, gathers, size, {"seed": 1}, **settings)
    return open_survey(folder)


def full_device(path):
    """In place of a file, a device that is always full."""
    return io.FileIO("/dev/full", "w")


def same_gather(first, second):
    geometry = all(
        np.array_equal(getattr(first.geometry, name), getattr(second.geometry, name)) for name in vars(first.geometry)
    )
    rest = all(
        np.array_equal(getattr(first, name), getattr(second, name))
        for name in vars(first)
        if name not in ("image", "geometry")
    )
    return geometry and rest and np.array_equal(first.image, second.image)
