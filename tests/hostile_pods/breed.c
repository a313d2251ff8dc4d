/* breed COUNT SECONDS: starts COUNT processes. Each soon ends and leaves a child in a session of
   its own, which does the same; this goes on for SECONDS unless the processes are killed. */
#define _GNU_SOURCE
#include "hostile.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void follow(time_t end) {
  signal(SIGCHLD, SIG_IGN);
  while (time(NULL) < end) {
    usleep(5000);
    if (fork() != 0) _exit(0);
    setsid();
  }
  _exit(0);
}

int breed(int argc, char **argv) {
  if (argc != 3) return 2;
  time_t end = time(NULL) + atoi(argv[2]);
  for (int i = atoi(argv[1]); i > 0; i--)
    if (fork() == 0) follow(end);
  puts("up");
  for (;;) pause();
}
