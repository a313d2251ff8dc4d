/* calls: makes each system call of a list in a process of its own, and prints its name and the
   result: `ok`, the error's name, or `killed`. What a call acquires goes with its process. */
#define _GNU_SOURCE
#include "hostile.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>
#include <fcntl.h>

static long clone_into(unsigned long flags) {
  long pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) _exit(0);
  return pid;
}

static long clone_user(void) { return clone_into(CLONE_NEWUSER); }
static long clone_user_network(void) { return clone_into(CLONE_NEWUSER | CLONE_NEWNET); }

static long clone3_user(void) {
  struct clone_args args = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
  long pid = syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0) _exit(0);
  return pid;
}

static long clone3_plain(void) {
  struct clone_args args = {.exit_signal = SIGCHLD};
  long pid = syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0) _exit(0);
  return pid;
}

static long unshare_user(void) { return unshare(CLONE_NEWUSER); }
static long unshare_mounts(void) { return unshare(CLONE_NEWNS); }
static long socket_vsock(void) { return socket(AF_VSOCK, SOCK_STREAM, 0); }
static long socket_unix(void) { return socket(AF_UNIX, SOCK_STREAM, 0); }
static long socket_inet(void) { return socket(AF_INET, SOCK_STREAM, 0); }
static long personality_ask(void) { return personality(0xffffffff); }
static long personality_linux(void) { return personality(0); }
static long personality_linux32(void) { return personality(0x8); }
static long personality_uname26(void) { return personality(0x20000); }
static long personality_uname26_linux32(void) { return personality(0x20008); }
static long personality_no_randomize(void) { return personality(0x40000); }
static long personality_read_implies_exec(void) { return personality(0x400000); }
static long personality_mmap_page_zero(void) { return personality(0x100000); }
static long mount_tmpfs(void) { return mount("none", "/tmp", "tmpfs", 0, ""); }
static long umount_proc(void) { return umount2("/proc", MNT_DETACH); }

static long join_network(void) {
  int fd = open("/proc/self/ns/net", O_RDONLY);
  return setns(fd, CLONE_NEWNET);
}

static long trace_child(void) {
  pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  long result = ptrace(PTRACE_ATTACH, child, 0, 0);
  int error = errno;
  kill(child, SIGKILL);
  errno = error;
  return result;
}

static long load_bpf(void) {
  union bpf_attr attr = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
  return syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof attr);
}

static long ask_key(void) {
  return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);
}

static long add_key(void) {
  return syscall(SYS_add_key, "user", "hostile", "x", 1, KEY_SPEC_PROCESS_KEYRING);
}

static long make_ring(void) {
  struct io_uring_params params = {0};
  return syscall(SYS_io_uring_setup, 2, &params);
}

static long make_disk(void) { return mknod("/dev/hostile-disk", S_IFBLK | 0600, makedev(254, 0)); }
static long make_memory(void) { return mknod("/tmp/hostile-memory", S_IFCHR | 0600, makedev(1, 1)); }

static long open_made(void) {
  if (mknod("/spoils/disk", S_IFBLK | 0600, makedev(254, 0)) != 0) return -1;
  long fd = open("/spoils/disk", O_RDONLY);
  int error = errno;
  unlink("/spoils/disk");
  errno = error;
  return fd;
}

static void *rest(void *none) { return none; }

static long thread(void) {
  pthread_t id;
  errno = pthread_create(&id, NULL, rest, NULL);
  return errno == 0 ? pthread_join(id, NULL) : -1;
}

static long forks(void) {
  pid_t pid = fork();
  if (pid == 0) _exit(0);
  return pid;
}

#define CALL(name) {#name, name}
static const struct {
  const char *name;
  long (*make)(void);
} CALLS[] = {
    CALL(clone_user), CALL(clone_user_network), CALL(clone3_user), CALL(clone3_plain),
    CALL(unshare_user), CALL(unshare_mounts), CALL(socket_vsock), CALL(socket_unix),
    CALL(socket_inet), CALL(personality_ask), CALL(personality_linux), CALL(personality_linux32),
    CALL(personality_uname26), CALL(personality_uname26_linux32), CALL(personality_no_randomize),
    CALL(personality_read_implies_exec), CALL(personality_mmap_page_zero), CALL(mount_tmpfs),
    CALL(umount_proc), CALL(join_network), CALL(trace_child), CALL(load_bpf), CALL(ask_key),
    CALL(add_key), CALL(make_ring), CALL(make_disk), CALL(make_memory), CALL(open_made),
    CALL(thread), CALL(forks),
};

int make_calls(int argc, char **argv) {
  (void)argc, (void)argv;
  for (unsigned i = 0; i < sizeof CALLS / sizeof *CALLS; i++) {
    int status;
    pid_t pid = fork();
    if (pid == 0) {
      long result = CALLS[i].make();
      printf("%s %s\n", CALLS[i].name, result >= 0 ? "ok" : strerrorname_np(errno));
      _exit(0);
    }
    waitpid(pid, &status, 0);
    if (WIFSIGNALED(status)) printf("%s killed\n", CALLS[i].name);
  }
  return 0;
}
