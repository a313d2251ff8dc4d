/**
 * The keys that end a pod or a command which does not end by itself, and those by which a client of
 * `attach` lets go of an app: `^]`, three times within a second, as in rkt's other stage1 images.
 *
 * @module
 */

/** `^]`. */
const ESCAPE = 0x1d;
const TIMES = 3;
const MICROSECONDS = 1_000_000;

/** Looks for the escape keys in what is typed. */
export class EscapeKeys {
  #count = 0;
  #since = 0;

  /**
   * Takes typed bytes.
   *
   * @param now The time, in microseconds, of a clock that only goes forward.
   * @returns Whether the escape keys are complete.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * const keys = new EscapeKeys();
   * assertEquals(keys.push(Uint8Array.of(0x1d, 0x1d), 0), false);
   * assertEquals(keys.push(Uint8Array.of(0x1d), 900_000), true);
   * ```
   */
  push(typed: Uint8Array, now: number): boolean {
    return typed.some((key) => this.#pushKey(key, now));
  }

  #pushKey(key: number, now: number): boolean {
    if (key !== ESCAPE) {
      this.#count = 0;
      return false;
    }
    if (this.#count === 0 || now - this.#since > MICROSECONDS) {
      this.#count = 0;
      this.#since = now;
    }
    return ++this.#count === TIMES;
  }
}
