# What stage0 does with the pod of a case, `$uuid`, in the words of a shell.

dir=/pods/run/$uuid

# Becomes an entrypoint, as rkt does: in the pod's directory.
become() {
  entrypoint=stage1/rootfs/$1
  shift
  cd "$dir" && exec "$entrypoint" "$@"
}

# Runs the pod to its end. Where this is in a shell of its own, that shell is not left beside it.
run() {
  cd "$dir" && exec 9<. && flock 9 || exit 125
  export RKT_LOCK_FD=9
  become run "$@" "--net=$net" --local-config=/etc/rkt "$uuid"
}

# Runs the pod in the background, from the moment that it names its process.
start() {
  run "$@" &
  pod=$!
  until [ -s "$dir/pid" ]; do
    kill -0 $pod || exit 125
    sleep .1
  done
}

stop() { (become stop "$@" "$uuid"); }

enter() { (become enter "--pid=$(cat "$dir/pid")" --appname=app -- "$@"); }

# Moves the pod to the garbage, and has stage1 clean up.
collect() {
  mkdir -p /pods/garbage && mv "$dir" /pods/garbage/ && dir=/pods/garbage/$uuid
  (become gc --local-config=/etc/rkt "$uuid")
}

# Every cgroup of the pod.
cgroups() { find /sys/fs/cgroup -type d -name "*$uuid*"; }

# Moves this shell, or a part of it in parentheses, to a cgroup, which is made.
join() { mkdir -p "/sys/fs/cgroup/$1" && echo 0 >"/sys/fs/cgroup/$1/cgroup.procs"; }
