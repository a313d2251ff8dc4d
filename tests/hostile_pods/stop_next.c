/* stop_next: sends SIGSTOP to the next process that appears in the pod, again and again. */
#include "hostile.h"

#include <signal.h>
#include <stdio.h>

int stop_next(int argc, char **argv) {
  (void)argc, (void)argv;
  puts("up");
  for (;;) {
    int last = last_pid();
    for (long i = 0; i < 2000000; i++)
      if (kill(last + 1, SIGSTOP) == 0) break;
  }
}
