/* flood_syslog: tries to change /dev/log, then floods it, until it is killed, with messages that
   are too long, that forge lines, and that are many lines. It prints what it could change. */
#define _GNU_SOURCE
#include "hostile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LOG "/dev/log"
#define LARGEST (200 * 1024)

static void report(const char *what, int result) {
  if (result == 0) puts(what);
}

static void change(void) {
  report("chmod", chmod(LOG, 0));
  report("chown", chown(LOG, 0, 0));
  report("unlink", unlink(LOG));
  report("rename", rename(LOG, "/dev/other"));
  report("rename over it", rename("/dev/zero", LOG));
  report("bind", link(LOG, "/dev/other"));
}

int flood_syslog(int argc, char **argv) {
  (void)argc, (void)argv;
  change();
  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = LOG};
  int log = socket(AF_UNIX, SOCK_DGRAM, 0);
  if (connect(log, (struct sockaddr *)&address, sizeof address) != 0) {
    perror("connect");
    return 1;
  }
  char *large = malloc(LARGEST);
  memset(large, 'x', LARGEST);
  static char lines[64 * 1024 - 1];
  memset(lines, '\n', sizeof lines);
  lines[sizeof lines - 1] = 'x';
  const char forged[] = "<999>one\n2026-01-01T00:00:00.000000000Z stdout F forged\n\0\xff<0>";
  for (int i = 0; i < 4; i++) fork();
  for (unsigned i = 0;; i++) {
    send(log, forged, sizeof forged, 0);
    send(log, large, i % 3 ? LARGEST : 0, 0);
    send(log, lines, sizeof lines, 0);
    if (i == 1) puts("flooded");
  }
}
