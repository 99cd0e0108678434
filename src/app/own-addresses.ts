import { networkInterfaces } from "node:os";
import type { Config } from "../config.ts";
import type { OwnAddress } from "../egress/policy.ts";

/** Where this process listens, for the guard that keeps callers from using it against itself. */
export function ownAddresses(config: Config, publicUrl: string): OwnAddress[] {
  const { host, workerAddress } = config;
  // Port 0 is known only once it listens; without an own public address that is where clients reach it.
  const port = config.port || Number(URL.parse(publicUrl)?.port);
  const hosts = ["0.0.0.0", "::"].includes(host)
    ? Object.values(networkInterfaces()).flatMap((all) => all?.map(({ address }) => address) ?? [])
    : [host === "localhost" ? "127.0.0.1" : host];
  return [
    ...hosts.map((address) => ({ address, port })),
    ...(workerAddress ? [{ address: workerAddress.host, port: workerAddress.port }] : []),
  ];
}
