#!/bin/busybox sh
# A stand-in for rkt, as units call it. There is one image: the pod in /pods/prepared.

export PATH=/programs:/bin
pods=/var/lib/rkt/pods
mkdir -p $pods/run $pods/exited-garbage

# Prints the value of an option among the arguments.
option() {
  name=$1
  shift
  for argument; do
    case $argument in "$name="*) echo "${argument#*=}" ;; esac
  done
}

# Removes a pod that has ended.
remove() {
  [ -d "$pods/run/$1" ] && flock --nonblock "$pods/run/$1" true || return 1
  mv "$pods/run/$1" "$pods/exited-garbage/" && cd "$pods/exited-garbage/$1" || return 1
  stage1/rootfs/gc --local-config=/etc/rkt "$1" && rm -r "$pods/exited-garbage/$1"
}

command=$1
shift
file=$(option --uuid-file-save "$@")$(option --uuid-file "$@")
case $command in
run)
  uuid=$(cat /proc/sys/kernel/random/uuid)
  cp -a -l /pods/prepared "$pods/run/$uuid" && cd "$pods/run/$uuid" || exit 1
  echo "$uuid" >"$file"
  exec 9<. && flock 9 || exit 125
  export RKT_LOCK_FD=9
  # The machine has no network plugins.
  exec stage1/rootfs/run --net=none --local-config=/etc/rkt "$uuid"
  ;;
rm) remove "$(cat "$file")" ;;
gc) for pod in $pods/run/*; do remove "${pod##*/}" || true; done ;;
esac
