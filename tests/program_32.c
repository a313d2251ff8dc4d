/*
 * program_32: a program of i386 without libc. It makes the calls with which C libraries there start
 * a program, look at files, handle signals, make processes, and talk; and prints `NAME ok`, or
 * `NAME NUMBER` with the number of the error.
 */
/* Numbers of calls. */
enum {
  FORK = 2, WRITE = 4, OPEN = 5, WAITPID = 7, TIME = 13, GETPID = 20, NICE = 34, KILL = 37,
  BRK = 45, SIGACTION = 67, SOCKETCALL = 102, IPC = 117, CLONE = 120, UNAME = 122, LLSEEK = 140,
  SELECT = 142, GETCWD = 183, UGETRLIMIT = 191, MMAP2 = 192, STAT64 = 195, FSTAT64 = 197,
  GETUID32 = 199, CHOWN32 = 212, GETDENTS64 = 220, FCNTL64 = 221, SET_THREAD_AREA = 243,
  EXIT_GROUP = 252, STATFS64 = 268, SOCKET = 359, SOCKETPAIR = 360, STATX = 383,
  CLOCK_GETTIME64 = 403, PPOLL_TIME64 = 414, FUTEX_TIME64 = 422,
};

enum { SIGUSR1 = 10, SIGCHLD = 17, AF_UNIX = 1, AF_INET = 2, SOCK_STREAM = 1 };
/* Operations of SOCKETCALL and IPC. */
enum { SYS_SOCKET = 1, SYS_LISTEN = 4, SHMGET = 23, SHMCTL = 24 };

static int call(int number, int a, int b, int c, int d, int e) {
  int result;
  __asm__ volatile("int $0x80"
                   : "=a"(result)
                   : "0"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
                   : "memory");
  return result;
}

static void print(const char *text) {
  int length = 0;
  while (text[length]) length++;
  call(WRITE, 1, (int)text, length, 0, 0);
}

static void report(const char *name, int result) {
  char digits[4] = {'0' - result / 100 % 10, '0' - result / 10 % 10, '0' - result % 10, 0};
  print(name);
  print(" ");
  /* Addresses are in the upper half as well; errors are the last few numbers. */
  print((unsigned)result < -4095u ? "ok" : digits);
  print("\n");
}

static volatile int handled;
static void handle(int signal) { handled = signal; }

/* Returns 0 after a handler has run and returned. Its frame returns by sigreturn(2). */
static int take_signal(void) {
  struct {
    void (*handler)(int);
    unsigned mask, flags;
    void (*restorer)(void);
  } action = {handle, 0, 0, 0};
  int result = call(SIGACTION, SIGUSR1, (int)&action, 0, 0, 0);
  if (result == 0) result = call(KILL, call(GETPID, 0, 0, 0, 0, 0), SIGUSR1, 0, 0, 0);
  return result < 0 ? result : handled == SIGUSR1 ? 0 : -1;
}

static int have_child(int number, int flags) {
  int pid = call(number, flags, 0, 0, 0, 0);
  if (pid == 0) call(EXIT_GROUP, 0, 0, 0, 0, 0);
  return pid < 0 ? pid : call(WAITPID, pid, 0, 0, 0, 0);
}

static char buffer[4096];
static int pair[2];

static void run(void) {
  report("brk", call(BRK, 0, 0, 0, 0, 0));
  /* A private mapping of no file. */
  report("mmap2", call(MMAP2, 0, 4096, 3, 0x22, -1));
  report("uname", call(UNAME, (int)buffer, 0, 0, 0, 0));
  report("ugetrlimit", call(UGETRLIMIT, 3, (int)buffer, 0, 0, 0));
  struct { unsigned entry, base, limit, flags; } area = {-1u, 0, 0xfffff, 0x51};
  report("set_thread_area", call(SET_THREAD_AREA, (int)&area, 0, 0, 0, 0));
  report("getuid32", call(GETUID32, 0, 0, 0, 0, 0));
  report("clock_gettime64", call(CLOCK_GETTIME64, 0, (int)buffer, 0, 0, 0));
  report("time", call(TIME, 0, 0, 0, 0, 0));

  int directory = call(OPEN, (int)"/", 0200000, 0, 0, 0);
  report("open", directory);
  report("getdents64", call(GETDENTS64, directory, (int)buffer, sizeof buffer, 0, 0));
  report("_llseek", call(LLSEEK, directory, 0, 0, (int)buffer, 0));
  report("fstat64", call(FSTAT64, directory, (int)buffer, 0, 0, 0));
  report("fcntl64", call(FCNTL64, directory, 1, 0, 0, 0));
  report("stat64", call(STAT64, (int)"/", (int)buffer, 0, 0, 0));
  report("statx", call(STATX, -100, (int)"/", 0, 0x7ff, (int)buffer));
  report("statfs64", call(STATFS64, (int)"/", 84, (int)buffer, 0, 0));
  report("chown32", call(CHOWN32, (int)"/tmp", -1, -1, 0, 0));
  report("getcwd", call(GETCWD, (int)buffer, sizeof buffer, 0, 0, 0));

  report("signal", take_signal());
  report("fork", have_child(FORK, 0));
  report("clone", have_child(CLONE, SIGCHLD));
  report("nice", call(NICE, 0, 0, 0, 0, 0));
  report("select", call(SELECT, 0, 0, 0, 0, (int)&(int[2]){0, 0}));
  report("ppoll_time64", call(PPOLL_TIME64, 0, 0, (int)&(long long[2]){0, 0}, 0, 0));
  report("futex_time64", call(FUTEX_TIME64, (int)buffer, 1, 1, 0, 0));
  int memory = call(IPC, SHMGET, 0, 4096, 0600, 0);
  report("ipc", memory);
  report("ipc-remove", call(IPC, SHMCTL, memory, 0, 0, 0));

  report("socket-inet", call(SOCKET, AF_INET, SOCK_STREAM, 0, 0, 0));
  report("socketpair-unix", call(SOCKETPAIR, AF_UNIX, SOCK_STREAM, 0, (int)pair, 0));
  int server = call(SOCKET, AF_INET, SOCK_STREAM, 0, 0, 0);
  int listening[] = {server, 1}, family[] = {AF_INET, SOCK_STREAM, 0};
  report("socketcall-listen", call(SOCKETCALL, SYS_LISTEN, (int)listening, 0, 0, 0));
  report("socketcall-socket", call(SOCKETCALL, SYS_SOCKET, (int)family, 0, 0, 0));
}

void _start(void) {
  run();
  call(EXIT_GROUP, 0, 0, 0, 0, 0);
}
