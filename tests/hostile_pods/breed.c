/* breed COUNT WORD: so many processes, each of which is soon followed by a child of it in a session
   of its own. WORD is there for who looks for them. */
#define _GNU_SOURCE
#include "hostile.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void follow(void) {
  signal(SIGCHLD, SIG_IGN);
  for (;;) {
    usleep(5000);
    if (fork() != 0) _exit(0);
    setsid();
  }
}

int breed(int argc, char **argv) {
  if (argc != 3) return 2;
  for (int i = atoi(argv[1]); i > 0; i--)
    if (fork() == 0) follow();
  puts("up");
  for (;;) pause();
}
