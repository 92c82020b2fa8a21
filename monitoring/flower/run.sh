#!/usr/bin/env bash
# Flower beside a `make up` or `make demo` that runs on this machine: its Redis, and a password made once, for var/ only.
set -euo pipefail
cd "$(dirname "$0")/../.."
umask 077

running=
for folder in "${SCANMILL_VAR:-var}" "${SCANMILL_VAR:-var}/demo"; do
    if [ -e "$folder/run.env" ] && { [ -z "$running" ] || [ "$folder/run.env" -nt "$running" ]; }; then
        running=$folder/run.env
    fi
done
if [ -z "$running" ]; then
    echo "Nothing to watch: start \`make up\` or \`make demo\` in another terminal first." >&2
    exit 1
fi
set -a
# shellcheck source=/dev/null
. "$running"
set +a

secret=$(dirname "$running")/flower.password
[ -s "$secret" ] || .venv/bin/python -c 'import secrets; print(secrets.token_urlsafe(16))' >"$secret"
SCANMILL_FLOWER_PASSWORD=$(cat "$secret")
export SCANMILL_FLOWER_PASSWORD
echo "Flower's password is in $secret"
exec .venv/bin/scanmill flower "$@"
