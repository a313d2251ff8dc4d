/* blind DIRECTORY: goes into a root that nobody can look at, not even root of the host. It is a
   FUSE of its own, whose server says that its root has become a file: the kernel answers every
   look with EIO from then on. */
#define _GNU_SOURCE
#include "hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

static void serve(int device) {
  static char request[1 << 18];
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (;;) {
    if (read(device, request, sizeof request) < 0) {
      if (errno == EINTR) continue;
      _exit(0);
    }
    struct fuse_in_header *asked = (void *)request;
    struct {
      struct fuse_out_header header;
      union {
        struct fuse_init_out init;
        struct fuse_attr_out attributes;
      };
    } answer = {.header = {.len = sizeof answer.header, .unique = asked->unique}};
    if (asked->opcode == FUSE_FORGET || asked->opcode == FUSE_INTERRUPT) continue;
    if (asked->opcode == FUSE_INIT) {
      answer.init = (struct fuse_init_out){.major = 7, .minor = 31, .max_write = 4096};
      answer.header.len += sizeof answer.init;
    } else if (asked->opcode == FUSE_GETATTR) {
      answer.attributes.attr = (struct fuse_attr){.ino = 1, .mode = S_IFREG | 0755, .nlink = 1};
      answer.header.len += sizeof answer.attributes;
    } else {
      answer.header.error = -ENOSYS;
    }
    if (write(device, &answer, answer.header.len) < 0 && errno != ENOENT) _exit(1);
  }
}

int blind(int argc, char **argv) {
  int device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  const char *directory = argc > 1 ? argv[1] : "/srv";
  char options[64];
  snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0", device);
  struct stat status;
  int bad = unshare(CLONE_NEWNS) || mount("none", "/", 0, MS_REC | MS_PRIVATE, 0) ||
            mount("blind", directory, "fuse", MS_NOSUID | MS_NODEV, options);
  if (bad) return perror("blind: mount"), 1;
  if (fork() == 0) serve(device);
  int root = open(directory, O_PATH | O_DIRECTORY);
  if (fchdir(root) != 0 || chroot(".") != 0) return perror("blind: chroot"), 1;
  if (fstatat(root, "", &status, AT_EMPTY_PATH) == 0) return puts("blind: it can be seen"), 1;
  close(root);
  puts("up");
  for (;;) pause();
}
