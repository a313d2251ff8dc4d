/**
 * A reader for JSON that programs in Go read or write: network configurations, results of plugins,
 * and our record of them.
 *
 * Field names match as in Go: case does not matter, and the last of equal names counts. A field
 * that is null counts as left out. There is no schema library here, because `gc` starts faster
 * without one.
 *
 * @module
 */

import { printable } from "../../stage1/log.ts";

/** An object of JSON. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** The fields of an object, by name, with errors that name the place. */
export class JsonReader {
  /**
   * @param fields The object.
   * @param origin The file or program that it comes from, with which errors begin.
   * @param path The object's place in the JSON, such as `plugins[0]`; empty for the whole.
   */
  constructor(
    readonly fields: JsonObject,
    private readonly origin: string,
    private readonly path = "",
  ) {}

  /** Returns a string; `undefined` when it is left out. */
  text(name: string): string | undefined {
    return this.read(name, "string") as string | undefined;
  }

  /**
   * Returns a string that is not empty.
   *
   * @throws {Error} when it is left out or empty.
   */
  requireText(name: string): string {
    const text = this.text(name);
    if (!text) throw this.error(name, text === undefined ? "missing" : "must not be empty");
    return text;
  }

  /** Returns a whole number from 0 on; `undefined` when it is left out. */
  index(name: string): number | undefined {
    const number = this.read(name, "number") as number | undefined;
    if (number === undefined || (Number.isSafeInteger(number) && number >= 0)) return number;
    throw this.error(name, `${number} is not a whole number from 0`);
  }

  /** Tells whether a boolean is there and true. */
  flag(name: string): boolean {
    return this.read(name, "boolean") === true;
  }

  /** Returns an object; `undefined` when it is left out. */
  object(name: string): JsonReader | undefined {
    const value = this.read(name, "object");
    return value === undefined ? undefined : this.inner(value, name);
  }

  /** Returns a list of objects; `undefined` when it is left out. */
  objects(name: string): JsonReader[] | undefined {
    return this.list(name)?.map((value, i) => {
      if (typeOf(value) !== "object") throw this.mismatch(`${name}[${i}]`, "object", value);
      return this.inner(value, `${name}[${i}]`);
    });
  }

  /** Returns a list of strings; an empty one when it is left out. */
  texts(name: string): string[] {
    return (this.list(name) ?? []).map((value, i) => {
      if (typeof value === "string") return value;
      throw this.mismatch(`${name}[${i}]`, "string", value);
    });
  }

  /** Returns a value of any type; `undefined` when it is left out. */
  any(name: string): unknown {
    const wanted = name.toLowerCase();
    const key = Object.keys(this.fields).findLast((key) => key.toLowerCase() === wanted);
    return key === undefined ? undefined : this.fields[key] ?? undefined;
  }

  /** Makes an error about a field. */
  error(name: string, message: string): Error {
    return new Error(`${this.origin}: ${this.place(name)}: ${printable(message)}`);
  }

  private list(name: string): unknown[] | undefined {
    return this.read(name, "array") as unknown[] | undefined;
  }

  private read(name: string, type: string): unknown {
    const value = this.any(name);
    if (value === undefined || typeOf(value) === type) return value;
    throw this.mismatch(name, type, value);
  }

  private mismatch(name: string, type: string, value: unknown): Error {
    return this.error(name, `expected ${type}, received ${typeOf(value)}`);
  }

  private inner(value: unknown, name: string): JsonReader {
    return new JsonReader(value as JsonObject, this.origin, this.place(name));
  }

  private place(name: string): string {
    return this.path === "" ? name : `${this.path}.${name}`;
  }
}

/**
 * Reads a JSON object.
 *
 * @param origin The file or program that it comes from, with which errors begin.
 * @throws {Error} when the text is no JSON object; the message is one line.
 *
 * @example
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 * const reader = readJson('{"Name": "a", "mtu": null}', "10-a.conf");
 * assertEquals(reader.requireText("name"), "a");
 * assertEquals(reader.index("mtu"), undefined);
 * assertThrows(() => reader.requireText("type"), Error, "10-a.conf: type: missing");
 * ```
 */
export function readJson(text: string, origin: string): JsonReader {
  const value = parse(text, origin);
  if (typeOf(value) === "object") return new JsonReader(value as JsonObject, origin);
  throw new Error(`${origin}: expected a JSON object, received ${typeOf(value)}`);
}

function parse(text: string, origin: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${origin}: not JSON: ${printable((error as Error).message)}`);
  }
}

function typeOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}
