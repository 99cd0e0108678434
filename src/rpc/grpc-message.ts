/**
 * Makes the headers spell `grpc-message` as the gRPC specification says: only `%` and bytes outside of printable ASCII
 * are percent-encoded. Connect encodes punctuation too, which grpc-js, among others, does not turn back.
 */
export function spellGrpcMessage(headers: Headers): void {
  const set = headers.set.bind(headers);
  headers.set = (name, value) => set(name, name.toLowerCase() === "grpc-message" ? respelt(value) : value);
}

function respelt(encoded: string): string {
  // What is left encoded: %, controls and everything beyond ASCII.
  return encoded.replace(/%([2-7][0-9A-F])/g, (same, hex: string) =>
    hex === "25" || hex === "7F" ? same : String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
