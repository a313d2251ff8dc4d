/* System calls for programs without libc. Such a program may run in the place of the dynamic
   loader, with the ELF headers of another program. */
#ifndef BARE_H
#define BARE_H

#define AT_FDCWD -100

#if defined(__x86_64__)
enum { FCHMOD = 91, EXIT_GROUP = 231, OPENAT = 257 };

static inline long call(long number, long a, long b, long c, long d) {
  long result;
  register long r10 __asm__("r10") = d;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                   : "rcx", "r11", "memory");
  return result;
}
#else
enum { FCHMOD = 52, EXIT_GROUP = 94, OPENAT = 56 };

static inline long call(long number, long a, long b, long c, long d) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  return x0;
}
#endif

static inline void leave(void) {
  for (;;) call(EXIT_GROUP, 0, 0, 0, 0);
}

#endif
