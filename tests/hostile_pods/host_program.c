/* A program that only the host has. Where it runs, it leaves a file. */
#include "bare.h"

enum { O_WRONLY_CREAT = 0101 };

void _start(void) {
  call(OPENAT, AT_FDCWD, (long)"/spoils/host-program-ran", O_WRONLY_CREAT, 0666);
  leave();
}
