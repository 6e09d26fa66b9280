#!/bin/sh
# Start a dask scheduler here and its workers as jobs of a batch system; it runs until Ctrl-C, which ends the jobs.
#
#   sh train/cluster/start.sh slurm 10        ten jobs of Slurm; or pbs
#   sh train/cluster/start.sh slurm --show    only print the job script
#
# Scheduler, jobs and eval.cv recognise each other by the key in the folder cluster-secret (secret.sh). ADDRESS is the
# address at which jobs reach this machine, by default that of its outgoing connection; PYTHON is the Python to use.
set -eu
folder=$(cd "$(dirname "$0")" && pwd)
secret=$(sh "$folder/secret.sh")
export DASK_CONFIG="$folder/jobqueue.yaml"
# The script is an argument, so that standard input stays the terminal.
exec "${PYTHON:-python}" -c '
import os, shlex, signal, sys

try:
    import dask
    from dask_jobqueue import PBSCluster, SLURMCluster
    from distributed import Security
    from distributed.utils import get_ip
except ImportError:
    sys.exit("start.sh: dask-jobqueue is missing; run pip install \"glowseis[cluster]\"")
kinds = {"slurm": SLURMCluster, "pbs": PBSCluster}
secret, *words = sys.argv[1:]
if len(words) != 2 or words[0] not in kinds or not (words[1].isdecimal() or words[1] == "--show"):
    sys.exit("start.sh: give slurm or pbs, and a number of jobs (or --show), such as: slurm 10")
dask.config.refresh(paths=[*dask.config.paths, secret])
here = {"host": os.environ.get("ADDRESS") or get_ip(), "dashboard_address": "localhost:0"}
cluster = kinds[words[0]](protocol="tls://", security=Security(), scheduler_options=here)
if words[1] == "--show":
    print(cluster.job_script())
    sys.exit()
cluster.scale(jobs=int(words[1]))
command = "python -m eval.cv train/paper.toml --survey SURVEY --scheduler"
print(f"DASK_CONFIG={shlex.quote(secret)}", command, cluster.scheduler_address, flush=True)
signal.signal(signal.SIGTERM, signal.default_int_handler)
try:
    signal.pause()
except KeyboardInterrupt:
    cluster.close()
' "$secret" "$@"
