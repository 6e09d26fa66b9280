#!/bin/bash
# Train on several hosts that ssh reaches without a password; run it from the checkout:
#
#     HOSTS="node1 node2" train/hosts.sh train/paper.toml --survey surveys/NAME
#
# Each host runs the same command in the same folder, which all of them must see, with PYTHON (default: python) on PORT
# (default: 23456; a host may name its own, as node1:23457). The first host's worker is the chief; only the chief writes.
# Ctrl-C or SIGTERM here stops all of them after the same step with everything saved; the same command continues.
# Use it on a trusted network only: the workers meet by a secret, but then TensorFlow accepts any connection.
set -u
# A host that is gone gets no signal; the others still do.
trap '' PIPE

: "${HOSTS:?names the hosts, such as HOSTS=\"node1 node2\"}"
read -ra hosts <<<"$HOSTS"
for index in "${!hosts[@]}"; do
    [[ ${hosts[$index]} == *:* ]] || hosts[index]+=":${PORT:-23456}"
done
addresses=$(printf '"%s", ' "${hosts[@]}")
secret=${GLOWSEIS_SECRET:-$(od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n')}

# What each host runs. It gets secret and signal on its input: other users of the host can see a command's arguments and
# make files in its temporary folder, and ssh does not pass signals on.
wrapper='
exec 3<&0;
read -r GLOWSEIS_SECRET;
export GLOWSEIS_SECRET TF_CONFIG="$1";
shift;
"$@" </dev/null 3<&- &
worker=$!;
{ read -r word <&3 && kill -TERM "$worker"; } &
listener=$!;
wait "$worker";
status=$?;
kill "$listener" 2>/dev/null;
exit "$status"
'
wrapper=${wrapper//$'\n'/ }

stop() {
    interrupted=yes
    for inlet in "${inlets[@]}"; do
        echo stop >&"$inlet"
    done 2>/dev/null
}

pipes=$(mktemp -d) || exit
workers=() inlets=()
trap stop INT TERM
for index in "${!hosts[@]}"; do
    config='{"cluster": {"worker": ['"${addresses%, }"']}, "task": {"type": "worker", "index": '"$index"'}}'
    words=$(printf '%q ' sh -c "$wrapper" sh "$config" "${PYTHON:-python}" -m glowseis.train "$@")
    mkfifo "$pipes/$index"
    # In a session of its own, so that Ctrl-C here does not end ssh before the worker has saved its state.
    setsid ssh "${hosts[$index]%:*}" "cd $(printf '%q' "$PWD") && exec $words" <"$pipes/$index" &
    workers+=("$!")
    exec {inlet}>"$pipes/$index"
    inlets+=("$inlet")
    echo "$secret" >&"$inlet" 2>/dev/null
done
rm -r "$pipes"

status=0
for worker in "${workers[@]}"; do
    # A signal ends the wait before the worker ends.
    interrupted=yes
    while [ -n "$interrupted" ]; do
        interrupted=
        wait "$worker"
        ended=$?
    done
    [ "$status" -ne 0 ] || status=$ended
done
exit "$status"
