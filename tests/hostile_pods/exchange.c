/* exchange DIR TARGET: for ever exchanges DIR/work, a directory, with DIR/evil, a link to TARGET. */
#define _GNU_SOURCE
#include "hostile.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int exchange(int argc, char **argv) {
  if (argc != 3 || chdir(argv[1]) != 0) return 2;
  mkdir("work", 0777);
  if (symlink(argv[2], "evil") != 0) return 2;
  puts("up");
  for (;;) syscall(SYS_renameat2, AT_FDCWD, "work", AT_FDCWD, "evil", RENAME_EXCHANGE);
}
