#!/bin/sh
# PID 1 of the user-mode kernel. The kernel hands its unknown parameters on as environment:
#   exchange  the host's folder for this run: this script, jobs.sh, and what comes back
#   cgroups   v2 (nothing else), net_cls (v2, and v1 net_cls beside it) or v1 (no v2 at all)
# The host's root is only read: everything written lands in the upper layer of an overlay, in memory.
set -eu
PATH=/run/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
user=4242

power_off() {
    sync
    echo o >/proc/sysrq-trigger
    # The kernel goes down while this sleeps. PID 1 must not end before, that is a panic.
    sleep 60
}

if [ "${1:-}" != inside ]; then
    mount -t proc proc /proc
    # Whatever goes wrong before the jobs, the machine goes down and the host sees that no status came.
    trap power_off EXIT
    exec </dev/ttyS0 >/dev/ttyS0 2>&1
    mount -t tmpfs -o mode=755 tmpfs /mnt
    mkdir -p /mnt/lib /mnt/upper /mnt/work /mnt/root
    # modprobe looks in DIR/lib/modules; the host may have no /lib/modules to mount on.
    ln -s /usr/lib/uml/modules /mnt/lib/modules
    modprobe -d /mnt overlay
    mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
    cd /mnt/root
    mkdir -p lib/modules old_root run dev proc sys tmp
    umount /proc
    mount -t devtmpfs devtmpfs dev
    mount -t tmpfs -o mode=755 tmpfs run
    mkdir run/exchange
    mount -t hostfs -o "$exchange" hostfs run/exchange
    # A chroot alone will not do: the kernel gives no user namespace to a process in a chroot.
    pivot_root . old_root
    exec chroot . /bin/sh /run/exchange/init.sh inside </dev/ttyS0 >/dev/ttyS0 2>&1
fi

mount -t proc -o nosuid,nodev,noexec proc /proc
trap power_off EXIT
umount -l /old_root
rmdir /old_root
# As systemd leaves it on most machines: a container that forgets to make its mounts private is caught.
mount --make-rshared /
mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
mkdir -p /dev/pts /dev/shm /dev/mqueue /run/tmp /run/home
mount -t devpts -o nosuid,noexec,mode=620,gid=5,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs /dev/shm
mount -t mqueue -o nosuid,nodev,noexec mqueue /dev/mqueue
ln -sf pts/ptmx /dev/ptmx
ln -sfn /proc/self/fd /dev/fd

# The upper layer of an overlay cannot lie on an overlay, and before Linux 6.6 tmpfs has no user attributes: the data
# folders are on a disk of their own.
mkfs.ext4 -q -O ^has_journal /dev/ubdb
mkdir -p /run/data /var/lib/fork-to-veth
mount -t ext4 /dev/ubdb /run/data
mkdir -m 700 /run/data/lib
mkdir -m 1777 /run/data/tmp
mount --bind /run/data/lib /var/lib/fork-to-veth
mount --bind /run/data/tmp /run/tmp
# hostfs asks the host for every page; these are run a thousand times.
cp -r /run/exchange/bin /run/bin
# bash's ldd starts three processes a program, which is most of the time that a first use of `base` takes in here.
printf '%s\n' '#!/bin/sh' 'for program; do LD_TRACE_LOADED_OBJECTS=1 "$program"; done' >/run/bin/ldd
chmod 755 /run/bin/ldd
install -d -m 700 -o $user -g $user /run/home/reader /run/user /run/user/$user

mount --bind /usr/lib/uml/modules /lib/modules
# Debian's kernel has no NAT for nf_tables; a check that needs it says so when it skips.
for module in bridge veth br_netfilter nf_tables nft_masq; do
    modprobe $module || echo "uml: no module $module"
done
hostname uml
ip link set lo up

case $cgroups in
    v2)
        mount -t cgroup2 -o nosuid,nodev,noexec,nsdelegate cgroup2 /sys/fs/cgroup
        group=/sys/fs/cgroup
        ;;
    net_cls)
        mount -t tmpfs -o nosuid,nodev,noexec,mode=755 tmpfs /sys/fs/cgroup
        mkdir /sys/fs/cgroup/net_cls /sys/fs/cgroup/unified
        mount -t cgroup -o nosuid,nodev,noexec,net_cls net_cls /sys/fs/cgroup/net_cls
        mount -t cgroup2 -o nosuid,nodev,noexec,nsdelegate cgroup2 /sys/fs/cgroup/unified
        group=/sys/fs/cgroup/unified
        ;;
    v1)
        mount -t tmpfs -o nosuid,nodev,noexec,mode=755 tmpfs /sys/fs/cgroup
        for controller in $(awk '!/^#/ && $4 == 1 { print $1 }' /proc/cgroups); do
            mkdir "/sys/fs/cgroup/$controller"
            mount -t cgroup -o "nosuid,nodev,noexec,$controller" "$controller" "/sys/fs/cgroup/$controller"
        done
        group=
        ;;
    *)
        echo "no such cgroup layout: $cgroups"
        exit 1
        ;;
esac

# cgroups(7), "Cgroup delegation": the folder and these three files belong to the user, the limits do not.
# The user's processes sit in a leaf, for a group that has processes cannot enable controllers below it.
if [ -n "$group" ]; then
    sed 's/[^ ]*/+&/g' "$group/cgroup.controllers" >"$group/cgroup.subtree_control"
    mkdir "$group/delegated" "$group/delegated/session"
    for folder in "$group/delegated" "$group/delegated/session"; do
        chown $user:$user "$folder" "$folder/cgroup.procs" "$folder/cgroup.subtree_control" "$folder/cgroup.threads"
    done
    sed 's/[^ ]*/+&/g' "$group/delegated/cgroup.controllers" >"$group/delegated/cgroup.subtree_control"
fi

# as_root COMMAND..., as_user COMMAND...: what jobs.sh is made of.
as_root() {
    env -i PATH="$PATH" HOME=/root TERM=dumb TMPDIR=/run/tmp "$@"
}
as_user() (
    if [ -n "$group" ]; then
        echo 0 >"$group/delegated/session/cgroup.procs"
    fi
    exec setpriv --reuid $user --regid $user --clear-groups \
        env -i PATH="$PATH" HOME=/run/home/reader XDG_RUNTIME_DIR=/run/user/$user TERM=dumb TMPDIR=/run/tmp "$@"
)

cd /
set +e
. /run/exchange/jobs.sh
echo $? >/run/exchange/status
