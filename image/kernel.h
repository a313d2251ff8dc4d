/*
 * The kernel without libc, for `launcher` and `init`: a function that makes system calls, their
 * numbers, and the code with which a program begins.
 */

typedef long word;

#define LARGEST_ERROR 4095

#if defined(__x86_64__)
#define E_MACHINE_OWN 62
enum {
    READ_AT = 17,
    CLOSE = 3,
    MMAP = 9,
    MUNMAP = 11,
    WRITEV = 20,
    MADVISE = 28,
    FCNTL = 72,
    EXIT_GROUP = 231,
    OPENAT = 257,
    NEWFSTATAT = 262,
    READLINKAT = 267,
    PRLIMIT64 = 302,
};

/* `begin` gets the initial stack pointer. */
__asm__(
    ".globl _start\n"
    ".hidden _start\n"
    "_start:\n"
    "  xor %ebp, %ebp\n"
    "  mov %rsp, %rdi\n"
    "  and $-16, %rsp\n"
    "  call begin\n");

static word make(word number, const word a[6]) {
    word result;
    register word r10 __asm__("r10") = a[3];
    register word r8 __asm__("r8") = a[4];
    register word r9 __asm__("r9") = a[5];
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
#define E_MACHINE_OWN 183
enum {
    FCNTL = 25,
    OPENAT = 56,
    CLOSE = 57,
    WRITEV = 66,
    READ_AT = 67,
    READLINKAT = 78,
    NEWFSTATAT = 79,
    EXIT_GROUP = 94,
    MUNMAP = 215,
    MMAP = 222,
    MADVISE = 233,
    PRLIMIT64 = 261,
};

__asm__(
    ".globl _start\n"
    ".hidden _start\n"
    "_start:\n"
    "  mov x29, xzr\n"
    "  mov x30, xzr\n"
    "  mov x0, sp\n"
    "  b begin\n");

static word make(word number, const word a[6]) {
    register word x8 __asm__("x8") = number;
    register word x0 __asm__("x0") = a[0];
    register word x1 __asm__("x1") = a[1];
    register word x2 __asm__("x2") = a[2];
    register word x3 __asm__("x3") = a[3];
    register word x4 __asm__("x4") = a[4];
    register word x5 __asm__("x5") = a[5];
    __asm__ volatile("svc #0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
}
#else
#error "no such processor"
#endif

struct iovec {
    const char *start;
    word length;
};

static int failed(word result) {
    return result < 0 && result >= -LARGEST_ERROR;
}

static word length_of(const char *text) {
    word length = 0;
    while (text[length]) length++;
    return length;
}
