"""The key by which a scheduler, its workers and eval.cv know each other."""

import subprocess
import textwrap

import dask
import pytest
import yaml

from eval.running.scheduling import fold_job, on_cluster
from glowseis.errors import InputError
from tests.support.commands import CHECKOUT


def made(folder, *words):
    """What `secret.sh` ends with, run in a folder."""
    return subprocess.run(
        ["sh", CHECKOUT / "train/cluster/secret.sh", *words], check=False, cwd=folder, capture_output=True, text=True
    )


def flat(tree, name=""):
    """A configuration's leaves by their full names."""
    for key, value in tree.items():
        yield from flat(value, f"{name}{key}.") if isinstance(value, dict) else [(f"{name}{key}", value)]


def settings(folder, *words):
    return dict(flat(yaml.safe_load(open(made(folder, *words).stdout.rstrip("\n")).read())))


@pytest.mark.parametrize("words", [(), ("it's my key",), ("new/folder",)])
def test_a_key_is_made_once_for_nobody_else(tmp_path, words):
    first = made(tmp_path, *words)
    folder = tmp_path / (words[0] if words else "cluster-secret")
    assert (first.returncode, first.stdout, first.stderr) == (0, f"{folder}/dask.yaml\n", "")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.name for file in folder.iterdir()} == {"cert.pem", "key.pem", "dask.yaml"}
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in folder.iterdir())
    key = (folder / "key.pem").read_bytes()
    assert made(tmp_path, *words).returncode == 0 and (folder / "key.pem").read_bytes() == key
    named = settings(tmp_path, *words)
    assert named["distributed.comm.require-encryption"] is True
    assert named["distributed.comm.tls.worker.key"] == str(folder / "key.pem")


@pytest.mark.parametrize("what", ["0750", "0701", "0702", "link", "dangling", "file"])
def test_no_key_is_put_where_others_could(tmp_path, what):
    folder = tmp_path / "cluster-secret"
    if what == "file":
        folder.touch()
    elif what == "link":
        (tmp_path / "others").mkdir(mode=0o700)
        folder.symlink_to("others")
    elif what == "dangling":
        folder.symlink_to("nowhere")
    else:
        folder.mkdir()
        folder.chmod(int(what, 8))
    done = made(tmp_path)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.startswith(
        "secret.sh: cluster-secret: is not a folder of yours that nobody else can open; remove it"
    )
    assert not list(tmp_path.glob("*/*"))


def test_whoever_has_no_key_is_kept_out(tmp_path, monkeypatch):
    from distributed import Client, LocalCluster, Security

    (tmp_path / "eval").mkdir()
    (tmp_path / "eval/cv.py").write_text(
        textwrap.dedent("""
        import sys

        print("fold", sys.argv[sys.argv.index("--fold") + 1], "done")
    """)
    )
    monkeypatch.setattr("eval.running.scheduling.CHECKOUT", tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    jobs, said = [fold_job("grouped", 3, ("recipe.toml",), str(tmp_path))], []
    with dask.config.set(settings(tmp_path)):
        with LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            processes=False,
            protocol="tls://",
            security=Security(),
            host="127.0.0.1",
            dashboard_address=None,
        ) as cluster:
            address = cluster.scheduler_address
            on_cluster(jobs, address, said.append)
            assert said[-1] == "fold 3 done"
            other = settings(tmp_path, "another")
            with dask.config.set(other), pytest.raises(InputError, match="no scheduler answers there"):
                on_cluster(jobs, address)
            with pytest.raises(OSError):
                Client(address.replace("tls", "tcp"), timeout="2s", security=Security(require_encryption=False))
        with pytest.raises(InputError, match=r"--scheduler tcp://10.0.0.1:1: takes no key, but the dask configuration"):
            on_cluster(jobs, "tcp://10.0.0.1:1")
    with pytest.raises(InputError, match=r"needs its key; set DASK_CONFIG to what train/cluster/start.sh or secret"):
        on_cluster(jobs, address)
