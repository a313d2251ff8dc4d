/**
 * The line of a log that says where the log has a gap, and how large it is.
 *
 * @module
 */

import { type Bytes, concatenate } from "../linux/bytes.ts";
import { realtimeNanoseconds } from "../linux/clock.ts";
import { describeErrno, type SyscallError } from "../linux/errno.ts";
import { type LineFormat, lineRecords } from "./line_records.ts";
import { NEWLINE } from "./line_splitter.ts";

const encode = (text: string): Bytes => new TextEncoder().encode(text);

/** Counts what a log has not taken, until the log can say so itself. */
export class LogGap {
  readonly #format: LineFormat;
  #bytes = 0;
  #errno = 0;

  /** @param format The log's. */
  constructor(format: LineFormat) {
    this.#format = format;
  }

  /** Whether something is missing that the log does not say yet. */
  get isOpen(): boolean {
    return this.#bytes > 0;
  }

  /**
   * Counts bytes that are missing.
   *
   * @param error Why they are. Of several reasons, the log tells the first.
   */
  add(bytes: number, error: SyscallError): void {
    if (!this.isOpen) this.#errno = error.errno;
    this.#bytes += bytes;
  }

  /**
   * Formats the line. It does not go on with a line that the gap has cut.
   *
   * @param last The last byte of the log; `undefined` when that is not known.
   */
  line(last: number | undefined): Bytes {
    const start = last === NEWLINE ? "" : "\n";
    const what = `${this.#bytes} bytes are missing here: ${describeErrno(this.#errno)}`;
    const text = encode(`[stage1-volo: ${what}]`);
    const record = this.#format === "raw"
      ? concatenate([text, Uint8Array.of(NEWLINE)])
      : lineRecords(this.#format, "stderr", realtimeNanoseconds(), (take) =>
        take(text, false, true));
    return concatenate([encode(start), record]);
  }

  /** Notes that the log says it. */
  close(): void {
    this.#bytes = 0;
  }
}
