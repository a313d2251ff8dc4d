#!/bin/busybox sh
# The first program of the virtual machine. It makes a host with cgroup v2 alone, and has the cases
# worked through.

/bin/busybox mkdir -p /proc /sys /dev /tmp /etc
/bin/busybox --install -s /bin
export PATH=/programs:/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t cgroup2 cgroup2 /sys/fs/cgroup

# Adds a block device: 16 MiB of memory.
insmod /brd.ko rd_nr=1
# Loads a policy, which the kernel takes only in one write.
load() { dd if=/policy of="$1" bs=1M 2>/dev/null; }
if [ ! -e /policy ]; then :
elif [ -d /sys/fs/selinux ]; then
  mount -t selinuxfs selinuxfs /sys/fs/selinux
  load /sys/fs/selinux/load
  echo 1 >/sys/fs/selinux/enforce
else
  mount -t securityfs securityfs /sys/kernel/security
  load /sys/kernel/security/apparmor/.load
fi

. /cases.sh
poweroff -f
