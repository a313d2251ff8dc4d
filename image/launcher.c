/*
 * launcher: the program with which the file of each entrypoint begins, in place of Deno's runtime.
 *
 * `deno compile` appends a program to a runtime of 97 MB. The runtime finds the program by the link
 * /proc/self/exe, whatever that file begins with. So each entrypoint's file begins with the
 * launcher, and one runtime lies beside the entrypoints. The launcher does what the kernel would do
 * in execve(2): it maps the runtime and the dynamic loader that the runtime names, and jumps into
 * the loader, with a stack as after execve(2). The link keeps leading to the entrypoint.
 *
 * The launcher also sets what has to be set before the runtime begins:
 *
 * - Resource limits that are too low for the runtime are raised. The caller's limits are handed
 *   over in a variable, so that apps get them back.
 * - TMPDIR, where the runtime looks for V8's code cache, becomes a directory beside the runtime,
 *   whatever the caller's is.
 * - The runtime panics for an argument that is not UTF-8, and for some variables that are not. It
 *   gets a placeholder for such an argument, and no such variable. The entrypoint reads the bytes
 *   in /proc, which shows what execve(2) was passed.
 *
 * Sources: elf(5), getauxval(3), execve(2), getrlimit(2), and fs/binfmt_elf.c of Linux.
 */

#include "kernel.h"

#define RUNTIME "denort"
#define CACHE_DIRECTORY "code-cache"
#define CACHE_VARIABLE "TMPDIR="
#define LIMITS_VARIABLE "STAGE1_VOLO_LIMITS="
#define LOADER_VARIABLES "LD_"
/* src/stage1/exact_arguments.ts knows it. */
#define NOT_UTF8 "(an argument that is not UTF-8)"
#define FAILURE 254

#define PATH_MAX 4096
/* The first bytes of an object, which must have its header and its program headers. */
#define HEAD_SIZE 4096
#define INTERPRETER_MAX 256
#define LIMITS_MAX 512
/* Enough for a `struct stat` of either processor. */
#define STATUS_SIZE 256

#define AT_FDCWD -100
#define O_RDONLY_CLOEXEC 02000000
/* O_PATH | O_DIRECTORY | O_CLOEXEC. The processors differ in O_DIRECTORY. */
#if defined(__x86_64__)
#define O_PLACE (010000000 | 0200000 | 02000000)
#else
#define O_PLACE (010000000 | 040000 | 02000000)
#endif
#define F_DUPFD_CLOEXEC 1030
#define STDERR 2
#define NO_FD -1

enum { PROT_NONE = 0, PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4 };
enum { MAP_PRIVATE = 2, MAP_FIXED = 0x10, MAP_ANONYMOUS = 0x20, MAP_NORESERVE = 0x4000 };
enum { ENOENT = 2, ENOMEM = 12, EPERM = 1, EACCES = 13 };

enum { AT_PHDR = 3, AT_PHNUM = 5, AT_PAGESZ = 6, AT_BASE = 7, AT_ENTRY = 9, AT_EXECFN = 31 };

enum { ET_DYN = 3 };
enum { PT_LOAD = 1, PT_INTERP = 3 };
enum { PF_X = 1, PF_W = 2, PF_R = 4 };

struct file_header {
    unsigned char identity[16];
    unsigned short type;
    unsigned short machine;
    unsigned int version;
    unsigned long entry;
    unsigned long headers_offset;
    unsigned long sections_offset;
    unsigned int flags;
    unsigned short size;
    unsigned short header_size;
    unsigned short header_count;
    unsigned short section_fields[3];
};

struct program_header {
    unsigned int type;
    unsigned int flags;
    unsigned long offset;
    unsigned long address;
    unsigned long physical_address;
    unsigned long size_in_file;
    unsigned long size;
    unsigned long alignment;
};

/* A program or a loader: the first bytes of its file, and the address at which it is mapped. */
struct object {
    const char *path;
    word fd;
    word length; /* of the head */
    unsigned long base;
    union {
        struct file_header header;
        char head[HEAD_SIZE];
    };
};

/* An entry of the auxiliary vector, which ends with a key of 0. */
struct pair {
    word key;
    word value;
};

struct limit {
    unsigned long soft;
    unsigned long hard;
};

