/**
 * Random-looking numbers that are the same for the same seed.
 *
 * @module
 */

/** Draws from a sequence that its seed decides: Mulberry32. */
export class Random {
  #state: number;

  /** @param seed An integer. */
  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** Returns a number of at least 0 and less than 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b_79f5) | 0;
    let word = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    word = (word + Math.imul(word ^ (word >>> 7), 61 | word)) ^ word;
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32;
  }

  /** Returns an integer of at least 0 and less than the limit. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  /** Returns true with this probability. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** Returns one of several, all equally likely. */
  pick<T>(choices: readonly [T, ...T[]]): T {
    return choices[this.below(choices.length)]!;
  }
}
