/** Declarations for `parseArgs` of `@std/cli`, for the options that this project uses. */

/** What {@linkcode parseArgs} is told about the flags. Names are written without dashes. */
export interface ParseOptions<
  B extends string = never,
  S extends string = never,
  C extends string = never,
> {
  /** Flags that take no value. They are `false` when absent. */
  boolean?: readonly B[];
  /** Flags that take a value; `"_"` keeps positional arguments from becoming numbers. */
  string?: readonly S[];
  /** Those of `string` that may be given more than once. */
  collect?: readonly C[];
  /** Boolean flags that `--no-NAME` switches off. */
  negatable?: readonly B[];
  /** Other spellings of a flag. */
  alias?: Readonly<Record<string, string | readonly string[]>>;
  /** Values of flags that were not given. */
  default?: Readonly<Record<string, unknown>>;
  /** Leave everything after the first positional argument alone. */
  stopEarly?: boolean;
  /** Put what follows `--` in the result's `"--"` instead of in `_`. */
  "--"?: boolean;
  /** Called for each argument that is not described above; `false` drops it from the result. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

/** What {@linkcode parseArgs} makes of the arguments. */
export type Args<B extends string, S extends string, C extends string> =
  & { [K in B]: boolean }
  & { [K in Exclude<S, C | "_">]: string | undefined }
  & { [K in C]: string[] }
  & {
    /** The positional arguments, in order. */
    _: "_" extends S ? string[] : (string | number)[];
    /** What followed `--`, if the option of that name is set. */
    "--"?: string[];
  };

/** Parses command line arguments as `@std/cli` does. */
export function parseArgs<
  const B extends string = never,
  const S extends string = never,
  const C extends string = never,
>(args: readonly string[], options?: ParseOptions<B, S, C>): Args<B, S, C>;
