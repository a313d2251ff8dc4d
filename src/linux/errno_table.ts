/**
 * All error numbers by name, so that a manifest can name any of them: `asm-generic/errno*.h`, which
 * x86-64 and arm64 share.
 *
 * @module
 */

/** Names in the order of their numbers. A number between them is that of the next name. */
const NAMES = `
  1 EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT
  ENOTBLK EBUSY EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC
  ESPIPE EROFS EMLINK EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP 42 ENOMSG
  EIDRM ECHRNG EL2NSYNC EL3HLT EL3RST ELNRNG EUNATCH ENOCSI EL2HLT EBADE EBADR EXFULL ENOANO EBADRQC
  EBADSLT 59 EBFONT ENOSTR ENODATA ETIME ENOSR ENONET ENOPKG EREMOTE ENOLINK EADV ESRMNT ECOMM
  EPROTO EMULTIHOP EDOTDOT EBADMSG EOVERFLOW ENOTUNIQ EBADFD EREMCHG ELIBACC ELIBBAD ELIBSCN ELIBMAX
  ELIBEXEC EILSEQ ERESTART ESTRPIPE EUSERS ENOTSOCK EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT
  EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP EPFNOSUPPORT EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL
  ENETDOWN ENETUNREACH ENETRESET ECONNABORTED ECONNRESET ENOBUFS EISCONN ENOTCONN ESHUTDOWN
  ETOOMANYREFS ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH EALREADY EINPROGRESS ESTALE EUCLEAN
  ENOTNAM ENAVAIL EISNAM EREMOTEIO EDQUOT ENOMEDIUM EMEDIUMTYPE ECANCELED ENOKEY EKEYEXPIRED
  EKEYREVOKED EKEYREJECTED EOWNERDEAD ENOTRECOVERABLE ERFKILL EHWPOISON
`;

/** Second names of errors: errno(3). */
const ALIASES: Readonly<Record<string, string>> = {
  EDEADLOCK: "EDEADLK",
  ENOTSUP: "EOPNOTSUPP",
  EWOULDBLOCK: "EAGAIN",
};

/** Parsed when first asked for: most programs never ask. */
let numbers: ReadonlyMap<string, number> | undefined;

/**
 * Returns the number of an error.
 *
 * @returns `undefined` when Linux has no error of this name.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(errnoNumber("EHWPOISON"), 133);
 * assertEquals(errnoNumber("ENOTSUP"), 95);
 * assertEquals(errnoNumber("ENONSENSE"), undefined);
 * ```
 */
export function errnoNumber(name: string): number | undefined {
  return (numbers ??= parseNames()).get(ALIASES[name] ?? name);
}

function parseNames(): Map<string, number> {
  const table = new Map<string, number>();
  let number = 0;
  for (const word of NAMES.trim().split(/\s+/)) {
    if (/^[0-9]+$/.test(word)) number = Number(word);
    else table.set(word, number++);
  }
  return table;
}
