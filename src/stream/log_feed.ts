/**
 * How the bytes of one stream of an app become its log.
 *
 * @module
 */

import type { Bytes } from "../linux/bytes.ts";
import { realtimeNanoseconds } from "../linux/clock.ts";
import type { LogFormat } from "../plan/log.ts";
import type { OutputStream } from "../plan/stdio.ts";
import type { AppLog } from "./app_log.ts";
import { criRecords } from "./cri_log.ts";
import { type Line, LineSplitter } from "./line_splitter.ts";

/** Takes what one stream carries. */
export interface LogFeed {
  /** Takes what has arrived. */
  write(bytes: Bytes): void;
  /** Takes note that no more comes. */
  end(): void;
}

/**
 * Opens the way of a stream to its app's log.
 *
 * @param log The log, which the app's streams share.
 */
export function openFeed(format: LogFormat, stream: OutputStream, log: AppLog): LogFeed {
  if (format === "raw") return { write: (bytes) => log.write(bytes), end: () => {} };
  return new LineFeed((lines) => log.write(criRecords(lines, stream, realtimeNanoseconds())));
}

/** Passes on lines when they are whole, so that those of two streams never mix. */
class LineFeed implements LogFeed {
  readonly #splitter = new LineSplitter();
  readonly #take: (lines: Line[]) => void;

  /** @param take Called with lines, one at least. */
  constructor(take: (lines: Line[]) => void) {
    this.#take = take;
  }

  write(bytes: Bytes): void {
    this.#pass(this.#splitter.push(bytes));
  }

  end(): void {
    this.#pass(this.#splitter.end());
  }

  #pass(lines: Line[]): void {
    if (lines.length > 0) this.#take(lines);
  }
}
