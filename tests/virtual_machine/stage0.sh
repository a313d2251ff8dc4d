# What stage0 does with the pod of a case, `$uuid`, as shell functions.

dir=/pods/run/$uuid

# Executes an entrypoint in the pod's directory, as rkt does.
become() {
  entrypoint=stage1/rootfs/$1
  shift
  cd "$dir" && exec "$entrypoint" "$@"
}

# Runs the pod to its end. In a subshell, `run` replaces the subshell, so that none is left.
run() {
  cd "$dir" && exec 9<. && flock 9 || exit 125
  export RKT_LOCK_FD=9
  become run "$@" "--net=$net" --local-config=/etc/rkt "$uuid"
}

# Runs the pod in the background, and returns once the pod has recorded its PID.
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

# Moves the pod to the garbage and runs `gc`.
collect() {
  mkdir -p /pods/garbage && mv "$dir" /pods/garbage/ && dir=/pods/garbage/$uuid
  (become gc --local-config=/etc/rkt "$uuid")
}

# Lists every cgroup of the pod.
cgroups() { find /sys/fs/cgroup -type d -name "*$uuid*"; }

# Moves this shell, or a subshell, to a cgroup, which is made if it is missing.
join() { mkdir -p "/sys/fs/cgroup/$1" && echo 0 >"/sys/fs/cgroup/$1/cgroup.procs"; }
