/* leaderless: ends its first thread, of which /proc then tells little, and lives on in a second. */
#include "hostile.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static void *stay(void *nothing) {
  puts("up");
  for (;;) pause();
  return nothing;
}

int leaderless(int argc, char **argv) {
  (void)argc, (void)argv;
  pthread_t thread;
  pthread_create(&thread, NULL, stay, NULL);
  pthread_exit(NULL);
}
