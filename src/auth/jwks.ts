import type { SigningKeys } from "./signing-keys.ts";

const PATH = "/.well-known/jwks.json";
/** Next keys are published long before they sign, so this may be minutes. */
const MAX_AGE_SECONDS = 300;

/** The parts of Node's request and response that are used here; HTTP/1 and HTTP/2 have them both. */
interface Request {
  readonly url?: string | undefined;
  readonly method?: string | undefined;
}
interface Response {
  writeHead(status: number, headers: Record<string, string | number>): unknown;
  end(body?: string): unknown;
}

/** Answers `GET /.well-known/jwks.json` with the public keys; resolves to false for any other path. */
export function createJwksHandler(
  keys: Pick<SigningKeys, "jwks">,
): (request: Request, response: Response) => Promise<boolean> {
  return async (request, response) => {
    if (request.url?.split("?", 1)[0] !== PATH) return false;
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.writeHead(405, { allow: "GET, HEAD" });
      response.end();
      return true;
    }
    const body = JSON.stringify(await keys.jwks());
    response.writeHead(200, {
      "content-type": "application/jwk-set+json",
      "content-length": Buffer.byteLength(body),
      "cache-control": `public, max-age=${MAX_AGE_SECONDS}`,
    });
    response.end(request.method === "HEAD" ? undefined : body);
    return true;
  };
}
