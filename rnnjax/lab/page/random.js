"use strict";
// Random numbers that a seed repeats: xorshift of 32 bits (Marsaglia, 2003).
//
//   randomStream(seed) -> {uniform(), normal(), integer(n)}

function randomStream(seed) {
  let state = Math.imul(seed + 1, 2654435761) | 0 || 1; // spreads neighbouring seeds; never 0
  let spare = null;

  function uniform() { // in [0, 1)
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  }

  function normal() { // Box and Muller: two uniform numbers make two normal ones
    if (spare !== null) {
      const kept = spare;
      spare = null;
      return kept;
    }
    const length = Math.sqrt(-2 * Math.log(1 - uniform()));
    const angle = 2 * Math.PI * uniform();
    spare = length * Math.sin(angle);
    return length * Math.cos(angle);
  }

  for (let i = 0; i < 16; i++) uniform(); // the first numbers still resemble the seed
  return { uniform, normal, integer: (n) => Math.floor(n * uniform()) }; // 0, …, n - 1
}
