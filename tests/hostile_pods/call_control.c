/* call_control DIRECTORY REQUEST [SECONDS]: looks for the socket `control` of the pod whose
   directory this is on the host: there, in the working directory and the root of every process that
   can be seen, and in every directory that it holds open. Sends a request wherever it gets in, and
   prints what became of it. Goes on for so many seconds, so that it meets processes that begin
   meanwhile. */
#define _GNU_SOURCE
#include "hostile.h"

#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* Connects to a socket of any name: a path may be too long for an address, so that a descriptor of
   its directory is in the place of that. */
static int call(const char *directory, const char *request) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  struct timeval patience = {.tv_sec = 2};
  char answer[512];
  if (chdir(directory) != 0) return errno;
  strcpy(address.sun_path, "control");
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  int error = 0;
  if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
    error = errno;
  } else {
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0) error = errno;
    ssize_t size = recv(fd, answer, sizeof answer - 1, 0);
    if (size < 0) error = errno;
    answer[size > 0 ? size : 0] = 0;
    printf("reached %s: %s\n", directory, answer);
  }
  close(fd);
  if (chdir("/") != 0) return errno;
  return error;
}

static void call_everywhere(const char *directory, const char *request) {
  char path[512];
  struct dirent *entry;
  DIR *proc = opendir("/proc");
  while (proc && (entry = readdir(proc))) {
    int pid = atoi(entry->d_name);
    if (pid <= 0 || pid == getpid()) continue;
    snprintf(path, sizeof path, "/proc/%d/cwd", pid);
    call(path, request);
    snprintf(path, sizeof path, "/proc/%d/root%s", pid, directory);
    call(path, request);
    for (int fd = 0; fd < 64; fd++) {
      snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, fd);
      call(path, request);
    }
  }
  if (proc) closedir(proc);
}

int call_control(int argc, char **argv) {
  if (argc < 3) return 2;
  time_t end = time(NULL) + (argc > 3 ? atoi(argv[3]) : 0);
  do {
    int error = call(argv[1], argv[2]);
    if (argc < 4) printf("%s\n", error ? strerror(error) : "answered");
    call_everywhere(argv[1], argv[2]);
  } while (time(NULL) < end);
  puts("tried");
  return 0;
}
