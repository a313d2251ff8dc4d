/* What attackers have in common. */
#ifndef HOSTILE_H
#define HOSTILE_H

/* A directory of the app's root that everyone may write to: what is found is left there. */
#define SPOILS "/spoils"

/* From a directory of whatever file system, tries the bait: the host's directory BAIT holds a file
   `secret`, which is copied to SPOILS, and room for a file `reached`, which is made.
   Returns 1 if either worked. */
int reach(int dir, const char *bait);

/* The process id that the kernel gave last in this pid namespace. */
int last_pid(void);

int breed(int argc, char **argv);
int exchange(int argc, char **argv);
int exchange_late(int argc, char **argv);
int reach_from(int argc, char **argv);
int hold_processes(int argc, char **argv);
int leaderless(int argc, char **argv);
int stop_next(int argc, char **argv);
int list_writable(int argc, char **argv);
int make_calls(int argc, char **argv);
int read_key(int argc, char **argv);
int siblings(int argc, char **argv);
int spoil_programs(int argc, char **argv);

#endif
