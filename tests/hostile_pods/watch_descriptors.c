/* watch_descriptors PID MILLISECONDS: prints under which numbers a process of the host's, or a
   child of it, has meanwhile had a directory open from which the host's root can be reached. It
   looks all the time, since some are open only for a moment. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 128 };

#define UP "/../../../../../../../../../../.."

static char seen[MOST];
static struct stat host;

static void look_at(int pid) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/fd", pid);
  int fds = open(path, O_RDONLY | O_DIRECTORY);
  if (fds < 0) return;
  for (int number = 3; number < MOST; number++) {
    struct stat file;
    if (seen[number]) continue;
    snprintf(path, sizeof path, "%d" UP, number);
    seen[number] = fstatat(fds, path, &file, 0) == 0 && file.st_dev == host.st_dev &&
                   file.st_ino == host.st_ino;
  }
  close(fds);
}

static void look_at_children(int pid) {
  char path[64];
  int child;
  snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
  FILE *children = fopen(path, "r");
  if (children == NULL) return;
  while (fscanf(children, "%d", &child) == 1) look_at(child);
  fclose(children);
}

static long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

int main(int argc, char **argv) {
  if (argc != 3 || stat("/", &host) != 0) return 2;
  int pid = atoi(argv[1]);
  for (long end = now() + atol(argv[2]); now() < end;) {
    look_at(pid);
    look_at_children(pid);
  }
  for (int number = 0; number < MOST; number++)
    if (seen[number]) printf("%d\n", number);
  return 0;
}
