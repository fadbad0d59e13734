# Makes the root that a build sees, inside fresh user, mount, pid, network, ipc and uts namespaces, and runs a command
# in it. Arguments: an empty folder, the working folder inside, then triples of `ro|rw|link FROM TO`, then `--` and the command.
set -eu
# The tools below live in sbin, which the build's own PATH does not have.
path=$PATH
PATH=/usr/sbin:/usr/bin:/sbin:/bin
root=$1 work=$2
shift 2
mount -t tmpfs -o mode=0755 room "$root"
# Before what may lie below it.
mkdir -p "$root/tmp"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
while [ "$1" != -- ]; do
    kind=$1 from=$2 to=$root$3
    shift 3
    mkdir -p "$(dirname "$to")"
    if [ "$kind" = link ]; then
        ln -s "$from" "$to"
        continue
    fi
    if [ -d "$from" ]; then mkdir -p "$to"; else : >"$to"; fi
    mount --bind "$from" "$to"
    # Flags of the outer mount are locked and have to be repeated.
    [ "$kind" = rw ] || mount -o remount,bind,ro "$to" 2>/dev/null || mount -o remount,bind,ro,nosuid,nodev "$to"
done
shift
mkdir -p "$root/proc" "$root/dev/shm" "$root/.outside"
mount -t proc proc "$root/proc"
for device in null zero full random urandom; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
ip link set lo up 2>/dev/null || true
cd "$root"
pivot_root . .outside
cd /
umount -l /.outside
rmdir /.outside
mount -o remount,bind,ro /
cd "$work"
exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all -- env PATH="$path" "$@"