/* Returns the entrypoint's name, with which each line on stderr begins. */
static const char *name_of(const struct pair *pairs) {
    while (pairs->key && pairs->key != AT_EXECFN) pairs++;
    const char *name = pairs->key ? (const char *)pairs->value : "stage1";
    for (const char *at = name; *at; at++)
        if (at[0] == '/' && at[1]) name = at + 1;
    return name;
}

static word value_of(const struct pair *pairs, word key) {
    while (pairs->key && pairs->key != key) pairs++;
    return pairs->value;
}

struct context {
    const char *name;
    unsigned long page_size;
};

__attribute__((noreturn)) static void end(const struct context *self, const char *what,
                                          const char *why) {
    const char *const parts[] = {self->name, ": ", what, ": ", why, "\n"};
    struct iovec line[6];
    for (int i = 0; i < 6; i++) {
        line[i].start = parts[i];
        line[i].length = length_of(parts[i]);
    }
    make(WRITEV, (word[6]){STDERR, (word)line, 6});
    make(EXIT_GROUP, (word[6]){FAILURE});
    __builtin_trap();
}

static const char *text_of(word error) {
    switch (-error) {
        case ENOENT: return "there is no such file";
        case EACCES: return "permission denied";
        case EPERM: return "its file system is mounted noexec";
        case ENOMEM: return "there is not enough memory, or address space (ulimit -v)";
        default: return "the kernel refuses it";
    }
}

static word must(const struct context *self, const char *what, word result) {
    if (failed(result)) end(self, what, text_of(result));
    return result;
}

/* Copies a text with its final null, and returns the address of that. */
static char *copy(char *to, const char *text) {
    while ((*to = *text)) {
        to++;
        text++;
    }
    return to;
}

static int begins_with(const char *text, const char *start) {
    while (*start && *text == *start) {
        text++;
        start++;
    }
    return !*start;
}

/* ---------------------------------------------------------------------------------- valid UTF-8 */

/*
 * Returns how many bytes the character at `at` has; 0 where there is none.
 * Excluded are longer forms than needed, surrogates, and what is beyond U+10FFFF: The Unicode
 * Standard, table 3-7. src/linux/text.ts has the same function.
 */
static word character_length(const unsigned char *at) {
    unsigned char first = at[0];
    if (first < 0x80) return 1;
    if (first < 0xc2 || first > 0xf4) return 0;
    word length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    unsigned char least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned char most = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < least || at[1] > most) return 0;
    /* The final null ends this, too. */
    for (word i = 2; i < length; i++)
        if ((at[i] & 0xc0) != 0x80) return 0;
    return length;
}

static int is_utf8(const char *text) {
    const unsigned char *at = (const unsigned char *)text;
    while (*at) {
        word length = character_length(at);
        if (!length) return 0;
        at += length;
    }
    return 1;
}

/* ------------------------------------------------------------- the directory of the entrypoint */

/*
 * Writes the directory of the entrypoint's file to `path`, with a slash at its end, and returns its
 * length. The runtime will look for its program at the path of that file. When the file has been
 * deleted or replaced, the kernel appends " (deleted)" to the path, which then leads nowhere.
 */
static word find_directory(const struct context *self, char path[PATH_MAX]) {
    static const char link[] = "/proc/self/exe";
    word arguments[6] = {AT_FDCWD, (word)link, (word)path, PATH_MAX};
    word length = must(self, link, make(READLINKAT, arguments));
    if (length + (word)sizeof CACHE_DIRECTORY >= PATH_MAX) end(self, link, "its path is too long");
    path[length] = 0;
    char status[STATUS_SIZE];
    if (failed(make(NEWFSTATAT, (word[6]){AT_FDCWD, (word)path, (word)status})))
        end(self, path, "this program is not there any more");
    if (!is_utf8(path)) end(self, path, "its path is not UTF-8, as the runtime needs it");
    while (path[length - 1] != '/') length--;
    return length;
}

/* ------------------------------------------------------------------------ the caller's limits */

#define KIB (1UL << 10)
#define MIB (1UL << 20)
#define GIB (1UL << 30)

/*
 * The limits that the runtime should have (`good`), and without which it cannot run (`least`). V8
 * reserves 48 GiB of addresses at once, and uses little of them. Option and unit are ulimit(1p)'s.
 */
