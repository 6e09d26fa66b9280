#!/bin/sh
# Start a dask scheduler here and its workers as jobs of a batch system; stays until Ctrl-C, which ends the jobs.
#
#   sh train/cluster/start.sh slurm 10        ten jobs of Slurm; or pbs
#   sh train/cluster/start.sh slurm --show    the job script alone
#
# PYTHON names another Python than the one on the path.
set -eu
folder=$(cd "$(dirname "$0")" && pwd)
export DASK_CONFIG="$folder/jobqueue.yaml"
# The script comes by an argument, so that standard input stays the terminal's.
exec "${PYTHON:-python}" -c '
import signal, sys

try:
    from dask_jobqueue import PBSCluster, SLURMCluster
except ImportError:
    sys.exit("start.sh: dask-jobqueue is missing; install it by pip install \"glowseis[cluster]\"")
kinds = {"slurm": SLURMCluster, "pbs": PBSCluster}
if len(sys.argv) != 3 or sys.argv[1] not in kinds or not (sys.argv[2].isdecimal() or sys.argv[2] == "--show"):
    sys.exit("start.sh: say slurm or pbs, and a number of jobs (or --show), such as: slurm 10")
cluster = kinds[sys.argv[1]]()
if sys.argv[2] == "--show":
    print(cluster.job_script())
    sys.exit()
cluster.scale(jobs=int(sys.argv[2]))
print("python -m eval.cv train/paper.toml --survey SURVEY --scheduler", cluster.scheduler_address, flush=True)
signal.signal(signal.SIGTERM, signal.default_int_handler)
try:
    signal.pause()
except KeyboardInterrupt:
    cluster.close()
' "$@"
