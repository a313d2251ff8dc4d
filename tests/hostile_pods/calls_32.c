/* calls_32: makes 32-bit calls, whose numbers are others, from a 64-bit program. Each is made by a
   process of its own, which stays with whatever the call gave it, for the host to look at. */
#define _GNU_SOURCE
#include "hostile.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A pipe by which a process says that it has made its call. */
static int done[2];

#ifdef __x86_64__

/* Numbers of i386. */
enum { PTRACE = 26, IOCTL = 54, SOCKETCALL = 102, CLONE = 120, PERSONALITY = 136 };
enum { ADD_KEY = 286, UNSHARE = 310, BPF = 357, SOCKET = 359, SOCKETPAIR = 360 };
enum { IO_URING_SETUP = 425, CLONE3 = 435 };

/* Operations of socketcall(2) and of ptrace(2). */
enum { SYS_SOCKET_OPERATION = 1, SYS_SOCKETPAIR_OPERATION = 8, ATTACH = 16 };
enum { AF_ALG_ = 38, AF_VSOCK_ = 40, AF_QIPCRTR_ = 42 };
enum { NEWNS = 0x20000, NEWUSER = 0x10000000, NEWNET = 0x40000000 };
enum { NO_RANDOMIZE = 0x40000, READ_IMPLIES_EXEC_ = 0x400000 };
#define PROCESS_KEYRING (-2)

/* Not on the stack: 32-bit calls take the lower half of an address. */
static char parameters[128], type[] = "user", description[] = "hostile-32", newline = '\n';
static int family[4], pair[2];
static unsigned long long clone_arguments[11] = {NEWUSER, 0, 0, 0, SIGCHLD};

static int compat(int number, long a, long b, long c, long d, long e) {
  long result = number;
  register long esi __asm__("rsi") = d;
  register long edi __asm__("rdi") = e;
  __asm__ volatile("int $0x80"
                   : "+a"(result)
                   : "b"(a), "c"(b), "d"(c), "r"(esi), "r"(edi)
                   : "memory", "r8", "r9", "r10", "r11");
  return (int)result;
}

static void clone_user(void) { compat(CLONE, NEWUSER | SIGCHLD, 0, 0, 0, 0); }
static void clone_user_network(void) { compat(CLONE, NEWUSER | NEWNET | SIGCHLD, 0, 0, 0, 0); }
static void clone3_user(void) { compat(CLONE3, (long)clone_arguments, 64, 0, 0, 0); }
static void unshare_user(void) { compat(UNSHARE, NEWUSER, 0, 0, 0, 0); }
static void unshare_mounts(void) { compat(UNSHARE, NEWNS, 0, 0, 0, 0); }
static void no_randomize(void) { compat(PERSONALITY, NO_RANDOMIZE, 0, 0, 0, 0); }
static void read_implies_exec(void) { compat(PERSONALITY, READ_IMPLIES_EXEC_, 0, 0, 0, 0); }
static void load_bpf(void) {
  /* An array of one element of four bytes, with keys of four bytes. */
  int *map = (int *)parameters;
  map[0] = 2, map[1] = 4, map[2] = 4, map[3] = 1;
  compat(BPF, 0, (long)parameters, sizeof parameters, 0, 0);
}
static void make_ring(void) { compat(IO_URING_SETUP, 2, (long)parameters, 0, 0, 0); }
static void add_key(void) {
  compat(ADD_KEY, (long)type, (long)description, (long)&newline, 1, PROCESS_KEYRING);
}

static void open_socket(int domain, int kind) {
  compat(SOCKET, domain, kind, 0, 0, 0);
  family[0] = domain, family[1] = kind;
  compat(SOCKETCALL, SYS_SOCKET_OPERATION, (long)family, 0, 0, 0);
  compat(SOCKETPAIR, domain, kind, 0, (long)pair, 0);
  family[3] = (int)(long)pair;
  compat(SOCKETCALL, SYS_SOCKETPAIR_OPERATION, (long)family, 0, 0, 0);
}
static void open_vsock(void) { open_socket(AF_VSOCK_, 1); }
static void open_alg(void) { open_socket(AF_ALG_, 5); }
static void open_qipcrtr(void) { open_socket(AF_QIPCRTR_, 2); }

static void trace_child(void) {
  pid_t tracer = getpid(), child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* The call may have ended the tracer already. */
    if (getppid() != tracer) _exit(0);
    close(done[1]);
    for (;;) pause();
  }
  compat(PTRACE, ATTACH, child, 0, 0, 0);
}

/* Types into a terminal of its own. Whatever can be read there was not typed by anybody else. */
static void type_in(void) {
  char typed;
  setsid();
  int master = posix_openpt(O_RDWR | O_NOCTTY);
  unlockpt(master);
  int terminal = open(ptsname(master), O_RDWR | O_NONBLOCK);
  compat(IOCTL, terminal, TIOCSTI, (long)&newline, 0, 0);
  if (read(terminal, &typed, 1) == 1) creat(SPOILS "/typed", 0666);
}

static void (*const CALLS[])(void) = {
    clone_user, clone_user_network, clone3_user, unshare_user, unshare_mounts, no_randomize,
    read_implies_exec, load_bpf, make_ring, add_key, open_vsock, open_alg, open_qipcrtr,
    trace_child, type_in,
};
enum { COUNT = sizeof CALLS / sizeof *CALLS };

#else

static void (**const CALLS)(void);
enum { COUNT = 0 };

#endif

int make_calls_32(int argc, char **argv) {
  (void)argc, (void)argv;
  /* A process that a call has ended is gone, and shows nothing to look at. */
  signal(SIGCHLD, SIG_IGN);
  for (int i = 0; i < COUNT; i++) {
    char byte;
    if (pipe(done) != 0) return 1;
    pid_t pid = fork();
    if (pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      CALLS[i]();
      if (write(done[1], "", 1) != 1) return 1;
      for (;;) pause();
    }
    close(done[1]);
    /* Ends when the call has returned, or has ended its process. */
    if (read(done[0], &byte, 1) < 0) return 1;
    close(done[0]);
  }
  puts("up");
  for (;;) pause();
}
