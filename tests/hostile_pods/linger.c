/* linger kept|sent SOCKET: sends to a socket of datagrams, with a message, a connection whose end
   waits for its data to be read, which nobody does. Whoever closes it last waits for an hour. The
   other end is in the same message, or kept by this process. */
#define _GNU_SOURCE
#include "hostile.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define HOUR 3600

/* Connects two sockets, and fills the first one. */
static int connect_ends(int ends[2]) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  ends[0] = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 1) != 0 ||
      getsockname(listener, (struct sockaddr *)&address, &size) != 0 ||
      connect(ends[0], (struct sockaddr *)&address, size) != 0)
    return -1;
  ends[1] = accept(listener, NULL, NULL);
  close(listener);
  struct linger linger = {.l_onoff = 1, .l_linger = HOUR};
  if (setsockopt(ends[0], SOL_SOCKET, SO_LINGER, &linger, sizeof linger) != 0) return -1;
  static const char data[64 * 1024];
  /* The kernel grows the buffers of a connection: it is full when it stays so. */
  for (int tries = 0; tries < 20; tries++) {
    while (send(ends[0], data, sizeof data, MSG_DONTWAIT) > 0) tries = 0;
    usleep(10000);
  }
  return 0;
}

static int send_ends(int log, const int *ends, size_t count) {
  union {
    char bytes[CMSG_SPACE(2 * sizeof(int))];
    struct cmsghdr header;
  } control = {0};
  struct iovec part = {.iov_base = "take these", .iov_len = 10};
  struct msghdr message = {
      .msg_iov = &part,
      .msg_iovlen = 1,
      .msg_control = control.bytes,
      .msg_controllen = CMSG_SPACE(count * sizeof(int)),
  };
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(count * sizeof(int));
  memcpy(CMSG_DATA(header), ends, count * sizeof(int));
  return sendmsg(log, &message, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

int linger(int argc, char **argv) {
  int both = argc > 1 && strcmp(argv[1], "sent") == 0;
  struct sockaddr_un address = {.sun_family = AF_UNIX, };
  strncpy(address.sun_path, argc > 2 ? argv[2] : "", sizeof address.sun_path - 1);
  int log = socket(AF_UNIX, SOCK_DGRAM, 0);
  int ends[2];
  if (connect(log, (struct sockaddr *)&address, sizeof address) != 0 || connect_ends(ends) != 0) {
    perror("linger");
    return 1;
  }
  int sent = send_ends(log, ends, both ? 2 : 1);
  close(ends[0]);
  if (both) close(ends[1]);
  puts(sent == 0 ? "attacked" : strerror(errno));
  for (;;) pause();
}
