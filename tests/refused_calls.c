/*
 * refused_calls: makes the system calls that its arguments name, each in a process of its own, and
 * prints the kernel's answer to each on a line of its own: `NAME ok`, `NAME ERRNO`, or `NAME
 * SIGNAL` where the call ended the process. Names that end in `-32` are calls of the machine's
 * 32-bit architecture.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Nobody has shared memory of this key. */
#define UNUSED_KEY 0x766f6c6f
/* A number beyond those of all kernels. */
#define NEWER 1000
#define STATMOUNT 457
#define X32_SYSCALL_BIT 0x40000000

/* The numbers of i386, and the operation of its ipc(2). */
enum { MKDIR_32 = 39, IPC_32 = 117, CHOWN32_32 = 212, GET_MEMPOLICY_32 = 275 };
enum { IO_URING_SETUP_32 = 425 };
enum { SHMGET = 23 };

/* Not on the stack: 32-bit calls take the lower half of an address. */
static char parameters[120], directory[] = "/tmp/refused", root[] = "/tmp";

#ifdef __x86_64__
static long compat(long number, long a, long b, long c, long d) {
  register long esi __asm__("rsi") = d;
  __asm__ volatile("int $0x80"
                   : "+a"(number)
                   : "b"(a), "c"(b), "d"(c), "r"(esi)
                   : "memory", "r8", "r9", "r10", "r11");
  if ((int)number >= 0) return number;
  errno = -(int)number;
  return -1;
}

static long mkdir_32(void) { return compat(MKDIR_32, (long)directory, 0700, 0, 0); }
static long chown_32(void) { return compat(CHOWN32_32, (long)root, -1, -1, 0); }
static long shmget_32(void) { return compat(IPC_32, SHMGET, UNUSED_KEY, 0, 0); }
static long get_mempolicy_32(void) { return compat(GET_MEMPOLICY_32, 0, 0, 0, 0); }
static long io_uring_setup_32(void) { return compat(IO_URING_SETUP_32, 2, (long)parameters, 0, 0); }
static long newer_32(void) { return compat(NEWER, 0, 0, 0, 0); }
static long statmount_32(void) { return compat(STATMOUNT, 0, 0, 0, 0); }
static long x32(void) { return syscall(X32_SYSCALL_BIT | SYS_getpid); }
#endif

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
#ifdef __x86_64__
    {"x32", x32},
    {"mkdir-32", mkdir_32},
    {"chown32-32", chown_32},
    {"shmget-32", shmget_32},
    {"get_mempolicy-32", get_mempolicy_32},
    {"io_uring_setup-32", io_uring_setup_32},
    {"newer-32", newer_32},
    {"statmount-32", statmount_32},
#endif
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
