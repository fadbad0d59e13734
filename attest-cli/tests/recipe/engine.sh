#!/bin/sh
# As much of podman's command line as attest uses, over bubblewrap and the files in $IMAGE_ROOT.
set -eu
[ "$1" = run ] || exit 0
shift
entry= room= network=
while :; do
    case $1 in
    --entrypoint) entry=$2 && shift 2 ;;
    --mount)
        case $2 in *,target=/build) room=${2#type=bind,source=} && room=${room%,target=/build} ;; esac
        shift 2
        ;;
    --name | --tmpfs) shift 2 ;;
    --network=none) network=none && shift ;;
    -*) shift ;;
    *) break ;;
    esac
done
[ "$network" = none ] || exit 1
case $1 in *@sha256:*) shift ;; *) exit 1 ;; esac
if [ "$entry" = /bin/cat ]; then
    printf ' face |bytes\n    lo: 0\n'
    exit 0
fi
set -- --ro-bind "$room/run" /build/run --tmpfs /tmp --dev /dev --chdir /build/src -- "$entry" "$@"
set -- --bind "$room" /build "$@"
for part in "$IMAGE_ROOT"/*; do
    set -- --ro-bind "$part" "/${part##*/}" "$@"
done
exec env -i PATH=/bin IN_IMAGE=yes "$(command -v bwrap)" --unshare-all "$@"
