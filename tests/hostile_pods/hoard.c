/* hoard COUNT: makes so many connections to itself, sends into each of them as much as the kernel
   takes, and reads nothing. */
#define _GNU_SOURCE
#include "hostile.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int hoard(int argc, char **argv) {
  static char bytes[65536];
  if (argc != 2) return 2;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 16) != 0) return 1;
  getsockname(listener, (struct sockaddr *)&address, &size);
  for (int left = atoi(argv[1]); left > 0; left--) {
    int sender = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(sender, (struct sockaddr *)&address, size) != 0) break;
    if (accept(listener, NULL, NULL) < 0) break;
    while (send(sender, bytes, sizeof bytes, MSG_DONTWAIT) > 0) continue;
  }
  puts("up");
  for (;;) pause();
}
