#!/bin/sh
# Make the key by which a dask scheduler, its workers and eval.cv recognise each other, unless it exists, in a folder that
# only you can open, on a file system that all of them see. Prints the path of a dask configuration that names the key:
#
#   export DASK_CONFIG="$(sh train/cluster/secret.sh)"
#
# An argument names a folder other than ./cluster-secret.
set -eu
umask 077
folder=${1:-cluster-secret}
fail() {
    echo "secret.sh: $*" >&2
    exit 2
}

command -v openssl >/dev/null || fail "openssl is missing; install it"
mkdir -p "$(dirname "$folder")"
[ -e "$folder" ] || [ -h "$folder" ] || mkdir -m 700 "$folder"
# Anyone who can write there could replace the key; anyone who can read it can make the workers run anything.
others='-perm -040 -o -perm -020 -o -perm -010 -o -perm -004 -o -perm -002 -o -perm -001'
[ -n "$(find "$folder" -prune -type d -user "$(id -u)" ! \( $others \))" ] ||
    fail "$folder: is not a folder of yours that nobody else can open; remove it, or run: chmod 700 '$folder'"
folder=$(cd "$folder" && pwd)
openssl x509 -checkend 604800 -noout -in "$folder/cert.pem" >/dev/null 2>&1 ||
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 -subj /CN=glowseis \
        -keyout "$folder/key.pem" -out "$folder/cert.pem" 2>/dev/null || fail "$folder: openssl cannot make a key there"
quoted=$(printf '%s' "$folder" | sed "s/'/''/g")
cat >"$folder/dask.yaml" <<END
distributed:
  comm:
    require-encryption: true
    tls:
      ca-file: '$quoted/cert.pem'
      scheduler: {cert: '$quoted/cert.pem', key: '$quoted/key.pem'}
      worker: {cert: '$quoted/cert.pem', key: '$quoted/key.pem'}
      client: {cert: '$quoted/cert.pem', key: '$quoted/key.pem'}
END
printf '%s\n' "$folder/dask.yaml"
