import { createHash, createHmac } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import S3rver from "s3rver";
import { S3_CREDENTIALS } from "./s3-credentials.ts";

export const S3_BUCKET = "sluice-test";

/**
 * s3rver, a server that speaks S3 over a folder, on a free port; with what it lacks: signed links are verified (AWS Signature
 * Version 4, query parameters), and unfinished uploads can be aborted and listed.
 */
export async function startS3() {
  const folder = mkdtempSync(join(tmpdir(), "sluice-s3-"));
  const rver = new S3rver({
    directory: folder,
    silent: true,
    vhostBuckets: false,
    configureBuckets: [S3_BUCKET, "other-bucket"].map((name) => ({ name, configs: [] })),
  });
  await rver.configureBuckets();
  const unfinished = join(folder, S3_BUCKET, "._S3rver_uploads");
  const uploads = () => {
    try {
      return readdirSync(unfinished);
    } catch {
      return [];
    }
  };
  const answer = rver.callback();
  const sockets = new Set<Socket>();
  const asked: string[] = [];
  let answering = 0;
  let refusing = false;
  const server = createServer((req, res) => {
    const url = new URL(req.url ?? "", "http://s3");
    answering++;
    res.once("close", () => answering--);
    asked.push(`${req.method} ${decodeURIComponent(url.pathname)}`);
    if (refusing) {
      refuse(res, 403, "AccessDenied");
    } else if (url.searchParams.has("X-Amz-Signature") && !isSigned(req, url)) {
      refuse(res, 403, "SignatureDoesNotMatch");
    } else if (req.method === "DELETE" && url.searchParams.has("uploadId")) {
      rmSync(join(unfinished, url.searchParams.get("uploadId") ?? "none"), { recursive: true });
      res.writeHead(204).end();
    } else if (req.method === "GET" && url.searchParams.has("uploads")) {
      const entries = uploads().map((id) => {
        const initiated = statSync(join(unfinished, id)).mtime.toISOString();
        const key = readFileSync(join(unfinished, id, "key"), "utf8");
        return `<Upload><Key>${key}</Key><UploadId>${id}</UploadId><Initiated>${initiated}</Initiated></Upload>`;
      });
      res.end(`<ListMultipartUploadsResult>${entries.join("")}</ListMultipartUploadsResult>`);
    } else answer(req, res);
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    endpoint,
    /** As SLUICE_STORAGE_URL has it. */
    url: `s3://${S3_BUCKET}/a/prefix?endpoint=${endpoint}`,
    folder,
    uploads,
    /** Method and path of each request so far. */
    asked,
    /** Requests whose answers are not at their end. */
    answering: () => answering,
    /** Whether every request is refused. */
    refuseAll(on: boolean) {
      refusing = on;
    },
    /** Breaks off the connections that are open now. */
    cut() {
      for (const socket of sockets) socket.resetAndDestroy();
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export type S3Server = Awaited<ReturnType<typeof startS3>>;

function refuse(res: ServerResponse, status: number, code: string): void {
  res.writeHead(status, { "content-type": "application/xml", connection: "close" });
  res.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`);
}

const hmac = (key: string | Buffer, text: string): Buffer => createHmac("sha256", key).update(text).digest();

/** "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)", Amazon S3 API Reference. */
function isSigned(req: IncomingMessage, url: URL): boolean {
  const query = url.searchParams;
  const get = (name: string): string => query.get(`X-Amz-${name}`) ?? "";
  const [, date = "", region = "", service = "", end = ""] = get("Credential").split("/");
  const headers = get("SignedHeaders").split(";");
  const canonicalQuery = url.search
    .slice(1)
    .split("&")
    .filter((pair) => !pair.startsWith("X-Amz-Signature="))
    .sort();
  const canonical = [
    req.method,
    url.pathname,
    canonicalQuery.join("&"),
    ...headers.map((name) => `${name}:${req.headers[name]}`),
    "",
    headers.join(";"),
    "UNSIGNED-PAYLOAD",
  ].join("\n");
  const digest = createHash("sha256").update(canonical).digest("hex");
  const text = [get("Algorithm"), get("Date"), `${date}/${region}/${service}/${end}`, digest].join("\n");
  const key = [date, region, service, end].reduce<string | Buffer>(
    hmac,
    `AWS4${S3_CREDENTIALS.secretAccessKey}`,
  );
  return hmac(key, text).toString("hex") === get("Signature");
}
