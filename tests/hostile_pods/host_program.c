/* A program that only the host has. Where it runs, it leaves a file. It has no libc, since it may
   be run in the place of the dynamic loader, with another program's headers. */
#define AT_FDCWD -100
#define O_WRONLY_CREAT 0101

static long call(long number, long a, long b, long c, long d) {
#if defined(__x86_64__)
  long result;
  register long r10 __asm__("r10") = d;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                   : "rcx", "r11", "memory");
  return result;
#else
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  return x0;
#endif
}

#if defined(__x86_64__)
enum { OPENAT = 257, EXIT_GROUP = 231 };
#else
enum { OPENAT = 56, EXIT_GROUP = 94 };
#endif

void _start(void) {
  call(OPENAT, AT_FDCWD, (long)"/spoils/host-program-ran", O_WRONLY_CREAT, 0666);
  for (;;) call(EXIT_GROUP, 0, 0, 0, 0);
}