static const struct need {
    word resource;
    unsigned long good;
    unsigned long least;
    unsigned long unit;
    char option[16];
} NEEDS[] = {
    {1 /* RLIMIT_FSIZE */, 64 * MIB, 0, 512, "ulimit -f "},
    {2 /* RLIMIT_DATA */, GIB, 0, KIB, "ulimit -d "},
    {3 /* RLIMIT_STACK */, 8 * MIB, MIB, KIB, "ulimit -s "},
    {7 /* RLIMIT_NOFILE */, 1024, 64, 1, "ulimit -n "},
    {9 /* RLIMIT_AS */, 64 * GIB, 64 * GIB, KIB, "ulimit -v "},
};

static word limit(word resource, const struct limit *wanted, struct limit *before) {
    return make(PRLIMIT64, (word[6]){0, resource, (word)wanted, (word)before});
}

static char *put_number(char *to, unsigned long number) {
    char digits[20];
    int count = 0;
    do digits[count++] = '0' + number % 10;
    while (number /= 10);
    while (count) *to++ = digits[--count];
    return to;
}

static char *put_limit(char *to, word resource, const struct limit *limit) {
    to = put_number(to, resource);
    *to++ = ':';
    to = put_number(to, limit->soft);
    *to++ = ':';
    to = put_number(to, limit->hard);
    return to;
}

/*
 * Raises a limit: beyond the hard limit where CAP_SYS_RESOURCE allows that, else up to it. Returns
 * whether the limit has changed.
 */
static int lift(const struct context *self, const struct need *need, const struct limit *caller) {
    struct limit lifted = {need->good, caller->hard < need->good ? need->good : caller->hard};
    if (!failed(limit(need->resource, &lifted, 0))) return 1;
    lifted.soft = lifted.hard = caller->hard;
    int is_lifted = !failed(limit(need->resource, &lifted, 0));
    if (caller->hard >= need->least) return is_lifted;
    char wanted[LIMITS_MAX];
    char *option = copy(copy(wanted, "the runtime needs "), need->option);
    *put_number(option, need->least / need->unit) = 0;
    end(self, wanted, "the hard limit is lower, and there is no CAP_SYS_RESOURCE to raise it");
}

/* Raises the limits, and writes the variable with the caller's; empty if none has changed. */
static void lift_limits(const struct context *self, char variable[LIMITS_MAX]) {
    char *to = copy(variable, LIMITS_VARIABLE);
    const char *const start = to;
    for (unsigned i = 0; i < sizeof NEEDS / sizeof *NEEDS; i++) {
        struct limit caller;
        if (failed(limit(NEEDS[i].resource, 0, &caller)) || caller.soft >= NEEDS[i].good) continue;
        if (!lift(self, &NEEDS[i], &caller)) continue;
        if (to != start) *to++ = ',';
        to = put_limit(to, NEEDS[i].resource, &caller);
    }
    *to = 0;
    if (to == start) *variable = 0;
}

/* ------------------------------------------------------------------------------ the code cache */

/*
 * A code cache is valid only for the path at which it was made. So the runtime gets a path that is
 * the same wherever the image lies: that of a descriptor. Its number is rarely taken by a caller,
 * and small enough for the first table of descriptors. It is closed when a program is executed.
 */
#define CACHE_FD 63
#define CACHE_PATH "/proc/self/fd/63"
/* A path below which no file is, and none can be made. */
#define NO_CACHE_PATH "/dev/null"

static const char *open_cache(const char *path) {
    static const char found[] = CACHE_VARIABLE CACHE_PATH, none[] = CACHE_VARIABLE NO_CACHE_PATH;
    word fd = make(OPENAT, (word[6]){AT_FDCWD, (word)path, O_PLACE});
    if (failed(fd)) return none;
    word own = make(FCNTL, (word[6]){fd, F_DUPFD_CLOEXEC, CACHE_FD});
    make(CLOSE, (word[6]){fd});
    if (own == CACHE_FD) return found;
    if (!failed(own)) make(CLOSE, (word[6]){own});
    return none;
}

/* ---------------------------------------------------------------------------- mapping an object */

static const struct program_header *headers_of(const struct object *object) {
    return (const struct program_header *)(object->head + object->header.headers_offset);
}

static const struct program_header *end_of(const struct object *object) {
    return headers_of(object) + object->header.header_count;
}

static unsigned long floor_of(const struct context *self, unsigned long address) {
    return address & -self->page_size;
}

static unsigned long ceiling_of(const struct context *self, unsigned long address) {
    return floor_of(self, address + self->page_size - 1);
}

