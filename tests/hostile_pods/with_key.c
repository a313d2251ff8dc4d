/* with_key SECRET PROGRAM ARGUMENT...: executes a program of the host in a session keyring with a
   key in it, as a user's login may leave one. */
#define _GNU_SOURCE
#include <linux/keyctl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0) return 3;
  if (syscall(SYS_add_key, "user", "bait", argv[1], strlen(argv[1]), KEY_SPEC_SESSION_KEYRING) < 0)
    return 3;
  execvp(argv[2], argv + 2);
  return 4;
}
