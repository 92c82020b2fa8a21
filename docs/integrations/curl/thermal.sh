#!/usr/bin/env bash
# Thermograms to Scanmill with curl.    Usage: thermal.sh health | detect PICTURE [THRESHOLD] | batch PICTURE…
# SCANMILL_API_URL and SCANMILL_API_KEY are read from the environment. Prints JSON; a refusal's, too, and then fails.
set -euo pipefail
url=${SCANMILL_API_URL:?} within_s=${WITHIN_S:-300}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# The key comes from a file, so that no list of processes shows it. --retry obeys Retry-After, and repeats after 408,
# 429, 500, 502, 503, 504 and, by --retry-all-errors, a lost answer; the Idempotency-Key makes a repetition harmless.
ask() {
    curl --silent --show-error --connect-timeout 5 --max-time 60 --retry 3 --retry-all-errors \
        --header @<(printf 'Authorization: Bearer %s' "${SCANMILL_API_KEY:?}") \
        --dump-header "$folder/head" --output "$folder/body" --write-out '%{http_code}' "$@"
}

once() { printf 'Idempotency-Key: %s' "$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')"; }

quoted() { printf '%s' "$1" | sed 's/[\\"]/\\&/g'; } # of a file's name, for --form

# Where the last answer says that the next one is.
location() { tr -d '\r' <"$folder/head" | sed -n 's/^[Ll]ocation: //p' | tail -1; }

# Ask, then look again, ever less often, until the answer is there.
finished() {
    local code pause=1 spent=0
    code=$(ask "$@")
    while [ "$code" = 202 ]; do
        if [ $((spent += pause)) -gt "$within_s" ]; then
            echo "not within $within_s s; later at $url$(location)" >&2
            exit 1
        fi
        sleep "$pause"
        pause=$((pause < 5 ? pause + 1 : 5))
        code=$(ask "$url$(location)")
    done
    cat "$folder/body"
    [ "$code" = 200 ]
}

verb=${1:?health, detect or batch}
shift
case $verb in
health)
    finished "$url/health"
    ;;
detect)
    form=(--form "file=@\"$(quoted "${1:?a picture}")\"")
    if [ -n "${2-}" ]; then form+=(--form "threshold=$2"); fi
    finished --header "$(once)" --header 'Prefer: wait=20' "${form[@]}" "$url/api/v1/detect-anomaly"
    ;;
batch)
    form=()
    for picture in "${@:?pictures}"; do form+=(--form "files[]=@\"$(quoted "$picture")\""); done
    finished --header "$(once)" "${form[@]}" "$url/api/v1/batch-detect"
    ;;
*)
    echo "health, detect or batch, not $verb" >&2
    exit 2
    ;;
esac
