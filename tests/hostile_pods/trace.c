/* trace: ends while a child of it traces it: until that ends, only the child may wait for it. */
#define _GNU_SOURCE
#include "hostile.h"

#include <stdio.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <unistd.h>

int trace(int argc, char **argv) {
  (void)argc, (void)argv;
  int ready[2], begin[2];
  char byte = 0;
  if (pipe(ready) != 0 || pipe(begin) != 0) return 1;
  pid_t child = fork();
  if (child == 0) {
    if (read(begin[0], &byte, 1) != 1) _exit(1);
    if (ptrace(PTRACE_SEIZE, getppid(), 0, 0) == 0) puts("traced");
    else perror("ptrace");
    if (write(ready[1], &byte, 1) != 1) _exit(1);
    for (;;) pause();
  }
  /* A host may let a process be traced by its descendants' ancestors alone. */
  prctl(PR_SET_PTRACER, child, 0, 0, 0);
  if (write(begin[1], &byte, 1) != 1 || read(ready[0], &byte, 1) != 1) return 1;
  return 0;
}
