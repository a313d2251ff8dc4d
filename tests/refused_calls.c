/*
 * refused_calls: makes the system calls that its arguments name, each in a process of its own, and
 * prints the kernel's answer to each on a line of its own: `NAME ok`, `NAME ERRNO`, or `NAME
 * SIGNAL` where the call ended the process.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A number beyond those of all kernels. */
#define NEWER 1000
#define STATMOUNT 457

static char parameters[120], directory[] = "/tmp/refused";

static long make_directory(void) { return syscall(SYS_mkdirat, -1, directory, 0700); }
static long get_mempolicy(void) { return syscall(SYS_get_mempolicy, 0, 0, 0, 0, 0); }
static long io_uring_setup(void) { return syscall(SYS_io_uring_setup, 2, parameters); }
static long newer(void) { return syscall(NEWER); }
static long statmount(void) { return syscall(STATMOUNT, 0, 0, 0, 0); }

static const struct {
  const char *name;
  long (*make)(void);
} CALLS[] = {
    {"mkdirat", make_directory},
    {"get_mempolicy", get_mempolicy},
    {"io_uring_setup", io_uring_setup},
    {"newer", newer},
    {"statmount", statmount},
};

static void try_call(const char *name) {
  for (unsigned i = 0; i < sizeof CALLS / sizeof *CALLS; i++) {
    if (strcmp(CALLS[i].name, name) != 0) continue;
    int status;
    pid_t pid = fork();
    if (pid == 0) {
      long result = CALLS[i].make();
      printf("%s %s\n", name, result >= 0 ? "ok" : strerrorname_np(errno));
      _exit(0);
    }
    waitpid(pid, &status, 0);
    if (WIFSIGNALED(status)) printf("%s SIG%s\n", name, sigabbrev_np(WTERMSIG(status)));
    rmdir(directory);
  }
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (int i = 1; i < argc; i++) try_call(argv[i]);
  return 0;
}
