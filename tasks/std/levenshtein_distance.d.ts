/** Declarations for `levenshteinDistance` of `@std/text`. */

/** Returns how many characters have to be added, removed or replaced to make one text another. */
export function levenshteinDistance(str1: string, str2: string): number;