static int is_elf(const struct object *object) {
    static const unsigned char start[] = {0x7f, 'E', 'L', 'F', 2 /* 64 bits */, 1 /* little end */};
    if (object->length < (word)sizeof object->header) return 0;
    for (unsigned i = 0; i < sizeof start; i++)
        if (object->header.identity[i] != start[i]) return 0;
    return object->header.header_size == sizeof(struct program_header);
}

static void open_object(const struct context *self, const char *path, struct object *object) {
    object->path = path;
    word file[6] = {AT_FDCWD, (word)path, O_RDONLY_CLOEXEC};
    object->fd = must(self, path, make(OPENAT, file));
    word head[6] = {object->fd, (word)object->head, HEAD_SIZE, 0};
    object->length = must(self, path, make(READ_AT, head));
    if (!is_elf(object)) end(self, path, "it is not an ELF file of 64 bits");
    if (object->header.machine != E_MACHINE_OWN) end(self, path, "it is for another processor");
    if (object->header.type != ET_DYN) end(self, path, "it is not position-independent");
    unsigned long start = object->header.headers_offset;
    unsigned long size = object->header.header_count * sizeof(struct program_header);
    if (start > HEAD_SIZE || start + size > (unsigned long)object->length)
        end(self, path, "its program headers are not at its beginning");
}

static unsigned long map(const struct context *self, const struct object *object, unsigned long at,
                         unsigned long size, int protection, int flags, word fd,
                         unsigned long offset) {
    word arguments[6] = {at, size, protection, MAP_PRIVATE | flags, fd, offset};
    return must(self, object->path, make(MMAP, arguments));
}

static int protection_of(const struct context *self, const struct object *object,
                         const struct program_header *segment) {
    if ((segment->flags & PF_W) && (segment->flags & PF_X))
        end(self, object->path, "it has memory that is written and executed");
    return (segment->flags & PF_R ? PROT_READ : 0) | (segment->flags & PF_W ? PROT_WRITE : 0) |
           (segment->flags & PF_X ? PROT_EXEC : 0);
}

/* Maps a segment. Its memory beyond its bytes in the file is zero. */
static void map_segment(const struct context *self, const struct object *object,
                        const struct program_header *segment) {
    unsigned long start = object->base + segment->address;
    unsigned long first = floor_of(self, start), filled = start + segment->size_in_file;
    int protection = protection_of(self, object, segment);
    if (segment->size_in_file)
        map(self, object, first, filled - first, protection, MAP_FIXED, object->fd,
            floor_of(self, segment->offset));
    if (segment->size == segment->size_in_file) return;
    unsigned long rest = ceiling_of(self, filled), past = ceiling_of(self, start + segment->size);
    if (protection & PROT_WRITE)
        for (char *at = (char *)filled; at < (char *)rest; at++) *(volatile char *)at = 0;
    if (past > rest)
        map(self, object, rest, past - rest, protection, MAP_FIXED | MAP_ANONYMOUS, NO_FD, 0);
}

/*
 * Maps an object. First, its whole span is reserved at an address that the kernel chooses, which is
 * random. More than the span is reserved, so that its beginning can be aligned.
 */
static void map_object(const struct context *self, struct object *object) {
    unsigned long span = 0, alignment = self->page_size;
    const struct program_header *segment;
    for (segment = headers_of(object); segment < end_of(object); segment++) {
        if (segment->type != PT_LOAD) continue;
        if (segment->address + segment->size > span) span = segment->address + segment->size;
        if (segment->alignment > alignment) alignment = segment->alignment;
    }
    span = ceiling_of(self, span);
    unsigned long slack = alignment - self->page_size;
    unsigned long start = map(self, object, 0, span + slack, PROT_NONE,
                              MAP_ANONYMOUS | MAP_NORESERVE, NO_FD, 0);
    object->base = (start + slack) & -alignment;
    unsigned long before = object->base - start, after = slack - before;
    if (before) make(MUNMAP, (word[6]){start, before});
    if (after) make(MUNMAP, (word[6]){object->base + span, after});
    for (segment = headers_of(object); segment < end_of(object); segment++)
        if (segment->type == PT_LOAD) map_segment(self, object, segment);
    make(CLOSE, (word[6]){object->fd});
}

static void find_interpreter(const struct context *self, const struct object *object,
                             char path[INTERPRETER_MAX]) {
    const struct program_header *segment = headers_of(object);
    while (segment < end_of(object) && segment->type != PT_INTERP) segment++;
    if (segment == end_of(object)) end(self, object->path, "it names no dynamic loader");
    if (segment->size_in_file >= INTERPRETER_MAX)
        end(self, object->path, "its loader's path is too long");
    word arguments[6] = {object->fd, (word)path, segment->size_in_file, segment->offset};
    path[must(self, object->path, make(READ_AT, arguments))] = 0;
}

