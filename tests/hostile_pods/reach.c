/* reach BAIT: tries to reach the host's directory BAIT from the working directory and from every
   descriptor that the process was given. */
#define _GNU_SOURCE
#include "hostile.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* Enough steps to climb out of any directory of a test. */
#define UP "../../../../../../../../../../../.."

int reach(int dir, const char *bait) {
  char path[512], text[64];
  int reached = 0;
  snprintf(path, sizeof path, UP "%s/secret", bait);
  int secret = openat(dir, path, O_RDONLY);
  if (secret >= 0) {
    ssize_t size = read(secret, text, sizeof text);
    int loot = open(SPOILS "/loot", O_WRONLY | O_CREAT | O_APPEND, 0666);
    reached = size > 0 && loot >= 0 && write(loot, text, size) == size;
    if (loot >= 0) close(loot);
    close(secret);
  }
  snprintf(path, sizeof path, UP "%s/reached", bait);
  int made = openat(dir, path, O_WRONLY | O_CREAT, 0666);
  if (made >= 0) close(made);
  return reached || made >= 0;
}

int last_pid(void) {
  pid_t pid = fork();
  if (pid == 0) _exit(0);
  waitpid(pid, NULL, 0);
  return pid;
}

int reach_from(int argc, char **argv) {
  if (argc != 2) return 2;
  reach(AT_FDCWD, argv[1]);
  for (int fd = 0; fd < 1024; fd++) reach(fd, argv[1]);
  puts("tried");
  return 0;
}
