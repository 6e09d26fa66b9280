#!/bin/bash
# Train on several plain hosts, reached by ssh without a password; from the checkout:
#
#     HOSTS="node1 node2" train/hosts.sh train/paper.toml --survey surveys/NAME
#
# Each host runs the same command in the same folder, which all of them must see, with PYTHON (python by default) on PORT
# (23456 by default; a host may name its own, as node1:23457). The first host's worker is the chief, which alone writes.
# Ctrl-C or SIGTERM here stops all of them after the same step with everything saved; the same command goes on.
set -u

: "${HOSTS:?names the hosts, such as HOSTS=\"node1 node2\"}"
read -ra hosts <<<"$HOSTS"
for index in "${!hosts[@]}"; do
    [[ ${hosts[$index]} == *:* ]] || hosts[index]+=":${PORT:-23456}"
done
addresses=$(printf '"%s", ' "${hosts[@]}")
command=$(printf '%q ' "${PYTHON:-python}" -m glowseis.train "$@")

# Where a host keeps its worker's process number, by which a signal finds it: ssh does not pass signals on.
pid_file() { echo "/tmp/glowseis-worker-${hosts[$1]##*:}.pid"; }

stop() {
    interrupted=yes
    for index in "${!hosts[@]}"; do
        ssh "${hosts[$index]%:*}" "kill -TERM \$(cat $(pid_file "$index"))" &
    done
}
trap stop INT TERM

workers=()
for index in "${!hosts[@]}"; do
    config='{"cluster": {"worker": ['"${addresses%, }"']}, "task": {"type": "worker", "index": '"$index"'}}'
    # In a session of its own, so that Ctrl-C here does not end ssh before the worker has saved.
    setsid ssh "${hosts[$index]%:*}" "cd $(printf '%q' "$PWD") && echo \$\$ > $(pid_file "$index") &&
        TF_CONFIG=$(printf '%q' "$config") exec $command" &
    workers+=("$!")
done

status=0
for worker in "${workers[@]}"; do
    # A signal ends a wait before the worker has ended.
    interrupted=yes
    while [ -n "$interrupted" ]; do
        interrupted=
        wait "$worker"
        ended=$?
    done
    [ "$status" -ne 0 ] || status=$ended
done
exit "$status"
