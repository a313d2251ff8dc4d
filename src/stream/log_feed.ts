/**
 * How the bytes of one stream of an app become its log.
 *
 * @module
 */

import { type Bytes, concatenate } from "../linux/bytes.ts";
import { realtimeNanoseconds } from "../linux/clock.ts";
import type { OutputStream } from "../plan/stdio.ts";
import type { AppLog } from "./app_log.ts";
import type { Journal } from "./journal.ts";
import {
  fieldsOf,
  formatEntry,
  formatFields,
  type JournalSource,
  PARTIAL,
  priorityOfApp,
  STREAM_PRIORITIES,
} from "./journal_entry.ts";
import { type LineFormat, lineRecords } from "./line_records.ts";
import { LineSplitter, NEWLINE, type TakeLine } from "./line_splitter.ts";
import type { SyslogMessage } from "./syslog_message.ts";

const END_OF_LINE = Uint8Array.of(NEWLINE);

/** The most bytes that are read at once to become lines, which take more memory than bytes. */
const LINES_READ_SIZE = 16 * 1024;

/** Takes what one stream carries. */
export interface LogFeed {
  /** Whether more should be read. While not, the app waits. */
  readonly hasRoom: boolean;
  /** The most bytes to pass at once. */
  readonly readSize: number;
  /** Takes what has arrived. */
  write(bytes: Bytes): void;
  /** Takes note that no more comes. */
  end(): void;
}

/** Takes messages of /dev/log. */
export interface SyslogFeed {
  /** Whether more should be read. While not, the app waits. */
  readonly hasRoom: boolean;
  /** Takes a message. */
  write(message: SyslogMessage): void;
}

/** Where the lines of a stream can go. */
export interface LogTargets {
  /** Its files, which the app's streams share. */
  logs: readonly AppLog[];
  /** The journal, which all apps share; undefined if there is none. */
  journal: Journal | undefined;
}

/** Opens the ways of a stream to its app's log. */
export function openFeeds(
  source: JournalSource,
  stream: OutputStream,
  { logs, journal }: LogTargets,
): LogFeed[] {
  return [
    ...logs.map((log) => fileFeed(log, stream)),
    ...(journal ? [journalFeed(journal, source, stream)] : []),
  ];
}

/**
 * Opens the way of what an app sends to /dev/log. In files whose lines have a stream it counts as
 * standard error: the format knows no third one.
 */
export function openSyslogFeed(
  source: JournalSource,
  { logs, journal }: LogTargets,
): SyslogFeed {
  const record = (format: LineFormat, { time, text }: SyslogMessage) =>
    format === "raw"
      ? concatenate([time, text, END_OF_LINE])
      : lineRecords(format, "stderr", realtimeNanoseconds(), (take) => splitMessage(text, take));
  return {
    get hasRoom() {
      return journal?.hasRoom ?? true;
    },
    write(message) {
      for (const log of logs) log.write(record(log.format, message));
      const fields = fieldsOf(source, "syslog", priorityOfApp(message.priority));
      journal?.put(formatEntry(formatFields(fields), message.text));
    },
  };
}

/** A message may be of several lines. */
function splitMessage(text: Bytes, take: TakeLine): void {
  new LineSplitter().push(concatenate([text, END_OF_LINE]), take);
}

function fileFeed(log: AppLog, stream: OutputStream): LogFeed {
  const { format } = log;
  if (format === "raw") {
    return { hasRoom: true, readSize: Infinity, write: (bytes) => log.write(bytes), end: () => {} };
  }
  return new LineFeed((split) =>
    log.write(lineRecords(format, stream, realtimeNanoseconds(), split))
  );
}

function journalFeed(journal: Journal, source: JournalSource, stream: OutputStream): LogFeed {
  const fields = fieldsOf(source, stream, STREAM_PRIORITIES[stream]);
  const full = formatFields(fields);
  const partial = formatFields({ ...fields, ...PARTIAL });
  const put: TakeLine = (text, _isContinued, isEnded) =>
    journal.put(formatEntry(isEnded ? full : partial, text));
  return new LineFeed((split) => split(put), journal);
}

/** Passes on lines when they are whole, so that those of two streams never mix. */
class LineFeed implements LogFeed {
  readonly #splitter = new LineSplitter();
  readonly #write: (split: (take: TakeLine) => void) => void;
  readonly #target: { hasRoom: boolean };
  readonly readSize = LINES_READ_SIZE;

  /**
   * @param write Called with a function that passes on the lines that have come.
   * @param target What takes them, if it does not take all at once.
   */
  constructor(write: (split: (take: TakeLine) => void) => void, target = { hasRoom: true }) {
    this.#write = write;
    this.#target = target;
  }

  get hasRoom(): boolean {
    return this.#target.hasRoom;
  }

  write(bytes: Bytes): void {
    this.#write((take) => this.#splitter.push(bytes, take));
  }

  end(): void {
    this.#write((take) => this.#splitter.end(take));
  }
}
