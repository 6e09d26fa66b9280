#!/bin/bash
# Train on the GPUs of several nodes of a Slurm cluster; run it from the checkout:
#
#     sbatch train/slurm.sh train/paper.toml --survey surveys/NAME
#
# There is one task per node, with all the node's GPUs. Two minutes before the time is up, and when the job is preempted,
# Slurm sends SIGTERM: all workers stop after the same step, the chief saves, and the job is queued again to continue. The
# checkout, the survey and the run's folder must be on a file system that all nodes see. Use it on a trusted network only:
# the workers meet by a secret, but then TensorFlow accepts any connection.
#SBATCH --job-name=glowseis
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=16
#SBATCH --time=12:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
set -u

export GLOWSEIS_SECRET="${GLOWSEIS_SECRET:-$(od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n')}"
# A task that stopped with everything saved has status 75, which must not kill the others while they do the same. If one is
# lost the others notice and end by themselves. Worker 0 may export for a while after the others have ended, so srun ends
# the remaining tasks only an hour after the first ended: a task that hangs holds its node for that long.
srun --distribution=block --kill-on-bad-exit=0 --wait=3600 "${PYTHON:-python}" -m glowseis.train "$@" --cluster slurm
status=$?
if [ "$status" -eq 75 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
