/*
 * filter_probe: makes calls that a filter judges by their arguments, and prints the kernel's answer
 * to each on a line of its own: `NAME ok` or `NAME ERRNO`.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Bits that no call below reads. */
#define ABOVE (1ul << 40)
#define READ_IMPLIES_EXEC 0x400000
#define ADDR_NO_RANDOMIZE 0x40000
#define UNAME26 0x20000
#define QUERY 0xffffffff
#define SYSLOG_ACTION_READ_ALL 3
#define SYSLOG_ACTION_SIZE_BUFFER 10

static void report(const char *name, long result) {
  printf("%s %s\n", name, result >= 0 ? "ok" : strerrorname_np(errno));
}

/* Makes a child that ends at once. Returns -1 when the kernel refuses. */
static long child_of(unsigned long flags) {
  long pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) _exit(0);
  if (pid > 0) waitpid(pid, NULL, 0);
  return pid;
}

static long child_of_clone3(unsigned long flags) {
  struct clone_args args = {.flags = flags, .exit_signal = SIGCHLD};
  long pid = syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0) _exit(0);
  if (pid > 0) waitpid(pid, NULL, 0);
  return pid;
}

static void *return_argument(void *argument) { return argument; }

/* Sets errno for libc functions that return their error. Returns -1 if there is one, or else 0. */
static long failure(int error) {
  errno = error;
  return error ? -1 : 0;
}

static long start_thread(void) {
  pthread_t thread;
  int error = pthread_create(&thread, NULL, return_argument, NULL);
  return error ? failure(error) : failure(pthread_join(thread, NULL));
}

static long spawn_program(void) {
  pid_t pid;
  char *argv[] = {"true", NULL};
  int error = posix_spawn(&pid, "/bin/true", NULL, NULL, argv, NULL);
  if (!error) waitpid(pid, NULL, 0);
  return failure(error);
}

static long close_socket(long fd) {
  if (fd >= 0) close(fd);
  return fd;
}

static long make_pair(unsigned long family) {
  int fds[2];
  long result = syscall(SYS_socketpair, family, SOCK_STREAM, 0, fds);
  if (result == 0) close(fds[0]), close(fds[1]);
  return result;
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  report("fork", child_of(0));
  report("thread", start_thread());
  report("spawn", spawn_program());
  report("clone-user", child_of(CLONE_NEWUSER));
  report("clone-user-above", child_of(CLONE_NEWUSER | ABOVE));
  report("clone-mount", child_of(CLONE_NEWNS));
  report("clone-net", child_of(CLONE_NEWNET));
  report("clone-user-and-net", child_of(CLONE_NEWUSER | CLONE_NEWNET));
  report("clone3", child_of_clone3(0));
  report("clone3-user", child_of_clone3(CLONE_NEWUSER));

  report("socket-unix", close_socket(syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0)));
  report("socket-inet", close_socket(syscall(SYS_socket, AF_INET, SOCK_STREAM, 0)));
  report("socket-netlink", close_socket(syscall(SYS_socket, AF_NETLINK, SOCK_RAW, 0)));
  report("socket-vsock", close_socket(syscall(SYS_socket, AF_VSOCK, SOCK_STREAM, 0)));
  report("socket-vsock-above", close_socket(syscall(SYS_socket, AF_VSOCK | ABOVE, SOCK_STREAM, 0)));
  report("socket-alg", close_socket(syscall(SYS_socket, AF_ALG, SOCK_SEQPACKET, 0)));
  report("socket-qipcrtr", close_socket(syscall(SYS_socket, AF_QIPCRTR, SOCK_DGRAM, 0)));
  report("pair-unix", make_pair(AF_UNIX));
  report("pair-vsock", make_pair(AF_VSOCK));

  report("personality-query", syscall(SYS_personality, QUERY));
  report("personality-uname26", syscall(SYS_personality, UNAME26));
  report("personality-execute", syscall(SYS_personality, READ_IMPLIES_EXEC));
  report("personality-foretold", syscall(SYS_personality, ADDR_NO_RANDOMIZE | ABOVE));

  char key = 'x';
  report("type", syscall(SYS_ioctl, 0, TIOCSTI, &key));
  report("type-above", syscall(SYS_ioctl, 0, TIOCSTI | ABOVE, &key));
  char messages[64];
  report("messages", syscall(SYS_syslog, SYSLOG_ACTION_READ_ALL, messages, sizeof messages));
  report("messages-size", syscall(SYS_syslog, SYSLOG_ACTION_SIZE_BUFFER, NULL, 0));
  return 0;
}
