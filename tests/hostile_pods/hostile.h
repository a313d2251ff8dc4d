/* What attackers share. */
#ifndef HOSTILE_H
#define HOSTILE_H

/* A directory of the app's root where everyone may write: attackers leave there what they found. */
#define SPOILS "/spoils"

/* Tries to reach the bait from a directory of any file system. The host's directory BAIT holds a
   file `secret`, which is copied to SPOILS, and lets everyone make a file `reached`. Returns 1 if
   either worked. */
int reach(int dir, const char *bait);

/* Returns the process ID that the kernel gave last in this PID namespace. */
int last_pid(void);

int blind(int argc, char **argv);
int breed(int argc, char **argv);
int call_control(int argc, char **argv);
int exchange(int argc, char **argv);
int exchange_late(int argc, char **argv);
int exchange_made(int argc, char **argv);
int reach_from(int argc, char **argv);
int hoard(int argc, char **argv);
int hold_processes(int argc, char **argv);
int flood_syslog(int argc, char **argv);
int leaderless(int argc, char **argv);
int linger(int argc, char **argv);
int stop_next(int argc, char **argv);
int let_in(int argc, char **argv);
int list_writable(int argc, char **argv);
int make_calls(int argc, char **argv);
int make_calls_32(int argc, char **argv);
int meddle(int argc, char **argv);
int outgrow(int argc, char **argv);
int outlive(int argc, char **argv);
int read_key(int argc, char **argv);
int regrow(int argc, char **argv);
int siblings(int argc, char **argv);
int spoil_programs(int argc, char **argv);
int take_terminals(int argc, char **argv);
int trace(int argc, char **argv);

#endif
