/* siblings: makes processes that end at once and are children of its own parent, `run`. */
#define _GNU_SOURCE
#include "hostile.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int siblings(int argc, char **argv) {
  (void)argc, (void)argv;
  for (int i = 0; i < 20; i++)
    if (syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0) == 0) _exit(0);
  puts("up");
  for (;;) pause();
}
