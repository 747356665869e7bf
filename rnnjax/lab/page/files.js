"use strict";
// Files of safetensors: 8 bytes hold the length of a header, which is JSON; raw numbers follow.
//
//   readSafetensors(buffer) -> {metadata, tensors: {name: {dtype, shape, data}}}
//                              data is a Float32Array, and a Float64Array for F64
//   fromBase64(text) -> ArrayBuffer

const NUMBER_READERS = { // size in bytes, and an array of the numbers in a buffer of these bytes
  F64: [8, (bytes) => new Float64Array(bytes)],
  F32: [4, (bytes) => new Float32Array(bytes)],
  F16: [2, (bytes) => Float32Array.from(new Uint16Array(bytes), fromHalf)],
  BF16: [2, (bytes) => Float32Array.from(new Uint16Array(bytes), fromBrainFloat)],
};

function fromHalf(bits) { // 1 bit sign, 5 bits exponent, 10 bits fraction
  const sign = bits >> 15 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = (bits & 1023) / 1024;
  if (exponent === 0) return sign * fraction * 2 ** -14;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction) * 2 ** (exponent - 15);
}

function fromBrainFloat(bits) { // the upper half of a float of 32 bits
  return new Float32Array(Uint32Array.of(bits << 16).buffer)[0];
}

function readSafetensors(buffer) {
  const start = 8 + Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(buffer.slice(8, start)));
  const { __metadata__: metadata = {}, ...entries } = header;
  const tensors = {};
  for (const [name, { dtype, shape, data_offsets: [from, to] }] of Object.entries(entries)) {
    if (!NUMBER_READERS[dtype]) throw new Error(`expected floats, got ${name} of dtype ${dtype}`);
    const [size, read] = NUMBER_READERS[dtype];
    if (to - from !== shape.reduce((a, b) => a * b, size) || start + to > buffer.byteLength) {
      throw new Error(`expected ${shape} numbers in ${name}; is the file damaged?`);
    }
    tensors[name] = { dtype, shape, data: read(buffer.slice(start + from, start + to)) };
  }
  return { metadata, tensors };
}

function fromBase64(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
}
