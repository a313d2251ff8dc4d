/** Declarations for the assertions that this project uses of `@std/assert`. */

/** The error that every failed assertion throws. */
export class AssertionError extends Error {
  constructor(message: string, options?: ErrorOptions);
}

/** A class whose instances are `T`, abstract or not. */
// deno-lint-ignore no-explicit-any -- only `any` accepts the constructors of all classes
type Class<T> = abstract new (...args: any[]) => T;

/** Fails unless `value` is truthy, and narrows it. */
export function assert(value: unknown, message?: string): asserts value;

/** Fails unless the two are deeply equal. */
export function assertEquals<T>(actual: T, expected: T, message?: string): void;

/** Fails if the two are deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, message?: string): void;

/** Fails unless the two are the same by `Object.is`, and narrows `actual`. */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  message?: string,
): asserts actual is T;

/** Fails unless `actual` matches the pattern. */
export function assertMatch(actual: string, expected: RegExp, message?: string): void;

/** Fails if `actual` matches the pattern. */
export function assertNotMatch(actual: string, expected: RegExp, message?: string): void;

/** Fails unless `actual` contains `expected`. */
export function assertStringIncludes(actual: string, expected: string, message?: string): void;

/** Fails unless `actual` contains every element of `expected`. */
export function assertArrayIncludes<T>(
  actual: ArrayLike<T>,
  expected: ArrayLike<T>,
  message?: string,
): void;

/** Fails if `actual` is `null` or `undefined`, and narrows it. */
export function assertExists<T>(
  actual: T,
  message?: string,
): asserts actual is NonNullable<T>;

/** Fails unless `actual > expected`. */
export function assertGreater<T>(actual: T, expected: T, message?: string): void;

/** Fails unless `actual < expected`. */
export function assertLess<T>(actual: T, expected: T, message?: string): void;

/** Fails unless `actual` is an instance of `expected`, and narrows it. */
export function assertInstanceOf<T>(
  actual: unknown,
  expected: Class<T>,
  message?: string,
): asserts actual is T;

/** Runs `fn`; fails unless it throws. Returns what was thrown. */
export function assertThrows(fn: () => unknown, message?: string): unknown;
/** Runs `fn`; fails unless it throws an `expected` whose message includes `includes`. */
export function assertThrows<E extends Error>(
  fn: () => unknown,
  expected: Class<E>,
  includes?: string,
  message?: string,
): E;

/** Awaits `fn()`; fails unless it rejects. Resolves to the reason. */
export function assertRejects(fn: () => PromiseLike<unknown>, message?: string): Promise<unknown>;
/** Awaits `fn()`; fails unless it rejects with an `expected` whose message includes `includes`. */
export function assertRejects<E extends Error>(
  fn: () => PromiseLike<unknown>,
  expected: Class<E>,
  includes?: string,
  message?: string,
): Promise<E>;

/** Fails, always. */
export function fail(message?: string): never;
