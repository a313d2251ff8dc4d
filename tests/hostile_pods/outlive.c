/* outlive: has the kernel not kill it when its parent dies, and waits. */
#include "hostile.h"

#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

int outlive(int argc, char **argv) {
  (void)argc, (void)argv;
  if (prctl(PR_SET_PDEATHSIG, 0) != 0) return 1;
  puts("up");
  fflush(stdout);
  for (;;) pause();
}
