/* A program that only the host has; it leaves a file where it runs. */
#include "bare.h"

enum { O_WRONLY_CREAT = 0101 };

void _start(void) {
  call(OPENAT, AT_FDCWD, (long)"/spoils/host-program-ran", O_WRONLY_CREAT, 0666);
  leave();
}