/* ---------------------------------------------------------------------------- the initial stack */

static int is_own(const char *variable) {
    return begins_with(variable, CACHE_VARIABLE) || begins_with(variable, LIMITS_VARIABLE);
}

/* The loader reads its own variables, and takes any bytes. */
static int is_for_runtime(const char *variable) {
    return !is_own(variable) && (is_utf8(variable) || begins_with(variable, LOADER_VARIABLES));
}

/* Copies the number of the arguments, the arguments, and the null behind them. */
static word *copy_arguments(word *to, const word *stack) {
    word count = *to++ = *stack++;
    for (; count; count--, stack++) *to++ = is_utf8((const char *)*stack) ? *stack : (word)NOT_UTF8;
    *to++ = 0;
    return to;
}

static word *copy_environment(word *to, char *const *variable, const char *const own[2]) {
    for (; *variable; variable++)
        if (is_for_runtime(*variable)) *to++ = (word)*variable;
    for (int i = 0; i < 2; i++)
        if (*own[i]) *to++ = (word)own[i];
    *to++ = 0;
    return to;
}

/* Copies the auxiliary vector. What it says about the program is then about the runtime. */
static void copy_pairs(struct pair *to, const struct pair *from, const struct object *runtime,
                       const struct object *loader) {
    do {
        *to = *from;
        if (to->key == AT_PHDR) to->value = runtime->base + runtime->header.headers_offset;
        if (to->key == AT_PHNUM) to->value = runtime->header.header_count;
        if (to->key == AT_ENTRY) to->value = runtime->base + runtime->header.entry;
        if (to->key == AT_BASE) to->value = loader->base;
        to++;
    } while ((from++)->key);
}

/* Jumps to the loader. Both operands are in registers that are not cleared before the jump. */
__attribute__((noreturn)) static void jump(unsigned long entry, const word *stack) {
#if defined(__x86_64__)
    register unsigned long to __asm__("rax") = entry;
    register const word *top __asm__("rcx") = stack;
    /* The loader takes rdx for a function to call at exit. */
    __asm__ volatile("mov %1, %%rsp\n xor %%edx, %%edx\n xor %%ebp, %%ebp\n jmp *%0"
                     : : "r"(to), "r"(top) : "rdx", "memory");
#else
    register unsigned long to __asm__("x16") = entry;
    register const word *top __asm__("x17") = stack;
    __asm__ volatile("mov sp, %1\n mov x0, xzr\n mov x29, xzr\n mov x30, xzr\n br %0"
                     : : "r"(to), "r"(top) : "x0", "memory");
#endif
    __builtin_unreachable();
}

/* The stack has the number of arguments; arguments and variables, a null behind each; pairs. */
__attribute__((used)) void begin(const word *stack) {
    char *const *environment = (char *const *)(stack + *stack + 2);
    char *const *variable = environment;
    while (*variable) variable++;
    const struct pair *pairs = (const struct pair *)(variable + 1);
    const struct pair *last = pairs;
    while (last->key) last++;
    struct context self = {name_of(pairs), value_of(pairs, AT_PAGESZ)};

    char path[PATH_MAX + sizeof RUNTIME], interpreter[INTERPRETER_MAX];
    word directory = find_directory(&self, path);
    copy(path + directory, RUNTIME);
    char limits[LIMITS_MAX];
    lift_limits(&self, limits);

    struct object runtime, loader;
    open_object(&self, path, &runtime);
    find_interpreter(&self, &runtime, interpreter);
    open_object(&self, interpreter, &loader);
    map_object(&self, &runtime);
    map_object(&self, &loader);

    copy(path + directory, CACHE_DIRECTORY);
    const char *cache = open_cache(path);
    /* There are two more variables, and one word that keeps the stack aligned. */
    word size = ((const word *)(last + 1) - stack + 3) * sizeof *stack;
    word *fresh = __builtin_alloca_with_align(size, 128);
    const char *const own[2] = {cache, limits};
    word *to = copy_environment(copy_arguments(fresh, stack), environment, own);
    copy_pairs((struct pair *)to, pairs, &runtime, &loader);
    jump(loader.base + loader.header.entry, fresh);
}
