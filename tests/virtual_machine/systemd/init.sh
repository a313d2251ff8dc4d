#!/bin/busybox sh
# The first program of a virtual machine with systemd: it becomes systemd, which has the cases worked
# through by `cases.service`.

/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev /run /tmp /root
printf 'root:x:0:0:root:/root:/bin/sh\nmessagebus:x:100:100::/:/bin/false\n' >/etc/passwd
printf 'root:x:0:\nmessagebus:x:100:\n' >/etc/group
# With an id, the machine does not ask a person for its settings.
echo 0123456789abcdef0123456789abcdef >/etc/machine-id
echo machine >/etc/hostname
printf '%s\n' "RESULTS=$RESULTS" "PATIENCE=$PATIENCE" PATH=/programs:/usr/sbin:/usr/bin:/sbin:/bin \
  >/etc/machine.env
ln -s machine.target /etc/systemd/system/default.target
exec /lib/systemd/systemd
