/* list_writable DIR...: prints each regular file below the directories that can be opened for
   writing, and writes nothing. Files without any write permission are left out: the kernel lets
   root open them, but ignores what is written. */
#define _GNU_SOURCE
#include "hostile.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int list(const char *path, const struct stat *file, int kind, struct FTW *walk) {
  (void)kind, (void)walk;
  if (!S_ISREG(file->st_mode) || (file->st_mode & 0222) == 0) return 0;
  int fd = open(path, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return 0;
  close(fd);
  puts(path);
  return 0;
}

int list_writable(int argc, char **argv) {
  for (int i = 1; i < argc; i++) nftw(argv[i], list, 64, FTW_PHYS);
  puts("listed");
  return 0;
}
