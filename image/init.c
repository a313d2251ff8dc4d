/*
 * init: makes the system calls of a list, one after the other, and decides nothing.
 *
 * `run`, `enter` and `gc` write the list (src/linux/call_script.ts) to a file in memory, and start
 * this program with two numbers of descriptors as arguments: that file's, and the one of a file for
 * the report. All decisions are made in TypeScript.
 *
 * Every process of a pod begins as this program. So it is small and needs nothing: no libc, no
 * dynamic loader, no memory but its stack and the list. The list is mapped privately, and its
 * descriptor closed before the first call: so no process that sees this one can change its calls.
 * Two pages are shared. On one, this program reports to `run` which call failed; it is the only
 * page of its file, so that a process which is made to map more of what it shares (mremap(2)) finds
 * nothing. On the other, which children do not inherit, is the pid of the child that clone(2) made.
 */

#include "kernel.h"

/* The same values as in src/linux/script_format.ts, which a test compares. */
#define REPORT_ADDRESS 0x0f000000L
#define REPORT_SIZE 0x1000L
#define CHILD_ADDRESS 0x0f001000L
#define CHILD_SIZE 0x1000L
#define SCRIPT_ADDRESS 0x10000000L
#define SCRIPT_SIZE 0x1000000L
#define SCRIPT_FAILURE 254

/* How a call is made, and what its result means. */
#define MAY_FAIL 1         /* go on after an error: any, or one of those in the bytes above */
#define ONLY_AT_EXPECTED 2 /* at any other result, end with status 0 */
#define TAKES_RESULT 4     /* the first argument is the result of the previous call */
#define ALTERNATIVE 8      /* if the last one fails, report an EACCES of one before it */
#define JUMPS 16           /* unless it failed or is expected, go on at the entry in the bytes above */
#define STORES 32          /* the result goes to the word whose address is in `expected` */
#define LOADS 64           /* what is expected is the number at the address in `expected` */
#define NO_CALL 128        /* make no call: look at the result of the previous one once more */
#define ALLOWED_ERROR_SHIFT 8
#define TARGET_SHIFT 8
#define EACCES 13

#define PROT_READ_WRITE 3
#define MAP_SHARED_FIXED 0x11
#define MAP_PRIVATE_FIXED 0x12
#define MADV_DONTFORK 10
#define STDERR 2

struct entry {
    word number;
    word arguments[6];
    word how;
    word expected;
    const char *failure_text; /* what precedes the error's text, where nobody reads the report */
};

/* The names of errors: so many bytes for each, at the place of its number. */
#define ERROR_TEXT_SIZE 64
#define ERROR_COUNT 134

struct script {
    word pass[2]; /* two secret words, by which the last calls pass the app's filter */
    const char (*error_texts)[ERROR_TEXT_SIZE];
    struct entry entries[];
};

struct report {
    word entry; /* counted from 1; 0 when none has failed */
    word result;
};

static struct script *const script = (struct script *)SCRIPT_ADDRESS;
static struct report *const report = (struct report *)REPORT_ADDRESS;

static int is_allowed(const struct entry *entry, word error) {
    word allowed = entry->how >> ALLOWED_ERROR_SHIFT;
    if (allowed == 0) return 1;
    while (allowed != 0 && (allowed & 0xff) != error) allowed >>= 8;
    return allowed != 0;
}

static void end(word status) {
    const word arguments[6] = {status, 0, 0, 0, script->pass[0], script->pass[1]};
    make(EXIT_GROUP, arguments);
    __builtin_trap();
}

static void say_failure(const char *failure_text, word error) {
    const char *text = script->error_texts[error < ERROR_COUNT ? error : 0];
    struct iovec line[2] = {{failure_text, length_of(failure_text)}, {text, length_of(text)}};
    const word arguments[6] = {STDERR, (word)line, 2, 0, script->pass[0], script->pass[1]};
    make(WRITEV, arguments);
}

static void fail(const struct entry *entry, word error) {
    report->result = -error;
    report->entry = entry - script->entries + 1;
    if (entry->failure_text) say_failure(entry->failure_text, error);
    end(SCRIPT_FAILURE);
}

static void map(word address, word size, word flags, word fd, word offset) {
    const word arguments[6] = {address, size, PROT_READ_WRITE, flags, fd, offset};
    /* Without the mapping, this program can neither go on nor report. */
    if (make(MMAP, arguments) != address) __builtin_trap();
}

static word number_in(const char *digits) {
    word number = 0;
    while (*digits) number = number * 10 + (*digits++ - '0');
    return number;
}

static void carry_out(void) {
    word result = 0;
    const struct entry *refused = 0; /* the first alternative that gave EACCES */
    for (struct entry *entry = script->entries;; entry++) {
        if (entry->how & TAKES_RESULT) entry->arguments[0] = result;
        if (!(entry->how & NO_CALL)) result = make(entry->number, entry->arguments);
        word expected = entry->how & LOADS ? *(const int *)entry->expected : entry->expected;
        if ((entry->how & JUMPS) && result == expected) continue;
        if (entry->how & STORES) *(word *)entry->expected = result;
        if (failed(result)) {
            if (!is_allowed(entry, -result)) fail(entry, -result);
            if ((entry->how & ALTERNATIVE) && result == -EACCES && !refused) refused = entry;
            if (entry->how & MAY_FAIL) continue;
            if ((entry->how & ALTERNATIVE) && refused) fail(refused, EACCES);
            fail(entry, -result);
        }
        if ((entry->how & ONLY_AT_EXPECTED) && result != expected) end(0);
        if (entry->how & JUMPS) entry = script->entries + (entry->how >> TARGET_SHIFT) - 1;
    }
}

static void close_mapped(word fd) {
    const word arguments[6] = {fd};
    make(CLOSE, arguments);
}

/* The stack holds the number of arguments, the program's name, and the arguments. */
__attribute__((used)) void begin(const word *stack) {
    word list = number_in((const char *)stack[2]);
    word reported = number_in((const char *)stack[3]);
    map(REPORT_ADDRESS, REPORT_SIZE, MAP_SHARED_FIXED, reported, 0);
    map(CHILD_ADDRESS, CHILD_SIZE, MAP_SHARED_FIXED, list, 0);
    map(SCRIPT_ADDRESS, SCRIPT_SIZE, MAP_PRIVATE_FIXED, list, CHILD_SIZE);
    const word alone[6] = {CHILD_ADDRESS, CHILD_SIZE, MADV_DONTFORK};
    make(MADVISE, alone);
    close_mapped(list);
    close_mapped(reported);
    carry_out();
}
