/* take_terminals: takes all terminals of the pod, and keeps them. */
#include "hostile.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int take_terminals(int argc, char **argv) {
  (void)argc, (void)argv;
  while (open("/dev/ptmx", O_RDWR | O_NOCTTY) >= 0) continue;
  puts("up");
  for (;;) pause();
}
